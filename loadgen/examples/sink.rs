//! A server that takes every body, looks at nothing and answers 202: what the harness itself costs
//! is measured against it. It prints its port.
//!
//! ```text
//! cargo run --release -p speargun-loadgen --example sink
//! speargun load --target 127.0.0.1:PORT --format proto --rate 1M --read-back 0
//! ```

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use anyhow::Result;

/// A body of a load is not larger.
const BODY_BYTES_MAX: u64 = 256 << 20;

fn main() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?.port())?;
    for stream in listener.incoming() {
        let stream = stream?;
        // A connection ends when its client does, and the process when it is killed.
        std::thread::spawn(move || swallow(stream));
    }
    Ok(())
}

fn swallow(stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::with_capacity(64 << 10, stream);
    let mut line = Vec::new();
    loop {
        let mut length = 0;
        loop {
            line.clear();
            if stream.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            if let Some(value) = line.strip_prefix(b"Content-Length: ") {
                length = String::from_utf8_lossy(value).trim().parse()?;
            }
            if line == b"\r\n" {
                break;
            }
        }
        anyhow::ensure!(length <= BODY_BYTES_MAX, "a body of {length} bytes");
        std::io::copy(&mut stream.by_ref().take(length), &mut std::io::sink())?;
        let answer = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
        stream.get_mut().write_all(answer)?;
    }
}

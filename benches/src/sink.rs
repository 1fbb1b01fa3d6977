//! A server that takes every body, looks at nothing and answers 202: what the load harness itself
//! costs is measured against it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use anyhow::{Result, ensure};

/// A body of a load is not larger.
const BODY_BYTES_MAX: u64 = 256 << 20;

/// Opens a sink and returns its port. It is there until the process ends.
pub fn open() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A connection ends when its client does.
            thread::spawn(move || swallow(stream));
        }
    });
    Ok(port)
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
            let name = b"content-length:";
            if let Some((found, value)) = line.split_at_checked(name.len())
                && found.eq_ignore_ascii_case(name)
            {
                length = String::from_utf8_lossy(value).trim().parse()?;
            }
            if line == b"\r\n" {
                break;
            }
        }
        ensure!(length <= BODY_BYTES_MAX, "a body of {length} bytes");
        std::io::copy(&mut stream.by_ref().take(length), &mut std::io::sink())?;
        let answer = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
        stream.get_mut().write_all(answer)?;
    }
}

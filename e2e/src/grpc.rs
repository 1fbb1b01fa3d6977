//! One unary gRPC call over cleartext HTTP/2 with prior knowledge, frame by frame. Headers of the
//! answer are not decoded; only its data frames count.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
/// No answer of a test has more frames.
const FRAMES_MAX: usize = 1000;

/// Calls `path` with one message and returns the bytes of all data frames of the answer.
pub fn call(port: u16, path: &str, message: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    frame(&mut hello, (SETTINGS, 0), 0, &[]);
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        literal(&mut block, name, value);
    }
    frame(&mut hello, (HEADERS, END_HEADERS), 1, &block);
    let mut body = vec![0];
    body.extend_from_slice(&(message.len() as u32).to_be_bytes());
    body.extend_from_slice(message);
    // Frames hold at most 16 KiB unless the server allows more.
    let parts: Vec<&[u8]> = body.chunks(16 << 10).collect();
    for (index, part) in parts.iter().enumerate() {
        let flags = if index + 1 == parts.len() {
            END_STREAM
        } else {
            0
        };
        frame(&mut hello, (DATA, flags), 1, part);
    }
    stream.write_all(&hello)?;
    read_answer(&mut stream)
}

fn read_answer(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    for _ in 0..FRAMES_MAX {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let (kind, flags) = (head[3], head[4]);
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload)?;
        let mut reply = Vec::new();
        match kind {
            SETTINGS if flags & ACK == 0 => frame(&mut reply, (SETTINGS, ACK), 0, &[]),
            PING if flags & ACK == 0 => frame(&mut reply, (PING, ACK), 0, &payload),
            GOAWAY => return Err(io::Error::other("connection refused by GOAWAY")),
            RST_STREAM if id == 1 => return Err(io::Error::other("stream reset")),
            DATA | HEADERS if id == 1 => {
                if kind == DATA {
                    data.extend_from_slice(&payload);
                }
                if flags & END_STREAM != 0 {
                    return Ok(data);
                }
            }
            _ => {}
        }
        stream.write_all(&reply)?;
    }
    Err(io::Error::other("the answer does not end"))
}

fn frame(out: &mut Vec<u8>, (kind, flags): (u8, u8), stream: u32, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// A header field without indexing and without Huffman code (RFC 7541, 6.2.2). All are short.
fn literal(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(0);
    for text in [name, value] {
        out.push(text.len() as u8);
        out.extend_from_slice(text.as_bytes());
    }
}

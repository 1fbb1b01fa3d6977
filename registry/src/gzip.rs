//! One gzip stream put together from pieces that were packed before, each by itself.
//!
//! ```text
//! 1f 8b 08 00, time 0, 00 ff │ pieces … │ 03 00 │ crc-32 of all │ length of all
//!
//! packed piece:  deflate blocks, ended at a byte's border by an empty stored block
//! plain piece:   a stored block: 00, length, its complement, the bytes
//! ```
//!
//! It is one member, because some clients read no more than the first. Checksums of pieces are
//! combined, not computed again.

use bytes::{BufMut, Bytes, BytesMut};
use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// A packed piece.
#[derive(Debug)]
pub struct Packed {
    deflated: Bytes,
    crc: Crc,
}

/// Packs a piece, to be pushed into any number of streams.
pub fn pack(plain: &[u8]) -> Packed {
    let mut crc = Crc::new();
    crc.update(plain);
    // Level 4: a seventh of JSON's size at half the time of the default.
    let mut compress = Compress::new(Compression::new(4), false);
    let mut out = Vec::with_capacity(plain.len() / 4 + 64);
    loop {
        let read = usize::try_from(compress.total_in()).unwrap_or(plain.len());
        let rest = plain.get(read..).unwrap_or_default();
        let done = compress.compress_vec(rest, &mut out, FlushCompress::Sync);
        debug_assert!(
            matches!(done, Ok(Status::Ok | Status::BufError)),
            "{done:?}"
        );
        // With room left over, everything is out.
        if out.len() < out.capacity() || done.is_err() {
            break;
        }
        out.reserve(out.len());
    }
    Packed {
        deflated: out.into(),
        crc,
    }
}

/// A stream as it grows.
#[derive(Debug)]
pub struct Stream {
    parts: Vec<Bytes>,
    /// Small things that stand together.
    small: BytesMut,
    crc: Crc,
}

// === impl Stream ===

impl Stream {
    /// Begins a stream.
    pub fn begin() -> Self {
        let mut small = BytesMut::new();
        small.put_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
        Self {
            parts: Vec::new(),
            small,
            crc: Crc::new(),
        }
    }

    /// Adds a piece that was packed before.
    pub fn push(&mut self, piece: &Packed) {
        if !self.small.is_empty() {
            self.parts.push(self.small.split().freeze());
        }
        self.parts.push(piece.deflated.clone());
        self.crc.combine(&piece.crc);
    }

    /// Adds a small piece as it is.
    pub fn push_plain(&mut self, plain: &[u8]) {
        self.crc.update(plain);
        for block in plain.chunks(usize::from(u16::MAX)) {
            let length = block.len() as u16;
            self.small.put_u8(0);
            self.small.put_u16_le(length);
            self.small.put_u16_le(!length);
            self.small.put_slice(block);
        }
    }

    /// Ends the stream and returns it.
    pub fn end(mut self) -> Vec<Bytes> {
        // An empty last block.
        self.small.put_slice(&[3, 0]);
        self.small.put_u32_le(self.crc.sum());
        self.small.put_u32_le(self.crc.amount());
        self.parts.push(self.small.freeze());
        self.parts
    }
}

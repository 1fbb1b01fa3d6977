//! Packs streams with zstd, and unpacks them. What is in a stream is not known here, but for how it
//! may be cut.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io;

use zstd::zstd_safe::{
    CCtx, CParameter, ErrorCode, InBuffer, OutBuffer, ResetDirective, SafeResult, compress_bound,
    get_error_name, zstd_sys,
};
use zstd_sys::ZSTD_EndDirective as End;

use crate::error::Corrupt;

/// Level of zstd: measured best in CPU a byte saved for streams of some kilobytes.
pub(crate) const ZSTD_LEVEL: i32 = 1;
/// Bytes that are worth a match: shorter ones save little in columns, and cost as much.
const MATCH_BYTES_MIN: u32 = 7;
/// The size of the table of matches: 32 KiB, which stay in the fastest cache.
const TABLE_BITS: u32 = 13;
/// What zstd makes of a byte at most: a block of 128 KiB takes four. Memory for what a stream says
/// of itself is taken before it is unpacked.
const UNPACK_RATIO_MAX: usize = 1 << 15;
/// Streams up to this length are stored as they are.
const PACK_MIN_BYTES: usize = 64;
/// What the blocks of a stream that is cut take at most, beside what one would.
const CUT_BYTES_MAX: usize = 64;

/// Packs streams, reusing its context; without one they stay as they are.
pub(crate) struct Packer {
    zstd: Option<CCtx<'static>>,
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").finish_non_exhaustive()
    }
}

impl Packer {
    pub(crate) fn new() -> io::Result<Self> {
        let mut zstd = CCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
        for parameter in [
            CParameter::CompressionLevel(ZSTD_LEVEL),
            CParameter::MinMatch(MATCH_BYTES_MIN),
            CParameter::HashLog(TABLE_BITS),
        ] {
            let refused = |code: ErrorCode| io::Error::other(get_error_name(code));
            zstd.set_parameter(parameter).map_err(refused)?;
        }
        Ok(Self { zstd: Some(zstd) })
    }

    /// Returns one that packs nothing.
    pub(crate) fn idle() -> Self {
        Self { zstd: None }
    }

    /// Returns what a row of a segment usually takes at most.
    pub(crate) fn bytes_a_row(&self) -> usize {
        if self.zstd.is_some() { 26 } else { 64 }
    }

    /// Appends `raw` to `out`, packed when that saves at least a 32nd; returns whether it was.
    pub(crate) fn append(&mut self, out: &mut Vec<u8>, raw: &[u8]) -> bool {
        self.append_cut(out, raw, raw.len())
    }

    /// Appends a stream of planes as [`Self::append`] does. Each plane becomes a block of its own,
    /// with its own table of how often each byte is, since planes have little in common.
    pub(crate) fn append_planes(&mut self, out: &mut Vec<u8>, raw: &[u8]) -> bool {
        let planes = raw.first().map_or(0, |&planes| planes as usize);
        let each = raw.len().saturating_sub(1) / planes.max(1);
        self.append_cut(out, raw, each)
    }

    /// Appends `raw`; each `each` bytes, counted from the end, become a block or several.
    fn append_cut(&mut self, out: &mut Vec<u8>, raw: &[u8], each: usize) -> bool {
        let start = out.len();
        if let Some(zstd) = &mut self.zstd
            && raw.len() > PACK_MIN_BYTES
        {
            let is_done = compress(zstd, out, raw, each).is_ok();
            if is_done && out.len() - start < raw.len() - raw.len() / 32 {
                return true;
            }
            out.truncate(start);
        }
        out.extend_from_slice(raw);
        false
    }
}

fn compress(zstd: &mut CCtx<'_>, out: &mut Vec<u8>, raw: &[u8], each: usize) -> SafeResult {
    zstd.reset(ResetDirective::SessionOnly)?;
    zstd.set_pledged_src_size(Some(raw.len() as u64))?;
    out.reserve(compress_bound(raw.len()) + CUT_BYTES_MAX);
    let start = out.len();
    let mut room = OutBuffer::around_pos(out, start);
    let mut rest = raw;
    let each = each.max(1);
    loop {
        // What equal parts leave over goes with the first.
        let cut = rest.len() % each + each;
        let (part, behind) = rest.split_at_checked(cut).unwrap_or((rest, &[]));
        rest = behind;
        let end = if rest.is_empty() {
            End::ZSTD_e_end
        } else {
            End::ZSTD_e_flush
        };
        let left = zstd.compress_stream2(&mut room, &mut InBuffer::around(part), end)?;
        if left > 0 {
            // More than was thought to be possible: then it does not pay.
            return Err(left);
        }
        if rest.is_empty() {
            return Ok(room.pos());
        }
    }
}

thread_local! {
    /// What unpacks: making one costs as much as unpacking some kilobytes, and a page has many
    /// small streams.
    static UNPACKER: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const {
        RefCell::new(None)
    };
}

/// Unpacks stored bytes whose checksum is already known to be right.
pub(crate) fn unpack(
    stored: Cow<'_, [u8]>,
    raw: usize,
    compressed: bool,
) -> Result<Vec<u8>, Corrupt> {
    if !compressed {
        return if stored.len() == raw {
            Ok(stored.into_owned())
        } else {
            Err(Corrupt("a stream has another length than it says"))
        };
    }
    if raw > stored.len().saturating_mul(UNPACK_RATIO_MAX) {
        return Err(Corrupt("a stream claims more than it can hold"));
    }
    let bytes = UNPACKER.with_borrow_mut(|unpacker| {
        let unpacker = match unpacker {
            Some(unpacker) => unpacker,
            None => unpacker.insert(zstd::bulk::Decompressor::new()?),
        };
        unpacker.decompress(&stored, raw)
    });
    let bytes = bytes.map_err(|_| Corrupt("a stream unpacks not"))?;
    if bytes.len() == raw {
        Ok(bytes)
    } else {
        Err(Corrupt("a stream unpacks to another length"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planes;

    #[test]
    fn what_was_packed_is_unpacked_to_the_same() {
        let mut packer = Packer::new().unwrap();
        for count in [0, 1, 63, 64, 65, 1000, 8192, 300_000] {
            // One plane has few bytes without order, one is random, the others are the same.
            let numbers = (0..count).map(|n: u64| {
                let random = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
                (random % 4) | (random >> 16 << 16) | (9 << 32)
            });
            let mut raw = vec![];
            planes::write(&mut raw, &numbers.collect::<Vec<_>>());
            let mut out = b"before".to_vec();
            let cut = packer.append_planes(&mut out, &raw);
            let middle = out.len();
            let whole = packer.append(&mut out, &raw);
            assert_eq!((cut, whole), (raw.len() > 64, raw.len() > 64), "{count}");
            assert_eq!(unpack(out[6..middle].into(), raw.len(), cut).unwrap(), raw);
            assert_eq!(unpack(out[middle..].into(), raw.len(), whole).unwrap(), raw);
            if count == 8192 {
                assert!(middle - 6 < out.len() - middle, "cut is smaller");
            }
        }
    }

    #[test]
    fn what_gains_nothing_is_stored() {
        let mut packer = Packer::new().unwrap();
        let numbers = (0..999_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let raw: Vec<u8> = numbers.flat_map(u64::to_le_bytes).collect();
        let mut out = vec![];
        assert!(!packer.append(&mut out, &raw));
        assert_eq!(out, raw);
        // Another after it is packed all the same.
        assert!(packer.append(&mut out, &[7; 999]));
    }
}

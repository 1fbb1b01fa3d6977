//! Compressed bodies, unpacked into one buffer that can't outgrow its cap. This is the only place
//! that inflates what a stranger sent.

use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status};
use libdeflater::{DecompressionError, Decompressor};
use std::io::Read;

/// How a body is compressed. The numbers are stored in the journal: never reuse one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Encoding {
    /// Not at all.
    Identity = 0,
    /// RFC 1952.
    Gzip = 1,
    /// RFC 8878.
    Zstd = 2,
}

impl Encoding {
    /// Returns the encoding a `Content-Encoding` names. As in Zipkin it is enough that lower-case
    /// `gzip` occurs, and an unknown encoding is read as none.
    pub fn from_header(value: &[u8]) -> Self {
        let has = |name: &[u8]| value.windows(name.len()).any(|part| part == name);
        if has(b"gzip") {
            Self::Gzip
        } else if has(b"zstd") {
            Self::Zstd
        } else {
            Self::Identity
        }
    }

    /// Returns the bytes of a packed body, which lie in the journal, and until then in memory,
    /// beside what it was unpacked to.
    pub(crate) fn packed_bytes(self, body: &[u8]) -> usize {
        match self {
            Self::Identity => 0,
            Self::Gzip | Self::Zstd => body.len(),
        }
    }

    /// Returns the encoding with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Identity),
            1 => Some(Self::Gzip),
            2 => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Why a body can't be unpacked. `Display` is the text the sender sees, Zipkin's for gzip.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InflateError {
    /// Shorter than a gzip header, cut within its data, or nothing in it.
    #[error("Cannot gunzip spans")]
    Cut,
    /// Something else than gzip.
    #[error("Input is not in the GZIP format")]
    NotGzip,
    /// Whole, but not what was packed.
    #[error("CRC value mismatch")]
    Checksum,
    /// Not zstd, cut, or with a window beyond the bound.
    #[error("Cannot decompress spans")]
    Zstd,
    /// More members in one body than anyone makes.
    #[error("more than {MEMBERS_MAX} gzip members")]
    Members,
    /// Unpacks to more than the cap.
    #[error("decompressed body exceeds {0} bytes")]
    TooLarge(usize),
}

/// Unpacks bodies on one thread.
pub struct Inflater {
    gzip: Decompressor,
    bytes_max: usize,
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflater")
            .field("bytes_max", &self.bytes_max)
            .finish_non_exhaustive()
    }
}

const GZIP_HEADER_BYTES: usize = 10;
const GZIP_TRAILER_BYTES: usize = 8;
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b, 8];
/// Members of one body. What was acknowledged is unpacked again after a restart, so this may grow
/// and never shrink.
const MEMBERS_MAX: usize = 4096;
/// A frame that wants more memory for its window than 8 MiB is refused.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// The first guess never believes a trailer that promises more than this many times the input.
const FIRST_GUESS_RATIO: usize = 32;

impl Inflater {
    /// Returns an inflater that gives at most `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            gzip: Decompressor::new(),
            bytes_max,
        }
    }

    /// Returns the body unpacked.
    pub fn inflate(&mut self, encoding: Encoding, body: &Bytes) -> Result<Bytes, InflateError> {
        let inflated = match encoding {
            Encoding::Identity => return Ok(body.clone()),
            Encoding::Gzip => self.gunzip(body)?,
            Encoding::Zstd => self.unzstd(body)?,
        };
        Ok(Bytes::from(inflated))
    }

    fn gunzip(&mut self, input: &[u8]) -> Result<Vec<u8>, InflateError> {
        if input.len() < GZIP_HEADER_BYTES {
            return Err(InflateError::Cut);
        }
        let mut output = vec![0; self.first_guess(input)];
        loop {
            match self.gzip.gzip_decompress(input, &mut output) {
                Ok(len) => {
                    output.truncate(len);
                    if is_one_member(input, &output) {
                        return Ok(output);
                    }
                    drop(output);
                    return gunzip_leniently(input, self.bytes_max);
                }
                Err(DecompressionError::InsufficientSpace) => {
                    if output.len() >= self.bytes_max {
                        return Err(InflateError::TooLarge(self.bytes_max));
                    }
                    output = vec![0; output.len().saturating_mul(4).min(self.bytes_max)];
                }
                // The fast decoder wants a perfect stream; Zipkin forgives a cut trailer.
                Err(DecompressionError::BadData) => {
                    drop(output);
                    return gunzip_leniently(input, self.bytes_max);
                }
            }
        }
    }

    /// The trailer tells the size modulo 2^32, and may lie.
    fn first_guess(&self, input: &[u8]) -> usize {
        let promised = input
            .last_chunk::<4>()
            .map_or(0, |size| u32::from_le_bytes(*size) as usize);
        promised
            .clamp(64, input.len() * FIRST_GUESS_RATIO)
            .min(self.bytes_max)
    }

    fn unzstd(&self, input: &[u8]) -> Result<Vec<u8>, InflateError> {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(input)
            .and_then(|mut decoder| {
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Ok(decoder)
            })
            .map_err(|_| InflateError::Zstd)?;
        let mut output = Vec::new();
        let beyond = (self.bytes_max as u64).saturating_add(1);
        (&mut decoder)
            .take(beyond)
            .read_to_end(&mut output)
            .map_err(|_| InflateError::Zstd)?;
        if output.len() > self.bytes_max {
            return Err(InflateError::TooLarge(self.bytes_max));
        }
        Ok(output)
    }
}

/// Returns whether a member that unpacked to `output`, and whose checksum was found right, is all
/// of the input, as nearly always: its length ends the input, and no other member begins.
fn is_one_member(input: &[u8], output: &[u8]) -> bool {
    let length = input.last_chunk::<4>();
    let begins = memchr::memmem::find_iter(input, GZIP_MAGIC).nth(1);
    !output.is_empty() && length == Some(&(output.len() as u32).to_le_bytes()) && begins.is_none()
}

fn trailer_of(output: &[u8]) -> [u8; GZIP_TRAILER_BYTES] {
    let checksum = u64::from(libdeflater::crc32(output));
    let len = u64::from(output.len() as u32);
    (len << 32 | checksum).to_le_bytes()
}

/// Unpacks all gzip members as Zipkin does, one after the other: a trailer that is not whole is
/// forgiven, and so are fewer bytes behind the last member than a header has. Data that ends early
/// is not forgiven: spans would be lost in silence.
fn gunzip_leniently(input: &[u8], bytes_max: usize) -> Result<Vec<u8>, InflateError> {
    let mut inflate = Decompress::new(false);
    let mut output = Vec::new();
    let mut rest = input;
    for _ in 0..MEMBERS_MAX {
        let data = rest
            .get(gzip_header_len(rest).ok_or(InflateError::NotGzip)?..)
            .ok_or(InflateError::Cut)?;
        let start = output.len();
        inflate_member(&mut inflate, data, &mut output, bytes_max)?;
        let behind = data.get(inflate.total_in() as usize..).unwrap_or_default();
        inflate.reset(false);
        let member = output.get(start..).unwrap_or_default();
        let trailer = behind.first_chunk::<GZIP_TRAILER_BYTES>();
        if trailer.is_some_and(|trailer| *trailer != trailer_of(member)) {
            return Err(InflateError::Checksum);
        }
        rest = behind.get(GZIP_TRAILER_BYTES..).unwrap_or_default();
        if rest.len() < GZIP_HEADER_BYTES {
            return if output.is_empty() {
                Err(InflateError::Cut)
            } else {
                Ok(output)
            };
        }
    }
    Err(InflateError::Members)
}

/// Appends what the deflate stream at the start of `data` unpacks to.
fn inflate_member(
    inflate: &mut Decompress,
    data: &[u8],
    output: &mut Vec<u8>,
    bytes_max: usize,
) -> Result<(), InflateError> {
    loop {
        if output.len() == output.capacity() {
            if output.len() >= bytes_max {
                return Err(InflateError::TooLarge(bytes_max));
            }
            let more = data.len().saturating_mul(4).max(output.len()).max(64);
            output.reserve_exact(more.min(bytes_max - output.len()));
        }
        let rest = data.get(inflate.total_in() as usize..).unwrap_or_default();
        let status = inflate
            .decompress_vec(rest, output, FlushDecompress::None)
            .map_err(|_| InflateError::NotGzip)?;
        if status == Status::StreamEnd {
            return Ok(());
        }
        if output.len() < output.capacity() {
            return Err(InflateError::Cut);
        }
    }
}

/// Returns the length of the gzip header, which may be beyond the input; `None` when it is none.
fn gzip_header_len(input: &[u8]) -> Option<usize> {
    const CHECKSUM: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    let [0x1f, 0x8b, 8, flags, ..] = *input else {
        return None;
    };
    let mut len = GZIP_HEADER_BYTES;
    if flags & EXTRA != 0 {
        let size = input.get(len..len + 2)?;
        len += 2 + usize::from(size[0]) + (usize::from(size[1]) << 8);
    }
    for flag in [NAME, COMMENT] {
        if flags & flag != 0 {
            len += memchr::memchr(0, input.get(len..)?)? + 1;
        }
    }
    if flags & CHECKSUM != 0 {
        len += 2;
    }
    Some(len)
}

#[cfg(test)]
mod tests;

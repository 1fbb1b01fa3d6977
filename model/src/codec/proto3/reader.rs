//! Reads protobuf's wire types from a message. It knows nothing of spans.

use crate::batch::Text;
use crate::codec::fault::{Fault, malformed, rule, truncated};

/// The bytes of one message and where they lie in the body.
#[derive(Clone, Copy)]
pub(in crate::codec) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The offset of `bytes` in the body.
    base: usize,
}

#[cold]
fn too_wide(bits: u32, position: usize) -> Fault {
    rule(format!(
        "Greater than {bits}-bit varint at position {position}"
    ))
}

/// Groups nest; more than this is an attack.
const GROUP_DEPTH_MAX: usize = 64;

impl<'a> Reader<'a> {
    /// Returns a reader of a whole body.
    pub(in crate::codec) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            base: 0,
        }
    }

    #[inline(always)]
    pub(in crate::codec) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// Returns where the next byte lies in the body.
    #[inline(always)]
    pub(in crate::codec) fn position(&self) -> usize {
        self.base + self.at
    }

    /// Returns what was not read yet.
    #[inline(always)]
    pub(in crate::codec) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Moves on; what lies between is known.
    #[inline(always)]
    pub(in crate::codec) fn advance(&mut self, bytes: usize) {
        self.at += bytes;
    }

    fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// Reads a field's number and wire type, joined as on the wire.
    #[inline(always)]
    pub(in crate::codec) fn key(&mut self) -> Result<u32, Fault> {
        self.varint32()
    }

    /// Reads a number of at most 32 bits, seven a byte. Zipkin refuses one that needs more, so a
    /// negative number, which travels as ten bytes, is none.
    #[inline(always)]
    pub(in crate::codec) fn varint32(&mut self) -> Result<u32, Fault> {
        match self.bytes.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(byte.into())
            }
            _ => self.long_varint32(),
        }
    }

    #[inline(never)]
    fn long_varint32(&mut self) -> Result<u32, Fault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let mut value = 0;
        for (&byte, shift) in rest.iter().zip([0, 7, 14, 21, 28]) {
            if shift == 28 && byte & 0xf0 != 0 {
                return Err(too_wide(32, self.base + self.at));
            }
            value |= u32::from(byte & 0x7f) << shift;
            self.at += 1;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(truncated(1, 0))
    }

    /// Reads a flag, which Zipkin takes in one byte only.
    #[inline(always)]
    pub(in crate::codec) fn flag(&mut self) -> Result<bool, Fault> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        match byte {
            Some(byte @ 0..=1) => Ok(byte == 1),
            Some(_) => Err(malformed()),
            None => Err(truncated(1, 0)),
        }
    }

    /// Reads a number of seven bits a byte.
    #[inline(always)]
    pub(in crate::codec) fn varint(&mut self) -> Result<u64, Fault> {
        match self.bytes.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(byte.into())
            }
            _ => self.long_varint(),
        }
    }

    #[inline(never)]
    fn long_varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0;
        let mut shift = 0;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        for &byte in rest {
            // The tenth byte holds the last bit; Zipkin loses three more without a word.
            if shift == 63 && byte & 0xf0 != 0 {
                return Err(too_wide(64, self.base + self.at));
            }
            value |= u64::from(byte & 0x7f) << shift;
            self.at += 1;
            if byte < 0x80 {
                return Ok(value);
            }
            shift += 7;
        }
        Err(truncated(1, 0))
    }

    /// Reads eight bytes, the lowest first.
    #[inline(always)]
    pub(in crate::codec) fn fixed64(&mut self) -> Result<u64, Fault> {
        match self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
            Some(bytes) => {
                self.at += 8;
                Ok(u64::from_le_bytes(*bytes))
            }
            None => Err(truncated(8, self.left())),
        }
    }

    /// Reads bytes behind their length.
    #[inline(always)]
    pub(in crate::codec) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.varint32()?;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        match rest.get(..length as usize) {
            Some(bytes) => {
                self.at += bytes.len();
                Ok(bytes)
            }
            None => Err(truncated(length.into(), rest.len())),
        }
    }

    /// Reads bytes behind their length, as a text of the body.
    #[inline(always)]
    pub(in crate::codec) fn text(&mut self) -> Result<(Text, &'a [u8]), Fault> {
        let bytes = self.bytes()?;
        let start = self.base + self.at - bytes.len();
        Ok((Text::in_body(start, bytes.len()), bytes))
    }

    /// Reads a message behind its length.
    #[inline(always)]
    pub(in crate::codec) fn message(&mut self) -> Result<Self, Fault> {
        let bytes = self.bytes()?;
        let base = self.base + self.at - bytes.len();
        Ok(Self { bytes, at: 0, base })
    }

    /// Moves behind a number of any length.
    fn skip_varint(&mut self) -> Result<(), Fault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let last = rest.iter().position(|&byte| byte < 0x80);
        self.at += last.ok_or_else(|| truncated(1, 0))? + 1;
        Ok(())
    }

    /// Moves behind the value of a field that nobody knows.
    #[cold]
    #[inline(never)]
    pub(in crate::codec) fn skip(&mut self, key: u32) -> Result<(), Fault> {
        let mut open_groups = Vec::new();
        let mut key = key;
        loop {
            let field = key >> 3;
            match key & 7 {
                // Field 0 is none, but Zipkin skips it as it does others.
                0 => self.skip_varint()?,
                1 => drop(self.fixed64()?),
                2 => drop(self.bytes()?),
                3 if open_groups.len() < GROUP_DEPTH_MAX => open_groups.push(field),
                4 if open_groups.pop() == Some(field) => {}
                5 if self.left() >= 4 => self.at += 4,
                5 => return Err(truncated(4, self.left())),
                _ => return Err(malformed()),
            }
            if open_groups.is_empty() {
                return Ok(());
            }
            key = self.key()?;
        }
    }
}

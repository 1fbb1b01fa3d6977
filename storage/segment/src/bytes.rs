//! Variable-length numbers and byte strings as sections hold them, written and read back with every
//! bound checked. Not a serialisation framework: the callers are the format.

use crate::error::Corrupt;

/// Returns whether two byte strings are equal. Most that are compared are short, and for those this
/// takes less than the call that `==` makes.
#[inline]
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    if a.len() > 16 {
        return a == b;
    }
    // The first and the last bytes, which may overlap.
    if let (Some(a0), Some(b0)) = (a.first_chunk::<8>(), b.first_chunk::<8>()) {
        return a0 == b0 && a.last_chunk::<8>() == b.last_chunk::<8>();
    }
    if let (Some(a0), Some(b0)) = (a.first_chunk::<4>(), b.first_chunk::<4>()) {
        return a0 == b0 && a.last_chunk::<4>() == b.last_chunk::<4>();
    }
    a.iter().zip(b).all(|(a, b)| a == b)
}

/// Appends numbers and byte strings to a buffer.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    pub(crate) out: Vec<u8>,
}

impl Writer {
    /// Appends a number, 7 bits a byte, low bits first.
    pub(crate) fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    /// Appends a length and that many bytes.
    pub(crate) fn string(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }
}

/// Takes numbers and byte strings from the front of a slice.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Returns how many bytes are left.
    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Takes a number.
    pub(crate) fn number(&mut self) -> Result<u64, Corrupt> {
        let mut value = 0_u64;
        for (index, &byte) in self.rest.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * index).min(63);
            if byte < 0x80 {
                self.rest = self.rest.get(index + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(Corrupt("a number does not end"))
    }

    /// Takes a number that counts things which take at least `bytes_each` of what is left, so that
    /// nothing is allocated for a count that can't be true.
    pub(crate) fn count(&mut self, bytes_each: usize) -> Result<usize, Corrupt> {
        let count = self.size()?;
        if count.saturating_mul(bytes_each) > self.rest.len() {
            return Err(Corrupt("a count is larger than its section"));
        }
        Ok(count)
    }

    /// Takes a number that fits `u32`.
    pub(crate) fn number32(&mut self) -> Result<u32, Corrupt> {
        u32::try_from(self.number()?).map_err(|_| Corrupt("a number does not fit 32 bits"))
    }

    /// Takes a number that is a size in memory.
    pub(crate) fn size(&mut self) -> Result<usize, Corrupt> {
        usize::try_from(self.number()?).map_err(|_| Corrupt("a size does not fit memory"))
    }

    /// Takes this many bytes.
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Corrupt> {
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(Corrupt("a section ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes a length and that many bytes.
    pub(crate) fn string(&mut self) -> Result<&'a [u8], Corrupt> {
        let len = self.size()?;
        self.take(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let values = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX];
        let mut writer = Writer::default();
        values.iter().for_each(|&v| writer.number(v));
        let mut reader = Reader::new(&writer.out);
        for value in values {
            assert_eq!(reader.number().unwrap(), value);
        }
        assert_eq!(reader.remaining(), 0);
    }

    #[test]
    fn byte_strings_are_the_same_when_all_bytes_are() {
        let bytes: Vec<u8> = (0..40).collect();
        for len in 0..bytes.len() {
            let one = &bytes[..len];
            let copy = one.to_vec();
            assert!(same(one, &copy), "{len}");
            assert!(!same(one, &bytes[..=len]), "{len}");
            for at in 0..len {
                let mut other = one.to_vec();
                other[at] ^= 1;
                assert!(!same(one, &other), "{at} of {len}");
            }
        }
    }

    #[test]
    fn an_endless_number_is_corrupt() {
        assert!(Reader::new(&[0xff; 20]).number().is_err());
        assert!(Reader::new(&[0x80]).number().is_err());
    }

    #[test]
    fn a_count_beyond_the_section_is_corrupt() {
        let mut writer = Writer::default();
        writer.number(1 << 40);
        assert!(Reader::new(&writer.out).count(1).is_err());
    }
}

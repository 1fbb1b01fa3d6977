//! Byte planes: a column of integers as one run of lowest bytes, one of second bytes, and so on.
//! Bytes of equal weight lie together, which compresses well and reads at random. Not a codec:
//! compression comes after.
//!
//! ```text
//! planes u8 (0 to 8) | plane 0: one byte a row | plane 1 | ...
//! ```

use std::ops::Range;

use crate::error::Corrupt;

/// Appends the planes of `values` to `out`; all zeros take one byte.
pub(crate) fn write(out: &mut Vec<u8>, values: &[u64]) {
    let all = values.iter().fold(0, |all, value| all | value);
    let planes = (64 - all.leading_zeros()).div_ceil(8);
    out.push(planes as u8);
    out.reserve(planes as usize * values.len());
    for plane in 0..planes {
        out.extend(values.iter().map(|value| (value >> (plane * 8)) as u8));
    }
}

/// Appends the planes of 32-bit `values`.
pub(crate) fn write32(out: &mut Vec<u8>, values: &[u32]) {
    let all = values.iter().fold(0, |all, value| all | value);
    let planes = (32 - all.leading_zeros()).div_ceil(8);
    out.push(planes as u8);
    out.reserve(planes as usize * values.len());
    for plane in 0..planes {
        out.extend(values.iter().map(|value| (value >> (plane * 8)) as u8));
    }
}

/// Returns a signed number as one that is small when it is near zero.
pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// Returns the number that [`zigzag`] made into `value`.
pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// A column in planes, as read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planes<'a> {
    bytes: &'a [u8],
    rows: usize,
    planes: usize,
}

impl<'a> Planes<'a> {
    /// Returns the column of `rows` integers in `raw`.
    pub(crate) fn new(raw: &'a [u8], rows: usize) -> Result<Self, Corrupt> {
        let (&planes, bytes) = raw.split_first().ok_or(Corrupt("a column has no planes"))?;
        let planes = planes as usize;
        if planes > 8 || bytes.len() != planes * rows {
            return Err(Corrupt("a column has another length than its rows"));
        }
        Ok(Self {
            bytes,
            rows,
            planes,
        })
    }

    /// Returns the column in `raw` whose length alone says how many integers it has; none when its
    /// planes are none, since then any number of zeros is meant.
    pub(crate) fn of_unknown_length(raw: &'a [u8]) -> Result<Self, Corrupt> {
        let planes = raw.first().copied().unwrap_or_default() as usize;
        let rows = raw
            .len()
            .saturating_sub(1)
            .checked_div(planes)
            .unwrap_or_default();
        Self::new(raw, rows)
    }

    /// Returns how many integers the column is known to have.
    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    /// Returns the integer at `row`; 0 beyond the end.
    pub(crate) fn get(&self, row: usize) -> u64 {
        if row >= self.rows {
            return 0;
        }
        let mut value = 0;
        for plane in 0..self.planes {
            let byte = self
                .bytes
                .get(plane * self.rows + row)
                .copied()
                .unwrap_or_default();
            value |= u64::from(byte) << (plane * 8);
        }
        value
    }

    /// Returns the sum of these rows, at most the greatest number there is.
    pub(crate) fn sum(&self, rows: Range<usize>) -> u64 {
        let mut sum = 0_u64;
        for (plane, bytes) in self.chunks().enumerate() {
            let of_rows = bytes.get(self.inside(&rows)).unwrap_or_default();
            sum = sum.saturating_add(sum_of(of_rows).saturating_mul(1 << (plane * 8)));
        }
        sum
    }

    /// Returns how many of these rows are 0; those beyond the end are.
    pub(crate) fn zeros(&self, rows: Range<usize>) -> usize {
        let inside = self.inside(&rows);
        let mut zeros = rows.len() - inside.len();
        if self.planes == 0 {
            return rows.len();
        }
        // The bits of all planes, for some rows at a time.
        let mut any = [0; COUNTED];
        for start in inside.clone().step_by(COUNTED) {
            let some = start..inside.end.min(start + COUNTED);
            let any = any.get_mut(..some.len()).unwrap_or_default();
            any.fill(0);
            for bytes in self.chunks() {
                let bytes = bytes.get(some.clone()).unwrap_or_default();
                any.iter_mut()
                    .zip(bytes)
                    .for_each(|(any, byte)| *any |= byte);
            }
            zeros += count_of(any, 0);
        }
        zeros
    }

    /// Calls `see` with the integer of each of these rows.
    #[inline]
    pub(crate) fn each(&self, rows: Range<usize>, mut see: impl FnMut(u64)) {
        if self.planes == 1 {
            let bytes = self.bytes.get(self.inside(&rows)).unwrap_or_default();
            bytes.iter().for_each(|&byte| see(byte.into()));
        } else {
            self.inside(&rows).for_each(|row| see(self.get(row)));
        }
    }

    fn inside(&self, rows: &Range<usize>) -> Range<usize> {
        rows.start.min(self.rows)..rows.end.min(self.rows)
    }

    /// Returns the integers as 32 bits each.
    pub(crate) fn to_vec32(self) -> Vec<u32> {
        let mut planes = self.chunks().take(4);
        let Some(lowest) = planes.next() else {
            return vec![0; self.rows];
        };
        let mut values: Vec<u32> = lowest.iter().map(|&byte| u32::from(byte)).collect();
        for (plane, bytes) in (1..).zip(planes) {
            for (value, &byte) in values.iter_mut().zip(bytes) {
                *value |= u32::from(byte) << (plane * 8);
            }
        }
        values
    }

    /// Returns the integers.
    pub(crate) fn to_vec(self) -> Vec<u64> {
        let mut planes = self.chunks();
        let Some(lowest) = planes.next() else {
            return vec![0; self.rows];
        };
        let mut values: Vec<u64> = lowest.iter().map(|&byte| u64::from(byte)).collect();
        for (plane, bytes) in (1..).zip(planes) {
            for (value, &byte) in values.iter_mut().zip(bytes) {
                *value |= u64::from(byte) << (plane * 8);
            }
        }
        values
    }

    /// Returns the planes, the lowest bytes first.
    fn chunks(self) -> impl Iterator<Item = &'a [u8]> {
        self.bytes.chunks_exact(self.rows.max(1))
    }
}

/// So many bytes are counted by bytes, and summed by twice as many bits, many at once.
const COUNTED: usize = 255;

/// Returns how many of the bytes are `wanted`.
pub(crate) fn count_of(bytes: &[u8], wanted: u8) -> usize {
    let chunks = bytes.chunks(COUNTED);
    let counts = chunks.map(|chunk| {
        let count = |count, &byte| count + u8::from(byte == wanted);
        usize::from(chunk.iter().fold(0, count))
    });
    counts.sum()
}

/// Returns the sum of the bytes.
fn sum_of(bytes: &[u8]) -> u64 {
    let chunks = bytes.chunks(COUNTED);
    let sums = chunks.map(|chunk| {
        let sum = |sum, &byte| sum + u16::from(byte);
        u64::from(chunk.iter().fold(0, sum))
    });
    sums.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_whole_and_one_by_one() {
        for values in [
            vec![],
            vec![0, 0],
            vec![1, 256, 0],
            vec![u64::MAX, 5, 1 << 40],
        ] {
            let mut raw = Vec::new();
            write(&mut raw, &values);
            let planes = Planes::new(&raw, values.len()).unwrap();
            assert_eq!(planes.to_vec(), values);
            let one_by_one: Vec<u64> = (0..values.len()).map(|row| planes.get(row)).collect();
            assert_eq!(one_by_one, values);
        }
    }

    #[test]
    fn sums_and_zeros_of_rows_are_those_of_their_values() {
        for values in [
            vec![],
            vec![0, 0, 0],
            vec![0, 200, 255, 0, 0, 7],
            vec![1, 256, 0, 65_536, 0],
            vec![u64::MAX, 5, 0, 1 << 40],
        ] {
            let mut raw = Vec::new();
            write(&mut raw, &values);
            let planes = Planes::new(&raw, values.len()).unwrap();
            for start in 0..=values.len() {
                for end in start..=values.len() {
                    let rows = values.get(start..end).unwrap();
                    let sum = rows.iter().fold(0, |sum: u64, &v| sum.saturating_add(v));
                    assert_eq!(planes.sum(start..end), sum);
                    let zeros = rows.iter().filter(|&&value| value == 0).count();
                    assert_eq!(planes.zeros(start..end), zeros);
                    assert_eq!(
                        planes.sum(start..values.len() + 9),
                        planes.sum(start..values.len())
                    );
                    let beyond = planes.zeros(start..values.len() + 9);
                    assert_eq!(beyond, planes.zeros(start..values.len()) + 9);
                }
            }
        }
    }

    #[test]
    fn long_columns_are_summed_and_counted_alike() {
        for (len, step) in [(254, 1), (255, 1), (256, 1), (1000, 7), (1000, 300)] {
            let values: Vec<u64> = (0..len).map(|n| n % 5 * step).collect();
            let mut raw = Vec::new();
            write(&mut raw, &values);
            let planes = Planes::new(&raw, values.len()).unwrap();
            for rows in [0..values.len(), 3..values.len() - 1] {
                let inside = &values[rows.clone()];
                assert_eq!(planes.sum(rows.clone()), inside.iter().sum::<u64>());
                let zeros = inside.iter().filter(|&&value| value == 0).count();
                assert_eq!(planes.zeros(rows.clone()), zeros);
                let mut seen = Vec::new();
                planes.each(rows, |value| seen.push(value));
                assert_eq!(seen, inside);
            }
            assert_eq!(count_of(&[255; 1000], 255), 1000);
            assert_eq!(sum_of(&[255; 1000]), 255_000);
        }
    }

    #[test]
    fn zigzag_comes_back_and_is_small_near_zero() {
        for value in [0, 1, -1, 77, i64::MAX, i64::MIN] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
        assert_eq!((zigzag(-1), zigzag(1)), (1, 2));
    }

    #[test]
    fn a_column_of_another_length_is_corrupt() {
        let mut raw = Vec::new();
        write32(&mut raw, &[1, 2, 3]);
        assert!(Planes::new(&raw, 4).is_err());
        assert!(Planes::new(&[9, 0], 1).is_err());
        assert!(Planes::new(&[], 0).is_err());
    }
}

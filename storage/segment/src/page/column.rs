//! A column of tag values or annotation values of a page, walked from front to back. What its codes
//! stand for is the dictionary's business.

use crate::error::Corrupt;
use crate::planes::Planes;

/// A column of values of a page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ColumnView<'p> {
    codes: Planes<'p>,
    all_plain: bool,
    lengths_present: bool,
    lengths: Planes<'p>,
    bytes: &'p [u8],
}

impl<'p> ColumnView<'p> {
    /// Returns the column in its three streams.
    pub(crate) fn new(
        codes: &'p [u8],
        lengths: &'p [u8],
        bytes: &'p [u8],
    ) -> Result<Self, Corrupt> {
        let lengths_present = !lengths.is_empty();
        let lengths = if lengths_present { lengths } else { &[0] };
        Ok(Self {
            all_plain: codes.first() == Some(&0),
            codes: Planes::of_unknown_length(codes)?,
            lengths_present,
            lengths: Planes::of_unknown_length(lengths)?,
            bytes,
        })
    }

    /// Returns how many values the column is known to have.
    pub(crate) fn len(&self) -> usize {
        self.codes.len().max(self.lengths.len())
    }

    /// Returns whether some values of the page are not in the dictionary.
    pub(crate) fn has_plain(&self) -> bool {
        self.all_plain || self.lengths_present
    }

    /// Returns a cursor that stands before the first value.
    pub(crate) fn cursor(self) -> ColumnCursor<'p> {
        ColumnCursor {
            column: self,
            unpacked: None,
            rank: 0,
            plain_rank: 0,
            start: 0,
        }
    }

    /// Returns what the column consists of, put together: codes, and lengths and bytes of plain
    /// values.
    pub(crate) fn to_vecs(self) -> (Vec<u32>, Vec<u32>, Vec<u8>) {
        let (codes, lengths) = (self.codes.to_vec32(), self.lengths.to_vec32());
        (codes, lengths, self.bytes.to_vec())
    }

    /// Returns a cursor that stands before the first value and is made to see them all: its
    /// columns are put together once, which costs less than doing it value by value.
    pub(crate) fn walk(self) -> ColumnCursor<'p> {
        ColumnCursor {
            unpacked: Some((self.codes.to_vec32(), self.lengths.to_vec32())),
            ..self.cursor()
        }
    }
}

/// A value of a column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Value<'p> {
    /// Its number in the dictionary.
    Coded(u32),
    /// The value itself.
    Plain(&'p [u8]),
}

/// Walks a column value by value.
#[derive(Debug)]
pub(crate) struct ColumnCursor<'p> {
    column: ColumnView<'p>,
    /// Codes and lengths as integers, if all are going to be seen.
    unpacked: Option<(Vec<u32>, Vec<u32>)>,
    rank: usize,
    plain_rank: usize,
    start: usize,
}

impl<'p> ColumnCursor<'p> {
    /// Goes forward to stand before the value of this rank; never back.
    pub(crate) fn advance(&mut self, rank: usize) {
        let passed = self.rank..rank;
        if passed.is_empty() {
            return;
        }
        self.rank = rank;
        let plain = if self.column.all_plain {
            passed.len()
        } else if self.column.lengths_present {
            self.column.codes.zeros(passed)
        } else {
            return;
        };
        let lengths = self.plain_rank..self.plain_rank.saturating_add(plain);
        self.plain_rank = lengths.end;
        let bytes = usize::try_from(self.column.lengths.sum(lengths)).unwrap_or(usize::MAX);
        self.start = self.start.saturating_add(bytes);
    }

    /// Returns the next value.
    pub(crate) fn next(&mut self) -> Value<'p> {
        let code = match &self.unpacked {
            Some((codes, _)) => codes.get(self.rank).copied().map_or(0, u64::from),
            None => self.column.codes.get(self.rank),
        };
        self.rank += 1;
        if code != 0 {
            // Codes have 32 bits where they were written; more is in no dictionary.
            return Value::Coded(u32::try_from(code - 1).unwrap_or(u32::MAX));
        }
        let len = match &self.unpacked {
            Some((_, lengths)) => lengths.get(self.plain_rank).copied().map_or(0, u64::from),
            None => self.column.lengths.get(self.plain_rank),
        };
        let len = len as usize;
        self.plain_rank += 1;
        let value = self
            .column
            .bytes
            .get(self.start..)
            .and_then(|rest| rest.get(..len));
        self.start = self.start.saturating_add(len);
        Value::Plain(value.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planes::write32;

    /// Returns the three streams of a column: numbers are coded values, texts plain ones.
    fn streams(values: &[Result<u32, &str>]) -> [Vec<u8>; 3] {
        let plain = || values.iter().filter_map(|value| value.err());
        let codes: Vec<u32> = values
            .iter()
            .map(|value| value.map_or(0, |code| code + 1))
            .collect();
        let lengths: Vec<u32> = plain().map(|text| text.len() as u32).collect();
        let mut out = [vec![], vec![], plain().collect::<String>().into_bytes()];
        write32(&mut out[0], &codes);
        if !lengths.is_empty() {
            write32(&mut out[1], &lengths);
        }
        out
    }

    #[test]
    fn a_cursor_that_skips_sees_what_one_that_walks_sees() {
        let numbered: Vec<Result<u32, &str>> = (0..40).map(|n| Ok(n * 30)).collect();
        let plain = ["", "a", "longer", "\u{e9}"].map(Err).repeat(9);
        let mut mixed = numbered.clone();
        for (at, text) in plain.iter().enumerate() {
            mixed.insert(at * 2, *text);
        }
        let empty = vec![Err(""); 7];
        for values in [numbered, plain, mixed, empty] {
            let [codes, lengths, bytes] = streams(&values);
            let view = ColumnView::new(&codes, &lengths, &bytes).unwrap();
            let mut walked = view.walk();
            let expected: Vec<Value<'_>> = values
                .iter()
                .map(|value| match value {
                    Ok(code) => Value::Coded(*code),
                    Err(text) => Value::Plain(text.as_bytes()),
                })
                .collect();
            let all: Vec<Value<'_>> = values.iter().map(|_| walked.next()).collect();
            assert_eq!(all, expected);
            for step in 1..9 {
                let mut cursor = view.cursor();
                for rank in (0..values.len()).step_by(step) {
                    cursor.advance(rank);
                    assert_eq!(cursor.next(), expected[rank], "rank {rank} by {step}");
                }
            }
        }
    }

    #[test]
    fn a_cursor_beyond_the_end_sees_nothing() {
        let [codes, lengths, bytes] = streams(&[Err("a"), Ok(3), Err("b")]);
        let mut cursor = ColumnView::new(&codes, &lengths, &bytes).unwrap().cursor();
        cursor.advance(100);
        assert_eq!(cursor.next(), Value::Plain(b""));
    }
}

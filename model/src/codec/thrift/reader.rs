//! Reads thrift's binary protocol from a body. It knows nothing of spans.

use crate::batch::Text;
use crate::codec::DecodeError;
use crate::codec::fault::{Fault, rule, truncated};

/// A position in a body.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    body: &'a [u8],
    at: usize,
    depth_max: usize,
}

/// What a field is: thrift's number of its type, and its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) kind: u8,
    pub(super) number: i16,
}

/// Values to skip nest by recursion, so whatever the bounds say, the stack is what it is.
const DEPTH_MAX: usize = 1000;

impl<'a> Reader<'a> {
    /// Returns a reader of a whole body.
    pub(super) fn new(body: &'a [u8], depth_max: usize) -> Self {
        Self {
            body,
            at: 0,
            depth_max: depth_max.min(DEPTH_MAX),
        }
    }

    fn left(&self) -> usize {
        self.body.len().saturating_sub(self.at)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let there = self.body.get(self.at..).unwrap_or_default();
        let Some(bytes) = there.get(..length) else {
            return Err(truncated(length as u64, there.len()));
        };
        self.at += length;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Fault> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn i16(&mut self) -> Result<i16, Fault> {
        self.array().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, Fault> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, Fault> {
        self.array().map(i64::from_be_bytes)
    }

    /// Reads what stands before a field; `None` at the end of the struct.
    pub(super) fn field(&mut self) -> Result<Option<Field>, Fault> {
        let kind = self.byte()?;
        if kind == STOP {
            return Ok(None);
        }
        let number = self.i16()?;
        Ok(Some(Field { kind, number }))
    }

    /// Reads what stands before a list; returns how many elements follow. Of what type they say
    /// they are nobody asks, and less than none is none.
    pub(super) fn list(&mut self) -> Result<i32, Fault> {
        self.byte()?;
        self.i32()
    }

    /// Reads a string of bytes.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.i32()?;
        // A negative length is refused in the words that Java has for it.
        let length = usize::try_from(length).map_err(|_| rule(length.to_string()))?;
        self.take(length)
    }

    /// Reads a string as a text of the body.
    pub(super) fn text(&mut self) -> Result<Text, Fault> {
        let length = self.i32()?;
        let length = usize::try_from(length)
            .map_err(|_| rule(format!("offset 0, count {length}, length 256")))?;
        let start = self.at;
        self.take(length)?;
        Ok(Text::in_body(start, length))
    }

    /// Moves behind the value of a field that nobody knows.
    #[cold]
    pub(super) fn skip(&mut self, field: Field) -> Result<(), Fault> {
        self.skip_value(field.kind, 1)
    }

    fn skip_value(&mut self, kind: u8, depth: usize) -> Result<(), Fault> {
        if depth > self.depth_max {
            let max = self.depth_max;
            return Err(DecodeError::TooLarge {
                what: "nesting",
                max,
            }
            .into());
        }
        match kind {
            STRING => {
                // Behind a negative length there is nothing to be found any more.
                let length = usize::try_from(self.i32()?).unwrap_or(usize::MAX);
                self.skip_bytes(length);
            }
            STRUCT => {
                while let Some(field) = self.field()? {
                    self.skip_value(field.kind, depth + 1)?;
                }
            }
            MAP => {
                let kinds = [self.byte()?, self.byte()?];
                self.skip_elements(&kinds, depth)?;
            }
            SET | LIST => {
                let kinds = [self.byte()?];
                self.skip_elements(&kinds, depth)?;
            }
            kind => self.skip_bytes(size(kind).unwrap_or_default()),
        }
        Ok(())
    }

    /// Skips elements that each consist of values of these types.
    fn skip_elements(&mut self, kinds: &[u8], depth: usize) -> Result<(), Fault> {
        let count = self.i32()?.max(0);
        // A count is four bytes and may promise what it likes: only elements that take bytes from
        // the body, or fail, are gone through one by one.
        let sizes: Option<usize> = kinds.iter().map(|kind| size(*kind)).sum();
        if let Some(bytes) = sizes {
            self.skip_bytes(bytes.saturating_mul(count.cast_unsigned() as usize));
            return Ok(());
        }
        for _ in 0..count {
            for &kind in kinds {
                self.skip_value(kind, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Skips to the end at most: what must follow is missed there, and said as Zipkin says it.
    fn skip_bytes(&mut self, length: usize) {
        self.at += length.min(self.left());
    }
}

const STOP: u8 = 0;
const STRING: u8 = 11;
const STRUCT: u8 = 12;
const MAP: u8 = 13;
const SET: u8 = 14;
const LIST: u8 = 15;

/// Returns how many bytes all values of this type take, `None` for those that say so themselves.
/// A type that thrift does not have takes none.
fn size(kind: u8) -> Option<usize> {
    match kind {
        2 | 3 => Some(1),
        6 => Some(2),
        8 => Some(4),
        4 | 10 => Some(8),
        STRING | STRUCT | MAP | SET | LIST => None,
        _ => Some(0),
    }
}

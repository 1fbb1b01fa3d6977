//! Trace and span ids: integers inside, lower-hex text outside. Not a place for id generation.

use std::fmt;

/// A 64- or 128-bit trace id. Never zero when it came through [`TraceId::parse`] or
/// [`TraceId::new`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct TraceId {
    /// The upper 64 bits; 0 for a 64-bit id.
    pub high: u64,
    /// The lower 64 bits, which Zipkin groups by when ids are lenient.
    pub low: u64,
}

/// A span id. Sixteen zeros are legal on input (Zipkin lets `"0"` pass), so zero is a value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct SpanId(pub u64);

/// Why a text is not an id. `Display` is Zipkin's own text, which its clients see in a 400.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IdError {
    /// Nothing between the quotes.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// More digits than the field holds.
    #[error("{0}.length > {1}")]
    TooLong(&'static str, usize),
    /// All digits are zero.
    #[error("{0} is all zeros")]
    AllZeros(&'static str),
    /// Not lower-case hexadecimal.
    #[error("{0} should be lower-hex encoded with no prefix")]
    NotLowerHex(String),
}

impl TraceId {
    /// Returns the id with these halves, or `None` when both are zero.
    pub fn new(high: u64, low: u64) -> Option<Self> {
        (high | low != 0).then_some(Self { high, low })
    }

    /// Returns the id written as 1 to 32 lower-hex digits, under Zipkin's rules: shorter than 16
    /// is padded to 16, 17 to 31 to 32, and 32 digits whose upper half is zero are a 64-bit id.
    /// The text is not trimmed; whoever reads a path does that.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        if text.is_empty() {
            return Err(IdError::Empty("traceId"));
        }
        if text.chars().count() > 32 {
            return Err(IdError::TooLong("traceId", 32));
        }
        let value =
            lower_hex(text.as_bytes()).ok_or_else(|| IdError::NotLowerHex(text.to_owned()))?;
        Self::new((value >> 64) as u64, value as u64).ok_or(IdError::AllZeros("traceId"))
    }

    /// Returns the id as one integer, the order in which segments are sorted.
    pub fn as_u128(self) -> u128 {
        u128::from(self.high) << 64 | u128::from(self.low)
    }

    /// Returns the id whose [`TraceId::as_u128`] is `value`.
    pub fn from_u128(value: u128) -> Self {
        Self {
            high: (value >> 64) as u64,
            low: value as u64,
        }
    }
}

/// Returns the value of 1 to 32 lower-hex digits, or `None`.
pub(crate) fn lower_hex(digits: &[u8]) -> Option<u128> {
    let mut value = 0_u128;
    for digit in digits {
        let nibble = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        value = value << 4 | u128::from(nibble);
    }
    Some(value)
}

impl fmt::Display for TraceId {
    /// Writes 16 digits, or 32 when the upper half is not zero.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.high == 0 {
            write!(f, "{:016x}", self.low)
        } else {
            write!(f, "{:016x}{:016x}", self.high, self.low)
        }
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_trace_ids_are_left_padded() {
        assert_eq!(TraceId::parse("1").unwrap().to_string(), "0000000000000001");
        assert_eq!(
            TraceId::parse("10000000000000001").unwrap().to_string(),
            "00000000000000010000000000000001"
        );
        assert_eq!(
            TraceId::parse("0000000000000000000000000000000a")
                .unwrap()
                .to_string(),
            "000000000000000a"
        );
    }

    #[test]
    fn bad_trace_ids_are_refused_with_zipkins_text() {
        let text = |id: &str| TraceId::parse(id).unwrap_err().to_string();
        assert_eq!(text(""), "traceId is empty");
        assert_eq!(text(&"1".repeat(33)), "traceId.length > 32");
        assert_eq!(text("000"), "traceId is all zeros");
        assert_eq!(
            text("ABC"),
            "ABC should be lower-hex encoded with no prefix"
        );
    }
}

//! Values of attributes as texts: numbers as Java writes them, everything that nests as JSON. It
//! knows neither of the encodings that values come in.

use crate::batch::{SpanBatch, Text};
use crate::codec::{DecodeError, text};

/// A value of an attribute, as the text that a tag has of it.
#[derive(Clone, Copy, Debug)]
pub(in crate::codec) enum Value {
    /// A string.
    Text(Text),
    /// A whole number.
    Integer(i64, Text),
    /// Anything else.
    Other(Text),
}

impl Value {
    /// Returns no value, which is an empty text.
    pub(in crate::codec) fn none() -> Self {
        Self::Other(Text::default())
    }

    /// Returns the text.
    #[inline(always)]
    pub(super) fn text(self) -> Text {
        let (Self::Text(text) | Self::Integer(_, text) | Self::Other(text)) = self;
        text
    }

    /// Returns the string; empty for what is none.
    pub(super) fn string(self) -> Text {
        match self {
            Self::Text(text) => text,
            _ => Text::default(),
        }
    }

    /// Returns the whole number; 0 for what is none.
    pub(super) fn integer(self) -> i64 {
        match self {
            Self::Integer(value, _) => value,
            _ => 0,
        }
    }
}

/// Returns this number as a text.
#[inline]
pub(in crate::codec) fn push_number(out: &mut SpanBatch, value: i64) -> Result<Value, DecodeError> {
    let start = out.extra.len();
    write_integer(value, &mut out.extra);
    let text = text::finish_ascii(&out.extra, start)?;
    Ok(Value::Integer(value, text))
}

/// Returns the text that begins at `start` of `extra` and ends in this number.
pub(in crate::codec) fn push_integer(
    out: &mut SpanBatch,
    start: usize,
    value: i64,
) -> Result<Text, DecodeError> {
    write_integer(value, &mut out.extra);
    text::finish_extra(&mut out.extra, start)
}

/// Appends a whole number.
pub(in crate::codec) fn write_integer(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a real number as Java writes it: plain from a thousandth up to ten million, else with
/// an exponent, and always with a point.
pub(in crate::codec) fn write_double(value: f64, out: &mut Vec<u8>) {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
        return;
    }
    if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 {
            b"Infinity"
        } else {
            b"-Infinity"
        });
        return;
    }
    let size = value.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        let plain = format!("{value:?}");
        out.extend_from_slice(plain.as_bytes());
        return;
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    out.extend_from_slice(digits.as_bytes());
    if !digits.contains('.') {
        out.extend_from_slice(b".0");
    }
    out.push(b'E');
    out.extend_from_slice(exponent.as_bytes());
}

/// Appends a real number within JSON, where those that are none are texts.
pub(in crate::codec) fn write_json_double(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        write_double(value, out);
    } else {
        out.push(b'"');
        write_double(value, out);
        out.push(b'"');
    }
}

/// Appends bytes in base 64, with padding.
pub(in crate::codec) fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let mut three = [0; 3];
        for (to, from) in three.iter_mut().zip(chunk) {
            *to = *from;
        }
        let [first, second, third] = three.map(u32::from);
        let bits = first << 16 | second << 8 | third;
        for (place, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = DIGITS.get((bits >> shift & 63) as usize);
            out.push(match digit {
                Some(digit) if place <= chunk.len() => *digit,
                _ => b'=',
            });
        }
    }
}

/// Appends bytes as lower-case hex digits.
pub(in crate::codec) fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            out.push(if nibble < 10 {
                b'0' + nibble
            } else {
                b'a' + nibble - 10
            });
        }
    }
}

/// Returns the fault that a value nests too deep.
#[cold]
pub(in crate::codec) fn too_deep() -> DecodeError {
    DecodeError::TooLarge {
        what: "nesting",
        max: super::VALUE_DEPTH_MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn real_numbers_are_written_as_java_does() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (0.001, "0.001"),
            (0.000_999, "9.99E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (-1.25e10, "-1.25E10"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(written(|out| write_double(value, out)), text);
        }
        assert_eq!(
            written(|out| write_json_double(f64::INFINITY, out)),
            "\"Infinity\""
        );
    }

    #[test]
    fn bytes_are_written_in_base_64_and_in_hex() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg=="),
            (b"fooba", "Zm9vYmE="),
            (b"foobar", "Zm9vYmFy"),
            (b"\xff\xef\xbe\xfb", "/++++w=="),
        ] {
            assert_eq!(written(|out| write_base64(bytes, out)), text);
        }
        assert_eq!(written(|out| write_hex(b"\x00\xaf", out)), "00af");
    }
}

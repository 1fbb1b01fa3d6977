//! Values of the fields: texts, ids, whole numbers. Each has a short path for what tracers send
//! and a long one for everything else that Zipkin's reader takes: numbers as texts, texts as
//! numbers, `5.0` and `2e3`.

use crate::batch::Text;
use crate::codec::json_v2::cursor::Cursor;
use crate::codec::json_v2::fault::{Cause, Fault, rule};
use crate::codec::{scan, text};
use crate::id::{IdError, TraceId, lower_hex};

/// Digits that surely fit an `i64`.
const SAFE_DIGITS: usize = 18;

/// Range and name of an integer field.
#[derive(Clone, Copy)]
pub(in crate::codec) struct Integer {
    min: i64,
    max: i64,
    name: &'static str,
}

/// Times and durations.
pub(in crate::codec) const LONG: Integer = Integer {
    min: i64::MIN,
    max: i64::MAX,
    name: "a long",
};

/// Ports.
pub(in crate::codec) const INT: Integer = Integer {
    min: i32::MIN as i64,
    max: i32::MAX as i64,
    name: "an int",
};

impl Cursor<'_> {
    /// Reads a text; a number counts as its digits.
    #[inline(always)]
    pub(in crate::codec) fn text(&mut self) -> Result<Text, Fault> {
        if self.peek_token() == b'"' {
            self.string()
        } else {
            self.number_as_text()
        }
    }

    #[cold]
    #[inline(never)]
    fn number_as_text(&mut self) -> Result<Text, Fault> {
        if !matches!(self.peek(), b'-' | b'0'..=b'9') {
            return Err(self.wrong_type("a string"));
        }
        let start = self.at;
        self.at = self.number_token()?;
        Ok(Text::in_body(start, self.at - start))
    }

    /// Reads a text in lower case.
    #[inline(always)]
    pub(in crate::codec) fn name(&mut self) -> Result<Text, Fault> {
        let name = self.text()?;
        Ok(text::lower_case(self.out, name)?)
    }

    /// Reads a trace id.
    #[inline(always)]
    pub(in crate::codec) fn trace_id(&mut self) -> Result<TraceId, Fault> {
        if self.peek_token() == b'"'
            && let Some(digits) = scan::window(self.body, self.at + 1)
            && let Some(first) = scan::hex16(digits)
        {
            let (id, end) = match self.body.get(self.at + 17) {
                Some(b'"') => (TraceId::new(0, first), self.at + 17),
                _ => match scan::window(self.body, self.at + 17).and_then(scan::hex16) {
                    Some(second) => (TraceId::new(first, second), self.at + 33),
                    None => (None, self.at),
                },
            };
            if let Some(id) = id
                && self.body.get(end) == Some(&b'"')
            {
                self.at = end + 1;
                return Ok(id);
            }
        }
        self.odd_trace_id()
    }

    #[cold]
    #[inline(never)]
    fn odd_trace_id(&mut self) -> Result<TraceId, Fault> {
        let text = self.text()?;
        let text = String::from_utf8_lossy(self.out.bytes(text));
        TraceId::parse(&text).map_err(|error| rule(error.to_string()))
    }

    /// Reads a span id or the id of a parent; `field` is its name in errors.
    #[inline(always)]
    pub(in crate::codec) fn span_id(&mut self, field: &'static str) -> Result<u64, Fault> {
        if self.peek_token() == b'"'
            && let Some(digits) = scan::window(self.body, self.at + 1)
            && self.body.get(self.at + 17) == Some(&b'"')
            && let Some(id) = scan::hex16(digits)
            && id != 0
        {
            self.at += 18;
            return Ok(id);
        }
        self.odd_span_id(field)
    }

    #[cold]
    #[inline(never)]
    fn odd_span_id(&mut self, field: &'static str) -> Result<u64, Fault> {
        let text = self.text()?;
        let text = String::from_utf8_lossy(self.out.bytes(text));
        let digits = text.chars().count();
        if digits == 0 {
            return Err(rule(IdError::Empty(field).to_string()));
        }
        if digits > 16 {
            return Err(rule(IdError::TooLong(field, 16).to_string()));
        }
        let Some(id) = lower_hex(text.as_bytes()) else {
            return Err(rule(IdError::NotLowerHex(text.into_owned()).to_string()));
        };
        // Zipkin asks only about sixteen zeros, and only of the id: a parent of zeros is absent.
        if id == 0 && digits == 16 && field == "id" {
            return Err(rule(IdError::AllZeros(field).to_string()));
        }
        Ok(id as u64)
    }

    /// Reads a whole number of the given range.
    #[inline(always)]
    pub(in crate::codec) fn integer(&mut self, integer: Integer) -> Result<i64, Fault> {
        self.peek_token();
        let start = self.at;
        let mut value = 0_i64;
        let mut at = start;
        while let Some(word) = scan::word(self.body, at) {
            let (count, digits) = scan::leading_digits(word);
            at += count;
            // Wraps only beyond eighteen digits, which are read again below.
            value = value
                .wrapping_mul(POWERS_OF_TEN.get(count).copied().unwrap_or(1))
                .wrapping_add(digits.cast_signed());
            if count < 8 {
                let ends = matches!(self.body.get(at), Some(b',' | b'}'));
                let leading_zero = self.peek() == b'0';
                if ends && !leading_zero && at > start && at - start <= SAFE_DIGITS {
                    self.at = at;
                    return if value <= integer.max {
                        Ok(value)
                    } else {
                        Err(Fault::new(Cause::Number(integer.name, start, at)))
                    };
                }
                break;
            }
            if at - start > SAFE_DIGITS {
                break;
            }
        }
        self.odd_integer(integer)
    }

    #[cold]
    #[inline(never)]
    fn odd_integer(&mut self, integer: Integer) -> Result<i64, Fault> {
        let start = self.at;
        let text = match self.peek() {
            b'"' => self.string()?,
            b'-' | b'0'..=b'9' => self.number_as_text()?,
            _ => return Err(self.wrong_type(integer.name)),
        };
        let text = String::from_utf8_lossy(self.out.bytes(text));
        if let Ok(value) = text.parse::<i64>()
            && (integer.min..=integer.max).contains(&value)
        {
            return Ok(value);
        }
        let Some(real) = java_double(&text) else {
            let trimmed = java_trim(&text);
            return Err(rule(if trimmed.is_empty() {
                "empty String".to_owned()
            } else {
                format!("For input string: \"{trimmed}\"")
            }));
        };
        // As Java casts: towards the nearest end of the range, then compared as a double.
        let value = (real as i64).clamp(integer.min, integer.max);
        #[expect(
            clippy::float_cmp,
            clippy::cast_precision_loss,
            reason = "the rule is that nothing was lost, to the bit"
        )]
        if value as f64 == real {
            return Ok(value);
        }
        let quotes = usize::from(self.body.get(start) == Some(&b'"'));
        Err(Fault::new(Cause::Number(
            integer.name,
            start + quotes,
            self.at - quotes,
        )))
    }

    /// Returns where the number here ends; it must be one that JSON allows.
    #[cold]
    pub(in crate::codec) fn number_token(&self) -> Result<usize, Fault> {
        let mut at = self.at + usize::from(self.peek() == b'-');
        let digits = |at: usize| {
            let rest = self.body.get(at..).unwrap_or_default();
            rest.iter().take_while(|b| b.is_ascii_digit()).count()
        };
        let whole = digits(at);
        let leading_zero = whole > 1 && self.body.get(at) == Some(&b'0');
        at += whole;
        let mut complete = whole > 0 && !leading_zero;
        if self.body.get(at) == Some(&b'.') {
            let fraction = digits(at + 1);
            complete &= fraction > 0;
            at += 1 + fraction;
        }
        if matches!(self.body.get(at), Some(b'e' | b'E')) {
            at += 1 + usize::from(matches!(self.body.get(at + 1), Some(b'+' | b'-')));
            let exponent = digits(at);
            complete &= exponent > 0;
            at += exponent;
        }
        if complete {
            Ok(at)
        } else {
            Err(Fault::new(Cause::Malformed))
        }
    }
}

/// Ten to the power of the index.
const POWERS_OF_TEN: [i64; 9] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
];

/// Returns the value of a decimal number as Java reads it: blanks around it and the type letters
/// of Java behind it are fine.
fn java_double(text: &str) -> Option<f64> {
    let text = java_trim(text);
    let text = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    // The standard library also reads names such as "inf", Java none in that spelling.
    if text
        .bytes()
        .any(|b| b.is_ascii_alphabetic() && !matches!(b, b'e' | b'E'))
    {
        return None;
    }
    text.parse().ok()
}

/// Blanks and control characters go, other white space stays.
fn java_trim(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

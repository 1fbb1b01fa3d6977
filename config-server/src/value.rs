//! A value of a configuration: what YAML calls a scalar, with the texts that Java gives it, since
//! clients compare with those.

use std::fmt;
use std::sync::Arc;

/// A scalar.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number of any size, in decimal digits with an optional minus.
    Integer(Arc<str>),
    /// A number with a fraction, or one of YAML's special numbers.
    Float(f64),
    /// Everything else. What is null in YAML is the empty text.
    Text(Arc<str>),
}

impl Value {
    /// Returns a text.
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    /// Returns the text of a text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bool(_) | Self::Integer(_) | Self::Float(_) => None,
        }
    }

    /// Returns the value as JSON has it. Numbers without a form in JSON become texts.
    pub fn to_json(&self, out: &mut String) {
        match self {
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Integer(digits) => out.push_str(digits),
            Self::Float(number) if number.is_finite() => out.push_str(&java_double(*number)),
            Self::Float(number) => json_text(&java_double(*number), out),
            Self::Text(text) => json_text(text, out),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(bool) => bool.fmt(f),
            Self::Integer(digits) => f.write_str(digits),
            Self::Float(number) => f.write_str(&java_double(*number)),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Appends a formatted text.
pub(crate) fn push(out: &mut String, text: fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _written = fmt::Write::write_fmt(out, text);
}

/// Appends a JSON string.
pub fn json_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => {
                out.push_str("\\u");
                push(out, format_args!("{:04X}", c as u32));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Returns the text of a `double` as Java writes it: plain between 10⁻³ and 10⁷, else with an
/// exponent, and always with a digit behind the point.
pub fn java_double(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        let sign = if number < 0.0 { "-" } else { "" };
        return format!("{sign}Infinity");
    }
    let size = number.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{number:?}");
    }
    let scientific = format!("{number:e}");
    match scientific.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => format!("{digits}E{exponent}"),
        Some((digits, exponent)) => format!("{digits}.0E{exponent}"),
        None => scientific,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_java_s_texts() {
        let cases = [
            (1.5, "1.5"),
            (1000.0, "1000.0"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1.25e-9, "1.25E-9"),
            (-1.25e30, "-1.25E30"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (number, text) in cases {
            assert_eq!(java_double(number), text);
        }
    }

    #[test]
    fn texts_are_escaped() {
        let mut out = String::new();
        json_text("a\"\\\n\u{1}\u{7f}é", &mut out);
        assert_eq!(out, "\"a\\\"\\\\\\n\\u0001\u{7f}é\"");
        let read: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(read, "a\"\\\n\u{1}\u{7f}é");
    }
}

//! Parameters of a query string as Zipkin's server binds them: what is absent, empty, doubled or
//! no number, and the texts of its refusals. It knows no endpoint.

use std::str::FromStr;

use crate::error::QueryError;

/// Parameters looked at; more are ignored.
const PARAMS_MAX: usize = 1024;

/// The decoded parameters of a query string, in its order.
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Decodes a query string without its question mark.
    pub fn decode(query: Option<&str>) -> Self {
        let parts = query.unwrap_or_default().split('&');
        let pair = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decode_component(name), decode_component(value))
        };
        let named = parts.filter(|part| !part.is_empty());
        Self(named.take(PARAMS_MAX).map(pair).collect())
    }

    /// Returns the text of a parameter; of several the first.
    pub fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns all texts of a parameter, in order.
    pub fn texts<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        let all = self.0.iter().filter(move |(key, _)| key == name);
        all.map(|(_, value)| value.as_str())
    }

    /// Returns the text of a parameter that has to be there, and may be empty.
    pub fn mandatory_text(&self, name: &str) -> Result<&str, QueryError> {
        self.text(name).ok_or_else(|| {
            QueryError::Refused(format!(
                "Mandatory parameter/header/attribute is missing: {name}"
            ))
        })
    }

    /// Returns a number that may be absent, which an empty one is too.
    pub fn optional_long(&self, name: &str) -> Result<Option<i64>, QueryError> {
        let given = self.text(name).filter(|text| !text.is_empty());
        given.map(number).transpose()
    }

    /// Returns a number that has to be there.
    pub fn mandatory_long(&self, name: &str) -> Result<i64, QueryError> {
        primitive(name, self.mandatory_text(name)?)
    }

    /// Returns a number that has a default when it is absent, but not when it is empty.
    pub fn int_or(&self, name: &str, default: i32) -> Result<i32, QueryError> {
        self.text(name)
            .map_or(Ok(default), |text| primitive(name, text))
    }
}

fn primitive<T: FromStr>(name: &str, text: &str) -> Result<T, QueryError> {
    if text.is_empty() {
        return Err(QueryError::Refused(format!(
            "Cannot set null to primitive type parameter: {name}"
        )));
    }
    number(text)
}

/// Reads digits behind an optional sign; nothing else is a number, as in Java.
fn number<T: FromStr>(text: &str) -> Result<T, QueryError> {
    text.parse()
        .map_err(|_| QueryError::Refused(format!("For input string: \"{text}\"")))
}

fn decode_component(text: &str) -> String {
    percent_decode(text.bytes().map(|b| if b == b'+' { b' ' } else { b }))
}

/// Decodes the escapes of a path segment, where a plus is a plus.
pub fn decode_segment(text: &str) -> String {
    percent_decode(text.bytes())
}

/// Decodes escapes; what is none stays as it is, and what is not UTF-8 then is replaced.
fn percent_decode(bytes: impl Iterator<Item = u8>) -> String {
    let bytes: Vec<u8> = bytes.collect();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes.as_slice();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        let escaped = match behind {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        if let (Some((high, low)), Some(behind)) = (escaped, behind.get(2..)) {
            decoded.push(high << 4 | low);
            rest = behind;
        } else {
            decoded.push(*first);
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        Params::decode(Some(query))
    }

    fn refusal<T: std::fmt::Debug>(result: Result<T, QueryError>) -> String {
        let error = result.unwrap_err();
        assert_eq!(error.status(), 400);
        error.to_string()
    }

    #[test]
    fn components_are_decoded() {
        let decoded = params("a%20b=c+d%2Be&%F0%9F%98%80=%c3%a9&x=%ff&y=%zz%4");
        assert_eq!(decoded.text("a b"), Some("c d+e"));
        assert_eq!(decoded.text("\u{1F600}"), Some("\u{e9}"));
        assert_eq!(decoded.text("x"), Some("\u{FFFD}"));
        assert_eq!(params("a=1;b=2").text("a"), Some("1;b=2"));
        assert_eq!(decoded.text("y"), Some("%zz%4"));
        assert_eq!(decode_segment("a%2Fb+c"), "a/b+c");
    }

    #[test]
    fn the_first_value_of_a_parameter_wins() {
        assert_eq!(params("a=1&b=2&a=3").text("a"), Some("1"));
        assert_eq!(params("a&a=3").text("a"), Some(""));
        assert_eq!(params("a=1=2&&").text("a"), Some("1=2"));
        assert_eq!(Params::decode(None).text("a"), None);
    }

    #[test]
    fn a_mandatory_parameter_may_be_empty_but_not_absent() {
        assert_eq!(params("key").mandatory_text("key"), Ok(""));
        assert_eq!(params("key=").mandatory_text("key"), Ok(""));
        assert_eq!(
            refusal(params("Key=a").mandatory_text("key")),
            "Mandatory parameter/header/attribute is missing: key"
        );
        assert_eq!(
            refusal(params("").mandatory_long("endTs")),
            "Mandatory parameter/header/attribute is missing: endTs"
        );
    }

    #[test]
    fn an_empty_primitive_is_refused_even_with_a_default() {
        assert_eq!(
            refusal(params("endTs=").mandatory_long("endTs")),
            "Cannot set null to primitive type parameter: endTs"
        );
        assert_eq!(
            refusal(params("limit=").int_or("limit", 10)),
            "Cannot set null to primitive type parameter: limit"
        );
        assert_eq!(params("").int_or("limit", 10), Ok(10));
        assert_eq!(params("limit=3").int_or("limit", 10), Ok(3));
    }

    #[test]
    fn an_empty_optional_number_is_absent() {
        assert_eq!(params("lookback=").optional_long("lookback"), Ok(None));
        assert_eq!(params("").optional_long("lookback"), Ok(None));
        assert_eq!(params("lookback=7").optional_long("lookback"), Ok(Some(7)));
    }

    #[test]
    fn only_digits_behind_a_sign_are_a_number() {
        let long = |text: &str| params(&format!("n={text}")).optional_long("n");
        assert_eq!(long("%2B5"), Ok(Some(5)));
        assert_eq!(long("-5"), Ok(Some(-5)));
        assert_eq!(long("9223372036854775807"), Ok(Some(i64::MAX)));
        for (text, shown) in [
            ("abc", "abc"),
            ("1.5", "1.5"),
            ("5+", "5 "),
            ("1e3", "1e3"),
            ("0x10", "0x10"),
            ("%2B", "+"),
            ("-", "-"),
            ("1_0", "1_0"),
            ("9223372036854775808", "9223372036854775808"),
        ] {
            assert_eq!(
                refusal(long(text)),
                format!("For input string: \"{shown}\"")
            );
        }
        assert_eq!(
            refusal(params("limit=2147483648").int_or("limit", 10)),
            "For input string: \"2147483648\""
        );
    }
}

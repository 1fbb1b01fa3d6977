//! JSON as Zipkin's operational endpoints print it: indented, a space on both sides of the colon.
//! Answers of the query API are made elsewhere.

use std::fmt::Write;

/// A value to print.
#[derive(Clone, Debug)]
pub(crate) enum Json {
    /// Printed as it is: a number, a switch, null.
    Raw(String),
    /// Printed with quotes.
    Text(String),
    /// Printed in this order.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Returns a text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Returns a text, or null for an empty one.
    pub(crate) fn text_or_null(text: &str) -> Self {
        if text.is_empty() {
            Self::Raw("null".to_owned())
        } else {
            Self::text(text)
        }
    }

    /// Returns a value that prints as JSON by itself.
    pub(crate) fn raw(value: &impl ToString) -> Self {
        Self::Raw(value.to_string())
    }

    /// Returns an object.
    pub(crate) fn object<K: Into<String>>(members: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::Object(members.into_iter().map(|(k, v)| (k.into(), v)).collect())
    }

    /// Returns the text.
    pub(crate) fn print(&self) -> String {
        let mut out = String::new();
        self.print_to(&mut out, 0);
        out
    }

    fn print_to(&self, out: &mut String, depth: usize) {
        match self {
            Self::Raw(raw) => out.push_str(raw),
            Self::Text(text) => quote(out, text),
            Self::Object(members) => {
                out.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    out.push_str(if index == 0 { "\n" } else { ",\n" });
                    out.push_str(&"  ".repeat(depth + 1));
                    quote(out, key);
                    out.push_str(" : ");
                    value.print_to(out, depth + 1);
                }
                out.push('\n');
                out.push_str(&"  ".repeat(depth));
                out.push('}');
            }
        }
    }
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                let written = write!(out, "\\u{:04X}", u32::from(control));
                debug_assert!(written.is_ok(), "strings take all that is written");
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_indented() {
        let inner = Json::object([("b", Json::text("x\"\n\u{1}")), ("c", Json::raw(&1.5))]);
        assert_eq!(
            Json::object([("a", inner)]).print(),
            "{\n  \"a\" : {\n    \"b\" : \"x\\\"\\n\\u0001\",\n    \"c\" : 1.5\n  }\n}"
        );
        assert_eq!(Json::text_or_null("").print(), "null");
    }
}

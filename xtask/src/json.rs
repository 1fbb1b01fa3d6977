//! A JSON reader just large enough for `cargo metadata`: this crate must build in seconds. It is
//! not for bytes from strangers.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use anyhow::{Context, Result, bail};

/// A JSON value; numbers keep their text.
#[derive(Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// Reads a whole document.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let mut rest = text.chars().peekable();
        let value = value(&mut rest)?;
        skip_space(&mut rest);
        match rest.next() {
            None => Ok(value),
            Some(more) => bail!("{more:?} behind the document"),
        }
    }

    /// Returns a field; null when there is none.
    pub(crate) fn field(&self, name: &str) -> &Json {
        match self {
            Self::Object(all) => all.get(name).unwrap_or(&Self::Null),
            _ => &Self::Null,
        }
    }

    /// Returns the fields by name; none when this is no object.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &Json)> {
        let all = match self {
            Self::Object(all) => Some(all),
            _ => None,
        };
        let fields = all.into_iter().flatten();
        fields.map(|(name, value)| (name.as_str(), value))
    }

    /// Returns the items; none when this is no list.
    pub(crate) fn items(&self) -> &[Json] {
        match self {
            Self::List(all) => all,
            _ => &[],
        }
    }

    /// Returns the text; empty when this is none.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }
}

type Rest<'a> = Peekable<Chars<'a>>;

fn skip_space(rest: &mut Rest<'_>) {
    while rest.next_if(char::is_ascii_whitespace).is_some() {}
}

fn value(rest: &mut Rest<'_>) -> Result<Json> {
    skip_space(rest);
    match rest.peek().context("the document ends")? {
        '{' => object(rest),
        '[' => list(rest),
        '"' => Ok(Json::Text(text(rest)?)),
        _ => word(rest),
    }
}

fn word(rest: &mut Rest<'_>) -> Result<Json> {
    let mut word = String::new();
    while let Some(c) = rest.next_if(|c| c.is_ascii_alphanumeric() || "+-.".contains(*c)) {
        word.push(c);
    }
    Ok(match word.as_str() {
        "null" => Json::Null,
        "true" => Json::Bool(true),
        "false" => Json::Bool(false),
        number if number.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
            Json::Number(word)
        }
        other => bail!("{other:?} is no value"),
    })
}

fn list(rest: &mut Rest<'_>) -> Result<Json> {
    rest.next();
    let mut all = Vec::new();
    loop {
        skip_space(rest);
        if rest.next_if_eq(&']').is_some() {
            return Ok(Json::List(all));
        }
        if !all.is_empty() {
            expect(rest, ',')?;
        }
        all.push(value(rest)?);
    }
}

fn object(rest: &mut Rest<'_>) -> Result<Json> {
    rest.next();
    let mut all = BTreeMap::new();
    loop {
        skip_space(rest);
        if rest.next_if_eq(&'}').is_some() {
            return Ok(Json::Object(all));
        }
        if !all.is_empty() {
            expect(rest, ',')?;
            skip_space(rest);
        }
        let key = text(rest)?;
        skip_space(rest);
        expect(rest, ':')?;
        all.insert(key, value(rest)?);
    }
}

fn expect(rest: &mut Rest<'_>, wanted: char) -> Result<()> {
    match rest.next() {
        Some(c) if c == wanted => Ok(()),
        other => bail!("want {wanted:?} got {other:?}"),
    }
}

fn text(rest: &mut Rest<'_>) -> Result<String> {
    expect(rest, '"')?;
    let mut out = String::new();
    loop {
        match rest.next().context("a text does not end")? {
            '"' => return Ok(out),
            '\\' => out.push(escaped(rest)?),
            c => out.push(c),
        }
    }
}

fn escaped(rest: &mut Rest<'_>) -> Result<char> {
    Ok(match rest.next().context("an escape does not end")? {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'u' => {
            let digits: String = rest.take(4).collect();
            let code = u32::from_str_radix(&digits, 16).context("escape")?;
            // Halves of a pair are of no use in names and paths.
            char::from_u32(code).unwrap_or('\u{fffd}')
        }
        c => c,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_documents_are_read() {
        let json = Json::read(r#" {"a": [1, {"b": "x\n\u0041\""}], "c": null, "d": true} "#);
        let json = json.unwrap();
        assert_eq!(json.field("a").items()[0], Json::Number("1".into()));
        assert_eq!(json.field("a").items()[1].field("b").text(), "x\nA\"");
        assert_eq!(json.field("c"), &Json::Null);
        assert_eq!(json.field("d"), &Json::Bool(true));
        assert_eq!(json.field("e"), &Json::Null);
    }

    #[test]
    fn broken_documents_are_refused() {
        for text in ["", "{", "[1", "[1 2]", "{\"a\" 1}", "nul", "\"x", "[] []"] {
            assert!(Json::read(text).is_err(), "{text}");
        }
    }
}

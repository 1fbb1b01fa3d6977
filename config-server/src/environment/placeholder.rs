//! Placeholders, `${key:default}`, resolved against an environment and nothing else. An escaped
//! one, `\${key}` or `\\${key}`, loses its backslashes; one that nobody knows stays as it is.

use std::borrow::Cow;
use std::collections::HashMap;

/// Placeholders within values within placeholders.
const DEPTH_MAX: usize = 32;
/// Bytes of a resolved text: values that name each other grow fast.
const BYTES_MAX: usize = 16 << 20;

/// Why a text can't be resolved.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unresolvable {
    /// A value needs itself.
    #[error("the placeholder {0:?} refers to itself")]
    Circular(String),
    /// It became too long.
    #[error("a text with its placeholders resolved is longer than {BYTES_MAX} bytes")]
    TooLong,
}

/// Texts by key.
pub type Values<'a> = HashMap<Cow<'a, str>, String>;

/// Resolves placeholders against values by key.
#[derive(Debug)]
pub struct Resolver<'a> {
    values: &'a Values<'a>,
    bytes: usize,
}

impl<'a> Resolver<'a> {
    /// Returns a resolver of these values.
    pub fn new(values: &'a Values<'a>) -> Self {
        Self { values, bytes: 0 }
    }

    /// Resolves all placeholders of a text.
    pub fn resolve(&mut self, text: &str) -> Result<String, Unresolvable> {
        if !text.contains("${") {
            return Ok(text.to_owned());
        }
        let resolved = self.resolve_within(text, &mut Vec::new())?;
        Ok(unescaped(&resolved))
    }

    fn resolve_within(
        &mut self,
        text: &str,
        open: &mut Vec<String>,
    ) -> Result<String, Unresolvable> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, from) = rest.split_at(at);
            out.push_str(before);
            let escaped = before.ends_with('\\');
            let end = if escaped { None } else { closing(from) };
            let Some(end) = end else {
                // Escaped, or never closed.
                out.push_str("${");
                rest = from.get(2..).unwrap_or_default();
                continue;
            };
            let inner = from.get(2..end).unwrap_or_default();
            match self.placeholder(inner, open)? {
                Some(value) => out.push_str(&value),
                None => out.push_str(from.get(..=end).unwrap_or_default()),
            }
            rest = from.get(end + 1..).unwrap_or_default();
        }
        out.push_str(rest);
        self.bytes += out.len();
        if self.bytes > BYTES_MAX {
            return Err(Unresolvable::TooLong);
        }
        Ok(out)
    }

    /// Returns the value of what stands within braces; `None` when nobody knows it.
    fn placeholder(
        &mut self,
        inner: &str,
        open: &mut Vec<String>,
    ) -> Result<Option<String>, Unresolvable> {
        if open.len() >= DEPTH_MAX || open.iter().any(|name| name == inner) {
            // A default behind the colon may be a secret.
            let name = inner.split(':').next().unwrap_or_default();
            return Err(Unresolvable::Circular(name.to_owned()));
        }
        open.push(inner.to_owned());
        let key = self.resolve_within(inner, open)?;
        let found = match self.values.get(key.as_str()) {
            Some(value) => Some(value.clone()),
            None => key.split_once(':').map(|(key, default)| {
                let value = self.values.get(key);
                value.cloned().unwrap_or_else(|| default.to_owned())
            }),
        };
        let resolved = match found {
            Some(value) => Some(self.resolve_within(&value, open)?),
            None => None,
        };
        open.pop();
        Ok(resolved)
    }
}

/// Returns a text without the backslashes in front of placeholders, of which Spring takes two for
/// one that JSON escaped.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut parts = text.split("${");
    let mut part = parts.next().unwrap_or_default();
    for next in parts {
        let kept = part.strip_suffix('\\').unwrap_or(part);
        out.push_str(kept.strip_suffix('\\').unwrap_or(kept));
        out.push_str("${");
        part = next;
    }
    out.push_str(part);
    out
}

/// Returns where the brace closes that a text begins with.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<String, Unresolvable> {
        let values = [
            ("a", "1"),
            ("b", "${a}2"),
            ("name", "a"),
            ("x:y", "colon"),
            ("self", "${self}"),
            ("ping", "${pong}"),
            ("pong", "${ping:}"),
            ("kept", "\\${a}"),
        ];
        let values = values.map(|(key, value)| (key.into(), value.to_owned()));
        let values = values.into();
        Resolver::new(&values).resolve(text)
    }

    #[test]
    fn placeholders_nest_and_have_defaults() {
        let cases = [
            ("no", "no"),
            ("<${a}>", "<1>"),
            ("${b}", "12"),
            ("${${name}}", "1"),
            ("${no:d}", "d"),
            ("${no:}", ""),
            ("${no:${b}}", "12"),
            ("${no:a:b}", "a:b"),
            ("${x:y}", "colon"),
            ("${no}", "${no}"),
            ("${no}${a}", "${no}1"),
            ("\\${a}", "${a}"),
            ("\\\\${a}", "${a}"),
            ("\\\\\\${a}", "\\${a}"),
            ("\\a ${a} \\", "\\a 1 \\"),
            ("${kept}", "${a}"),
            ("${a", "${a"),
            ("${no:{}}", "{}"),
            ("$a {a} $", "$a {a} $"),
        ];
        for (text, expected) in cases {
            assert_eq!(resolve(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn circles_are_errors() {
        assert!(matches!(resolve("${self}"), Err(Unresolvable::Circular(_))));
        assert!(matches!(resolve("${ping}"), Err(Unresolvable::Circular(_))));
        let with_default = resolve("${pong:hunter2}").unwrap_err().to_string();
        assert!(!with_default.contains("hunter2"), "{with_default}");
    }

    #[test]
    fn values_that_grow_are_bounded() {
        let names: Vec<String> = (0..20).map(|level| format!("k{level}")).collect();
        let mut values = HashMap::new();
        for (level, name) in names.iter().enumerate() {
            let value = match level.checked_sub(1) {
                Some(below) => format!("${{k{below}}}").repeat(10),
                None => "x".repeat(10),
            };
            values.insert(name.into(), value);
        }
        let error = Resolver::new(&values).resolve("${k19}").unwrap_err();
        assert_eq!(error, Unresolvable::TooLong);
    }
}

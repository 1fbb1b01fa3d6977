//! The time of one case: placeholders in a case stand for a minute of the past, so that what it
//! writes lies inside retention and lookback whenever it is replayed.

use serde_json::Value;

use crate::spans::now_us;

const MINUTE_US: u64 = 60_000_000;

/// T0 of a case: so many minutes before now, rounded down to a minute.
#[derive(Debug)]
pub struct Clock {
    t0_us: u64,
}

impl Clock {
    /// Returns the clock whose T0 is so many minutes back.
    pub fn new(minutes_back: u64) -> Self {
        let minute = (now_us() / MINUTE_US).saturating_sub(minutes_back);
        Self {
            t0_us: minute * MINUTE_US,
        }
    }

    /// Replaces every placeholder of a text: `@T0@`, `@T0MS@`, `@T0+1500@`, `@T0MS-60000@`.
    pub fn text(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, from)) = rest.split_once('@') {
            out += before;
            if let Some((value, behind)) = self.placeholder(from) {
                out += &value.to_string();
                rest = behind;
            } else {
                out.push('@');
                rest = from;
            }
        }
        out + rest
    }

    /// Replaces placeholders in a JSON tree; a text that is nothing but one becomes a number.
    pub fn tree(&self, node: &Value) -> Value {
        match node {
            Value::String(text) => text
                .strip_prefix('@')
                .and_then(|from| self.placeholder(from))
                .filter(|(_, behind)| behind.is_empty())
                .map_or_else(
                    || Value::from(self.text(text)),
                    |(value, _)| Value::from(value),
                ),
            Value::Array(all) => all.iter().map(|item| self.tree(item)).collect(),
            Value::Object(all) => all
                .iter()
                .map(|(key, value)| (key.clone(), self.tree(value)))
                .collect(),
            other => other.clone(),
        }
    }

    /// Reads a placeholder behind its first `@`; returns its value and what follows it.
    fn placeholder<'a>(&self, from: &'a str) -> Option<(i64, &'a str)> {
        let (inside, behind) = from.split_once('@')?;
        let inside = inside.strip_prefix("T0")?;
        let (base, offset) = match inside.strip_prefix("MS") {
            Some(offset) => (self.t0_us / 1000, offset),
            None => (self.t0_us, inside),
        };
        let offset = match offset {
            "" => 0,
            signed if signed.starts_with(['+', '-']) => signed.parse().ok()?,
            _ => return None,
        };
        let value = i64::try_from(base).ok()?.checked_add(offset)?;
        Some((value, behind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: Clock = Clock { t0_us: 60_000_000 };

    #[test]
    fn placeholders_in_texts_become_digits() {
        assert_eq!(CLOCK.text("a=@T0@&b=@T0MS-1@"), "a=60000000&b=59999");
        assert_eq!(CLOCK.text("me@example, @T0+5@"), "me@example, 60000005");
        assert_eq!(CLOCK.text("@T05@"), "@T05@");
    }

    #[test]
    fn a_text_that_is_one_placeholder_becomes_a_number() {
        let tree = serde_json::json!({"t": "@T0+1@", "s": ["at @T0MS@"]});
        let expected = serde_json::json!({"t": 60_000_001, "s": ["at 60000"]});
        assert_eq!(CLOCK.tree(&tree), expected);
    }
}

//! What tags make of a node that are rare: `!!binary`, `!!timestamp`, `!!set`, `!!omap`, `!!pairs`.
//! Values are the texts that Spring's server answers with: bytes in Base64, times as Boot has them.

use std::rc::Rc;

use super::key::Key;
use super::node::Node;
use super::room::Room;
use crate::document::Broken;
use crate::{calendar, cipher};

/// Reads bytes in Base64, between the digits of which there may be blanks.
pub(super) fn binary(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bytes = cipher::from_base64(&digits).filter(|_| digits.len().is_multiple_of(4))?;
    Some(cipher::to_base64(&bytes))
}

/// Reads a date, with a time behind it or without, and with a place on earth or in UTC.
pub(super) fn timestamp(text: &str) -> Option<String> {
    let (year, rest) = digits(text, 4..=4)?;
    let (month, rest) = digits(rest.strip_prefix('-')?, 1..=2)?;
    let (day, rest) = digits(rest.strip_prefix('-')?, 1..=2)?;
    let of_day = if rest.is_empty() { 0 } else { time(rest)? };
    Some(calendar::text(calendar::day_ms(year, month, day) + of_day))
}

/// Reads ` 12:30:45.678 +02:00` as milliseconds of the day in UTC.
fn time(text: &str) -> Option<i64> {
    let blanks = |text: &'static str| move |c: char| text.contains(c);
    let rest = match text.strip_prefix(['T', 't']) {
        Some(rest) => rest,
        None => Some(text.trim_start_matches(blanks(" \t"))).filter(|rest| *rest != text)?,
    };
    let (hour, rest) = digits(rest, 1..=2)?;
    let (minute, rest) = digits(rest.strip_prefix(':')?, 2..=2)?;
    let (second, mut rest) = digits(rest.strip_prefix(':')?, 2..=2)?;
    let mut ms = ((hour * 60 + minute) * 60 + second) * 1000;
    if let Some(behind) = rest.strip_prefix('.') {
        let end = behind
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(behind.len());
        let (fraction, behind) = behind.split_at(end);
        let fraction: f64 = format!("0.{fraction}0").parse().ok()?;
        ms += (fraction * 1000.0).round() as i64;
        rest = behind;
    }
    Some(ms - offset(rest.trim_start_matches(blanks(" \t")))?)
}

/// Reads `+02:00` as milliseconds.
fn offset(text: &str) -> Option<i64> {
    if matches!(text, "" | "Z") {
        return Some(0);
    }
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+')?),
    };
    let (hours, rest) = digits(rest, 1..=2)?;
    let minutes = match rest.strip_prefix(':') {
        None | Some("") => Some(0).filter(|_| rest.is_empty() || rest == ":")?,
        Some(rest) => digits(rest, 2..=2).filter(|(_, rest)| rest.is_empty())?.0,
    };
    Some(sign * (hours * 60 + minutes) * 60_000)
}

/// Reads digits, so many of them as there are, if they are as many as they should be.
fn digits(text: &str, allowed: std::ops::RangeInclusive<usize>) -> Option<(i64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let number = digits.parse().ok().filter(|_| allowed.contains(&end))?;
    Some((number, rest))
}

/// Makes a mapping of a list of mappings with one key each, of which later ones win; an empty one
/// stays a list, since Spring makes the empty text of both.
pub(super) fn ordered(list: Node, room: &mut Room) -> Result<Node, Broken> {
    let wrong = |node: &Node| Broken::new(node.place(), "!!omap needs a list of one key each");
    let Node::List(items, trunk) = list else {
        return Err(wrong(&list));
    };
    if items.is_empty() {
        return Ok(Node::List(items, trunk));
    }
    let mut entries: indexmap::IndexMap<Key, Rc<Node>> = indexmap::IndexMap::new();
    for item in items {
        let Node::Map(inner, _) = &*item else {
            return Err(wrong(&item));
        };
        let [(key, value)] = &**inner else {
            return Err(wrong(&item));
        };
        room.key(key.text(), item.place())?;
        entries.insert(key.clone(), Rc::clone(value));
    }
    Ok(Node::Map(entries.into_iter().collect(), trunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_in_one_line() {
        assert_eq!(binary("aGVs\n bG8=").as_deref(), Some("aGVsbG8="));
        assert_eq!(binary("").as_deref(), Some(""));
        for text in ["not base64!", "aGVsbG8", "a"] {
            assert_eq!(binary(text), None, "{text}");
        }
    }

    #[test]
    fn times_are_those_of_snakeyaml() {
        for (text, expected) in [
            ("2024-01-02", "2024-01-02T00:00:00.000+00:00"),
            ("2024-1-2", "2024-01-02T00:00:00.000+00:00"),
            ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05.000+00:00"),
            (
                "2024-01-02 03:04:05.678 +02:00",
                "2024-01-02T01:04:05.678+00:00",
            ),
            (
                "2001-12-14t21:59:43.10-05:00",
                "2001-12-15T02:59:43.100+00:00",
            ),
            ("2001-12-14 \t1:59:43. -5", "2001-12-14T06:59:43.000+00:00"),
            ("2024-12-31 23:59:59.9999", "2025-01-01T00:00:00.000+00:00"),
        ] {
            assert_eq!(timestamp(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "nonsense",
            "2024-01",
            "24-01-02",
            "2024-001-02",
            "2024-01-02x",
            "2024-01-02T",
            "2024-01-02T3:4:5",
            "2024-01-02T03:04:05+",
            "2024-01-02T03:04:05+02:0",
            "2024-01-02T03:04:05+02x",
        ] {
            assert_eq!(timestamp(text), None, "{text}");
        }
    }
}

//! What a plain scalar means in YAML 1.1, as `SnakeYAML` and Spring Boot read it: the patterns of
//! <https://yaml.org/type/>, dates left as texts.

use std::sync::Arc;

use crate::value::{Value, push};

/// What a plain scalar is.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Plain {
    /// Nothing at all, `~` or `null`.
    Null,
    /// The key that merges mappings.
    Merge,
    /// A value.
    Value(Value),
}

/// Resolves a scalar without quotes and tag.
pub(super) fn resolve(text: &str) -> Plain {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Plain::Null,
        "<<" => return Plain::Merge,
        _ => {}
    }
    let value = boolean(text)
        .map(Value::Bool)
        .or_else(|| integer(text).map(Value::Integer))
        .or_else(|| float(text).map(Value::Float))
        .unwrap_or_else(|| Value::text(text));
    Plain::Value(value)
}

/// Reads a boolean.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// Reads a whole number: binary, octal, decimal, hexadecimal or in base 60.
pub(super) fn integer(text: &str) -> Option<Arc<str>> {
    let (negative, body) = sign(text);
    let digits = if let Some(binary) = body.strip_prefix("0b") {
        number(binary.trim_start_matches('_'), 2)?
    } else if let Some(hexadecimal) = body.strip_prefix("0x") {
        number(hexadecimal.trim_start_matches('_'), 16)?
    } else if body == "0" {
        "0".to_owned()
    } else if let Some(octal) = body.strip_prefix('0') {
        number(octal.trim_start_matches('_'), 8)?
    } else if body.contains(':') {
        sexagesimal(body)?
    } else {
        number(body, 10)?
    };
    let minus = if negative && digits != "0" { "-" } else { "" };
    Some(format!("{minus}{digits}").into())
}

fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// Longer numbers stay texts: nobody means them, and converting takes time by the square.
const DIGITS_MAX: usize = 4096;

/// Reads digits of a base, of which the first is none of the underscores that may stand between.
fn number(text: &str, base: u32) -> Option<String> {
    let begins = text.starts_with(|c: char| c.is_digit(base));
    let valid = |c: char| c == '_' || c.is_digit(base);
    if !begins || text.len() > DIGITS_MAX || !text.chars().all(valid) {
        return None;
    }
    let digits = text.chars().filter_map(|c| c.to_digit(base));
    if base == 10 {
        let plain: String = text.chars().filter(|c| *c != '_').collect();
        return Some(without_zeros(&plain));
    }
    // Nine decimal digits a limb, the lowest first.
    let mut limbs: Vec<u64> = vec![0];
    for digit in digits {
        let mut carry = u64::from(digit);
        for limb in &mut limbs {
            let next = *limb * u64::from(base) + carry;
            *limb = next % 1_000_000_000;
            carry = next / 1_000_000_000;
        }
        if carry > 0 {
            limbs.push(carry);
        }
    }
    let mut text = String::new();
    for limb in limbs.iter().rev() {
        push(&mut text, format_args!("{limb:09}"));
    }
    Some(without_zeros(&text))
}

fn without_zeros(digits: &str) -> String {
    match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        rest => rest.to_owned(),
    }
}

/// Reads `12:30:45`, which begins with no zero.
fn sexagesimal(text: &str) -> Option<String> {
    let mut parts = text.split(':');
    let first = parts.next()?;
    if !first.starts_with(|c: char| ('1'..='9').contains(&c)) {
        return None;
    }
    let mut total: u64 = number(first, 10)?.parse().ok()?;
    for part in parts {
        total = total
            .checked_mul(60)?
            .checked_add(u64::from(sixtieth(part)?))?;
    }
    Some(total.to_string())
}

fn sixtieth(part: &str) -> Option<u32> {
    let valid = matches!(part.len(), 1 | 2) && part.bytes().all(|b| b.is_ascii_digit());
    let number: u32 = part.parse().ok().filter(|_| valid)?;
    (number < 60).then_some(number)
}

/// Reads a number with a fraction or an exponent.
pub(super) fn float(text: &str) -> Option<f64> {
    let (negative, body) = sign(text);
    let signed = |number: f64| if negative { -number } else { number };
    match body {
        ".inf" | ".Inf" | ".INF" => return Some(signed(f64::INFINITY)),
        ".nan" | ".NaN" | ".NAN" if body.len() == text.len() => return Some(f64::NAN),
        _ => {}
    }
    if body.contains(':') {
        return base_60(body).map(signed);
    }
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(at) => (body.get(..at)?, Some(body.get(at + 1..)?)),
        None => (body, None),
    };
    if let Some(exponent) = exponent {
        let (_, digits) = sign(exponent);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
    }
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let begins = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let valid = match fraction {
        Some(fraction) if whole.is_empty() => {
            is_digits(fraction) && fraction.bytes().any(|b| b != b'_')
        }
        Some(fraction) => begins(whole) && is_digits(whole) && is_digits(fraction),
        None => exponent.is_some() && begins(whole) && is_digits(whole),
    };
    if !valid {
        return None;
    }
    let plain: String = body.chars().filter(|c| *c != '_').collect();
    plain.parse().ok().map(signed)
}

/// Reads `1:30.5`.
fn base_60(body: &str) -> Option<f64> {
    let (whole, fraction) = body.split_once('.')?;
    let mut parts = whole.split(':');
    let mut total: f64 = number(parts.next()?, 10)?.parse().ok()?;
    for part in parts {
        total = total * 60.0 + f64::from(sixtieth(part)?);
    }
    let digits: String = fraction.chars().filter(|c| *c != '_').collect();
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let fraction: f64 = format!("0.{digits}0").parse().ok()?;
    Some(total + fraction)
}

/// Returns whether a text begins as `2024-01-02` does and goes on, if it does, with a time.
pub(super) fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let digits = |part: &str, allowed: std::ops::RangeInclusive<usize>| {
        allowed.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
    };
    let year = parts.next().is_some_and(|part| digits(part, 4..=4));
    let month = parts.next().is_some_and(|part| digits(part, 1..=2));
    let rest = parts.next().unwrap_or_default();
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (day, time) = rest.split_at(end);
    let time_follows = time.starts_with(['T', 't', ' ', '\t']) && time.contains(':');
    year && month && digits(day, 1..=2) && (time.is_empty() || time_follows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match resolve(text) {
            Plain::Null => "null".to_owned(),
            Plain::Merge => "merge".to_owned(),
            Plain::Value(value) => {
                let mut out = String::new();
                value.to_json(&mut out);
                out
            }
        }
    }

    #[test]
    fn whole_numbers_have_five_notations() {
        let cases = [
            ("0", "0"),
            ("-0", "0"),
            ("00", "0"),
            ("0777", "511"),
            ("-0777", "-511"),
            ("0_7", "7"),
            ("0b1010", "10"),
            ("0b_1", "1"),
            ("0xFF", "255"),
            ("+0xff_ff", "65535"),
            ("1_000_000", "1000000"),
            ("190:20:30", "685230"),
            ("22:22", "1342"),
            ("1:5", "65"),
            ("12345678901234567890", "12345678901234567890"),
            ("0xFFFFFFFFFFFFFFFFFF", "4722366482869645213695"),
        ];
        for (text, json) in cases {
            assert_eq!(shown(text), json, "{text}");
        }
    }

    #[test]
    fn texts_that_only_look_like_numbers_stay_texts() {
        for text in [
            "0o14",
            "08",
            "09",
            "00:11:22",
            "1:60",
            "1:234",
            "0x",
            "0b2",
            "0b",
            "_1",
            "-",
            "+",
            ".",
            "1.2.3",
            "1e",
            "e3",
            "-.nan",
            "._",
            ".e1",
            "2024-01-02",
            "0x1.8",
            "y",
            "n",
            "yEs",
            "12:30:",
            "1,000",
            "١",
            "--1",
            "0xg",
        ] {
            assert_eq!(shown(text), format!("\"{text}\""), "{text}");
        }
    }

    #[test]
    fn fractions_may_lack_digits_on_one_side() {
        let cases = [
            ("1.", "1.0"),
            (".5", "0.5"),
            ("-.5", "-0.5"),
            ("._5", "0.5"),
            ("1_0.5_0", "10.5"),
            ("1e3", "1000.0"),
            ("-1.5E-3", "-0.0015"),
            ("08.5", "8.5"),
            ("1:30.5", "90.5"),
            ("-.inf", "\"-Infinity\""),
            (".NaN", "\"NaN\""),
        ];
        for (text, json) in cases {
            assert_eq!(shown(text), json, "{text}");
        }
    }
}

//! Where ours answers otherwise on purpose, one by one; docs/compatibility.md says why.

use speargun_oracle::{Format, Oracle, Verdict};

use crate::decode::{Ours, is_json};
use crate::proto3::{self, Oddity};

/// Returns the name of the difference, if it is one of those.
pub(crate) fn in_decoding(
    oracle: &mut Oracle,
    (format, body): (Format, &[u8]),
    theirs: &Verdict,
    ours: &Ours,
) -> Option<&'static str> {
    let odd = (format == Format::Proto3)
        .then(|| proto3::oddity(body))
        .flatten();
    if let Some(name) = odd.and_then(|odd| of_protobuf(odd, theirs, ours)) {
        return Some(name);
    }
    let (bytes, ours_bytes) = match (theirs, ours) {
        (Verdict::Taken(bytes), Ok(ours)) => (bytes, ours),
        (_, Err(text)) if text == "nesting exceeds 128" => {
            return Some("nesting of unknown fields");
        }
        // Zipkin steps back over the length of an unknown field, and reads some bytes again.
        (Verdict::Taken(_), Err(text))
            if format == Format::Thrift && text.starts_with("Truncated") =>
        {
            return Some("an unknown thrift field of a negative length");
        }
        (_, Err(text)) if is_odd_number(text) => {
            return Some("a quoted number in hexadecimal or other digits");
        }
        _ => return None,
    };
    if let Some(name) = of_bytes(bytes, ours_bytes) {
        return Some(name);
    }
    let mended = without_half_pairs(body);
    if is_json(format) && mended != body {
        let theirs = oracle.decode(format, &mended).ok()?;
        let same = matches!(&theirs, Verdict::Taken(bytes) if bytes == ours_bytes);
        let known = same || in_decoding(oracle, (format, &mended), &theirs, ours).is_some();
        return known.then_some("half a surrogate pair");
    }
    None
}

/// Returns the name of the difference between two answers that agree otherwise.
fn of_bytes(theirs: &[u8], ours: &[u8]) -> Option<&'static str> {
    type Mend = fn(&[u8]) -> Vec<u8>;
    let known: [(&str, Mend); 4] = [
        ("a text with U+2028 in an answer", without_trailing_nul),
        ("`01.2.3.4` as an address", without_leading_zeros),
        ("the last Σ of a word in lower case", with_plain_sigma),
        (
            "a trace id of 17 to 31 digits with a small number",
            with_short_ids,
        ),
    ];
    let mended = known
        .iter()
        .fold(theirs.to_vec(), |bytes, (_, mend)| mend(&bytes));
    let by = known.iter().find(|(_, mend)| mend(theirs) != theirs);
    let name = by.map_or("the last Σ of a word in lower case", |(name, _)| *name);
    (mended == with_plain_sigma(ours)).then_some(name)
}

/// Returns whether the text refuses a number that only Java's readers take.
fn is_odd_number(text: &str) -> bool {
    let number = text
        .strip_prefix("For input string: \"")
        .and_then(|text| text.split('"').next());
    number.is_some_and(|number| {
        let number = number.to_ascii_lowercase();
        let digits = number.trim_start_matches(['-', '+']);
        digits.starts_with("0x") && digits.contains('p') || !number.is_ascii()
    })
}

fn of_protobuf(odd: Oddity, theirs: &Verdict, ours: &Ours) -> Option<&'static str> {
    let theirs = matches!(theirs, Verdict::Taken(_));
    match odd {
        Oddity::UnknownField => Some("unknown proto field"),
        Oddity::TooLong if theirs && ours.is_err() => Some("a proto field longer than its message"),
        Oddity::EmptySpan if theirs && ours.is_err() => Some("a proto span of no bytes"),
        _ => None,
    }
}

/// The library reserves too much for U+2028 and U+2029 and leaves the rest as it was.
fn without_trailing_nul(json: &[u8]) -> Vec<u8> {
    let mut json = json.to_vec();
    let has_one = json
        .windows(6)
        .any(|at| at == b"\\u2028" || at == b"\\u2029");
    while has_one && json.last() == Some(&0) {
        json.pop();
    }
    json
}

/// Removes leading zeros from the numbers of IPv4 addresses.
fn without_leading_zeros(json: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(json.len());
    let mut in_address = false;
    for (at, byte) in json.iter().enumerate() {
        in_address = json[..at].ends_with(b"\"ipv4\":\"") || in_address && *byte != b'"';
        let digit_follows = json.get(at + 1).is_some_and(u8::is_ascii_digit);
        let starts = out.last().is_some_and(|last| !last.is_ascii_digit());
        if !(in_address && *byte == b'0' && starts && digit_follows) {
            out.push(*byte);
        }
    }
    out
}

/// Replaces the letter that lower case has at the end of words by the one it has elsewhere.
fn with_plain_sigma(json: &[u8]) -> Vec<u8> {
    match str::from_utf8(json) {
        Ok(text) => text.replace('ς', "σ").into_bytes(),
        Err(_) => json.to_vec(),
    }
}

/// Removes upper halves of zeros from trace ids.
fn with_short_ids(json: &[u8]) -> Vec<u8> {
    const LONG: &[u8] = b"\"traceId\":\"0000000000000000";
    let mut out = json.to_vec();
    for at in (0..out.len().saturating_sub(LONG.len() + 16)).rev() {
        let digits = at + LONG.len();
        if out[at..].starts_with(LONG) && out[digits] != b'"' {
            out.drain(digits - 16..digits);
        }
    }
    out
}

/// Replaces escapes of half a surrogate pair by the question mark that they become.
fn without_half_pairs(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut at = 0;
    while at < body.len() {
        let length = match (unit(&body[at..]), body.get(at + 6..).and_then(unit)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => 12,
            (Some(0xd800..0xe000), _) => 0,
            (Some(_), _) => 6,
            // The other escapes, of a backslash too.
            (None, _) if body[at] == b'\\' => 2,
            (None, _) => 1,
        };
        if length == 0 {
            out.push(b'?');
            at += 6;
        } else {
            let end = body.len().min(at + length);
            out.extend_from_slice(&body[at..end]);
            at = end;
        }
    }
    out
}

/// Returns the UTF-16 unit of the escape in front.
fn unit(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

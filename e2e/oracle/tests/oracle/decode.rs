//! Bodies: the same are refused, and of the others the same spans come out, to the byte.

use bytes::Bytes;
use speargun_model::Span;
use speargun_model::batch::{Bounds, SpanBatch};
use speargun_model::codec::{self, json_v2};
use speargun_oracle::{Format, Oracle, Verdict, shrink};

use crate::chance::{self, Pick};
use crate::{corpus, differences, json, json_v1, proto3, thrift};

/// Failures shown of one run.
const SHOWN_MAX: usize = 12;

/// Spans as bytes, or the text of the refusal.
pub(crate) type Ours = Result<Vec<u8>, String>;

#[test]
fn every_rule_of_json_is_kept() {
    check_rules(Format::JsonV2);
}

#[test]
fn every_rule_of_proto3_is_kept() {
    check_rules(Format::Proto3);
}

#[test]
fn every_rule_of_json_v1_is_kept() {
    check_rules(Format::JsonV1);
}

#[test]
fn every_rule_of_thrift_is_kept() {
    check_rules(Format::Thrift);
}

#[test]
fn random_json_is_decoded_alike() {
    check_random("random_json", (Format::JsonV2, 16_000), json::body);
}

#[test]
fn random_proto3_is_decoded_alike() {
    check_random("random_proto3", (Format::Proto3, 8000), proto3::body);
}

#[test]
fn random_json_v1_is_decoded_alike() {
    check_random("random_json_v1", (Format::JsonV1, 8000), json_v1::body);
}

#[test]
fn random_thrift_is_decoded_alike() {
    check_random("random_thrift", (Format::Thrift, 4000), thrift::body);
}

/// Zipkin's reader looks through a window of 1024 characters.
#[test]
fn what_does_not_fit_a_window_is_decoded_alike() {
    let mut oracle = Oracle::shared().unwrap();
    for length in [
        500, 1000, 1022, 1023, 1024, 1025, 2047, 2048, 2049, 8191, 8192, 8193,
    ] {
        let digits = "7".repeat(length);
        let text = "é".repeat(length);
        let spaces = " ".repeat(length);
        let fields = [
            format!("\"unknown\":{digits}"),
            format!("\"unknown\":-0.{digits}e5"),
            format!("\"timestamp\":0.{digits}"),
            format!("\"timestamp\":\"{digits}\""),
            format!("\"name\":{digits}"),
            format!("\"tags\":{{\"{text}\":\"\\n{text}\"}}"),
            format!("\"{text}\":{spaces}[{spaces}]"),
            format!("\"debug\":{spaces}tru{spaces}e"),
            format!("\"unknown\":{{\"{digits}\":{{}}}},\"kind\":\"{digits}\""),
        ];
        for fields in fields {
            let body = format!(r#"[{{"traceId":"1","id":"2",{fields}}}]"#).into_bytes();
            let (theirs, ours) = (
                oracle.decode(Format::JsonV2, &body).unwrap(),
                decode(Format::JsonV2, &body),
            );
            let alike = !differs(&mut oracle, Format::JsonV2, &body);
            assert!(alike, "{length}: {}", shown(&body, &theirs, &ours));
        }
    }
}

fn check_rules(format: Format) {
    let mut oracle = Oracle::shared().unwrap();
    let mut failures = Vec::new();
    let rules = corpus::rules(format);
    assert!(rules.len() > 40, "{} rules", rules.len());
    for rule in rules {
        let theirs = oracle.decode(format, &rule.body).unwrap();
        let taken = matches!(theirs, Verdict::Taken(_));
        if taken != rule.taken {
            failures.push(format!("{}: the table is wrong: {theirs:?}", rule.name));
        }
        let ours = decode(format, &rule.body);
        if differs(&mut oracle, format, &rule.body) {
            failures.push(format!(
                "{}: {}",
                rule.name,
                shown(&rule.body, &theirs, &ours)
            ));
        }
        if let (Format::Proto3, Verdict::Refused(theirs), Err(ours)) = (format, &theirs, &ours)
            && !is_same_text(theirs, ours)
        {
            failures.push(format!("{}: {theirs:?} or {ours:?}", rule.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn check_random(name: &str, (format, count): (Format, usize), body: fn(&mut Pick) -> Vec<u8>) {
    let mut pick = chance::seeded(name);
    let mut oracle = Oracle::shared().unwrap();
    let (mut taken, mut failures) = (0, Vec::new());
    for case in 0..count {
        let body = body(&mut pick);
        if differs(&mut oracle, format, &body) {
            let body = shrink::items(body, |body| differs(&mut oracle, format, body));
            let (theirs, ours) = (oracle.decode(format, &body).unwrap(), decode(format, &body));
            failures.push(format!("case {case}: {}", shown(&body, &theirs, &ours)));
            if failures.len() >= SHOWN_MAX {
                break;
            }
        } else {
            taken += usize::from(decode(format, &body).is_ok());
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let share = taken * 100 / count;
    println!("{name}: {count} bodies, {taken} taken");
    assert!(
        (15..=85).contains(&share),
        "both verdicts are tried: {share} % taken"
    );
}

/// Returns what our decoder makes of a body.
pub(crate) fn decode(format: Format, body: &[u8]) -> Ours {
    let spans = spans(format, body)?;
    let mut out = Vec::new();
    json_v2::encode_spans(&spans, &mut out);
    Ok(out)
}

/// Returns the spans of a body.
pub(crate) fn spans(format: Format, body: &[u8]) -> Result<Vec<Span>, String> {
    let format = codec::Format::from_number(format as u8).ok_or("no decoder of ours")?;
    let mut batch = SpanBatch::default();
    let body = Bytes::copy_from_slice(body);
    codec::decode(format, body, &Bounds::default(), &mut batch)
        .map_err(|error| error.to_string())?;
    Ok(batch.views().map(|view| view.to_span()).collect())
}

pub(crate) fn is_json(format: Format) -> bool {
    matches!(format, Format::JsonV2 | Format::JsonV1)
}

fn differs(oracle: &mut Oracle, format: Format, body: &[u8]) -> bool {
    let (theirs, ours) = (oracle.decode(format, body).unwrap(), decode(format, body));
    let same = match (&theirs, &ours) {
        (Verdict::Taken(theirs), Ok(ours)) => theirs == ours,
        // Of binary formats and of what is no JSON, the one may read further than the other.
        (Verdict::Refused(theirs), Err(ours)) if is_json(format) => {
            is_same_text(theirs, ours) || theirs.starts_with("Malformed")
        }
        (Verdict::Taken(_), Err(_)) | (_, Ok(_)) => false,
        (_, Err(_)) => true,
    };
    !same && differences::in_decoding(oracle, (format, body), &theirs, &ours).is_none()
}

/// Returns whether two refusals say the same. Ours are cut where they repeat what is long.
fn is_same_text(theirs: &str, ours: &str) -> bool {
    match ours.split_once("... reading ") {
        Some((start, _)) => theirs.starts_with(start),
        None => without_position(theirs) == without_position(ours),
    }
}

/// Returns a text of a refusal up to where a parser says where it stood.
fn without_position(text: &str) -> &str {
    let cut = |text, words| str::split_once(text, words).map_or(text, |(before, _)| before);
    [" at line ", " at $", ": length "]
        .into_iter()
        .fold(text, cut)
}

fn shown(body: &[u8], theirs: &Verdict, ours: &Ours) -> String {
    let theirs = match theirs {
        Verdict::Taken(bytes) => format!("taken   {}", bytes.escape_ascii()),
        Verdict::Refused(text) | Verdict::Stumbled(text) => format!("refused {text:?}"),
    };
    let ours = match ours {
        Ok(bytes) => format!("taken   {}", bytes.escape_ascii()),
        Err(text) => format!("refused {text:?}"),
    };
    let body = body.escape_ascii();
    format!("\n  body   {body}\n  zipkin {theirs}\n  ours   {ours}")
}

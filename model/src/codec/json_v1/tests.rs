//! What the recorded bodies do not show: bounds, bodies that are not UTF-8, and how Zipkin tells
//! the versions.

use crate::batch::{Bounds, SpanBatch};
use crate::codec::{DecodeError, Format, decode, json_v2};
use crate::span::Span;

fn spans_within(body: &[u8], bounds: &Bounds) -> Result<Vec<Span>, DecodeError> {
    let mut batch = SpanBatch::default();
    let body = bytes::Bytes::copy_from_slice(body);
    decode(Format::JsonV1, body, bounds, &mut batch)?;
    Ok(batch.views().map(|view| view.to_span()).collect())
}

fn answer(body: impl AsRef<[u8]>) -> String {
    match spans_within(body.as_ref(), &Bounds::default()) {
        Ok(spans) => {
            let mut out = Vec::new();
            json_v2::encode_spans(&spans, &mut out);
            String::from_utf8(out).unwrap()
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn lists_are_told_from_everything_else_by_their_first_bytes() {
    for body in ["", "[]", "[ ]", "\n[]", "[]garbage"] {
        assert_eq!(answer(body), "[]", "{body:?}");
    }
    for body in ["hello", "{}", " []", "\t[]", "\u{feff}[]", "\n"] {
        assert_eq!(
            answer(body),
            "Expected a JSON_V1 encoded list\n",
            "{body:?}"
        );
    }
    assert_eq!(
        answer(b"\x0c\0\0\0\0"),
        "Malformed reading List<Span> from json"
    );
}

#[test]
fn json_of_version_2_is_named_wherever_its_words_are() {
    let other = "Expected a JSON_V1 encoded list, but received: JSON_V2\n";
    for field in [
        r#""localEndpoint":{}"#,
        r#""tags":{}"#,
        r#""name":"x","y":"an Endpoint""#,
    ] {
        assert_eq!(
            answer(format!(r#"[{{"traceId":"1","id":"1",{field}}}]"#)),
            other
        );
    }
    let escaped = r#"[{"traceId":"1","id":"1","name":"Endpoint\"\"tags\""}]"#;
    assert!(answer(escaped).starts_with("[{"));
}

#[test]
fn texts_that_are_not_utf8_are_mended_before_they_are_compared() {
    // Both keys are the same once mended, so there is one tag, and the last one's value.
    let body = b"[{\"traceId\":\"1\",\"id\":\"1\",\"binaryAnnotations\":[\
        {\"key\":\"\xff\",\"value\":\"a\"},{\"key\":\"\xfe\",\"value\":\"\xfd\"}],\
        \"annotations\":[{\"timestamp\":1,\"value\":\"\xff\"}]}]";
    assert_eq!(
        answer(body),
        "[{\"traceId\":\"0000000000000001\",\"id\":\"0000000000000001\",\"annotations\":\
        [{\"timestamp\":1,\"value\":\"\u{fffd}\"}],\"tags\":{\"\u{fffd}\":\"\u{fffd}\"}}]"
    );
}

/// Returns a span with a tag of each of these services.
fn span_of_services(services: impl Iterator<Item = usize>) -> String {
    let tags: Vec<_> = services
        .map(|n| format!(r#"{{"key":"k{n}","value":"v","endpoint":{{"serviceName":"s{n}"}}}}"#))
        .collect();
    let tags = tags.join(",");
    format!(r#"[{{"traceId":"1","id":"1","binaryAnnotations":[{tags}]}}]"#)
}

#[test]
fn a_span_becomes_one_for_each_service_however_many() {
    // Around the number from which services are looked up instead of looked through.
    for count in [1, 2, 15, 16, 17, 18, 40, 5000] {
        let twice = span_of_services((0..count).chain((0..count).rev()));
        let spans = spans_within(twice.as_bytes(), &Bounds::default()).unwrap();
        assert_eq!(spans.len(), count);
        let mut services: Vec<_> = spans.iter().filter_map(Span::local_service_name).collect();
        for span in &spans {
            let service = span.local_service_name().unwrap();
            let tag = service.replace('s', "k");
            assert_eq!(span.tags, [(tag, "v".to_owned())]);
        }
        services.sort_unstable();
        services.dedup();
        assert_eq!(services.len(), count);
    }
}

#[test]
fn the_spans_that_are_made_count_for_the_bound() {
    let bounds = |spans_max| Bounds {
        spans_max,
        ..Bounds::default()
    };
    let body = span_of_services(0..20);
    assert_eq!(
        spans_within(body.as_bytes(), &bounds(20)).unwrap().len(),
        20
    );
    let error = DecodeError::TooLarge {
        what: "spans",
        max: 19,
    };
    assert_eq!(spans_within(body.as_bytes(), &bounds(19)), Err(error));
    let two = r#"[{"traceId":"1","id":"1"},{"traceId":"1","id":"2"}]"#;
    let error = DecodeError::TooLarge {
        what: "spans",
        max: 1,
    };
    assert_eq!(spans_within(two.as_bytes(), &bounds(1)), Err(error));
}

#[test]
fn a_long_name_is_counted_for_each_span_that_is_made() {
    let name = "n".repeat(10_000);
    let body = span_of_services(0..20).replacen('{', &format!(r#"{{"name":"{name}","#), 1);
    let bounds = |more_bytes_max| Bounds {
        more_bytes_max,
        ..Bounds::default()
    };
    let max = 19 * (name.len() - 8192);
    let spans = spans_within(body.as_bytes(), &bounds(max)).unwrap();
    assert!(
        spans.len() == 20
            && spans
                .iter()
                .all(|span| span.name.as_deref() == Some(&*name))
    );
    let error = DecodeError::TooLarge {
        what: "bytes of texts that spans share",
        max: max - 1,
    };
    assert_eq!(spans_within(body.as_bytes(), &bounds(max - 1)), Err(error));
}

#[test]
fn unknown_fields_nest_up_to_a_bound() {
    let nested = |depth| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        answer(format!(r#"[{{"traceId":"1","id":"1","x":{open}{close}}}]"#))
    };
    assert!(nested(128).starts_with("[{"));
    assert_eq!(nested(129), "nesting exceeds 128");
}

#[test]
fn annotations_of_a_span_are_bounded() {
    let one = r#"{"timestamp":1,"value":""}"#;
    let more = format!("{one},").repeat(1 << 20);
    let body = format!(r#"[{{"traceId":"1","id":"1","annotations":[{more}{one}]}}]"#);
    assert_eq!(answer(body), "annotations of a span exceeds 1048576");
}

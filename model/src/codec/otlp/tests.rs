//! The bounds of OTLP's decoders, which golden cases are too small for.

use bytes::Bytes;

use crate::batch::{Bounds, SpanBatch};
use crate::codec::{DecodeError, Format, decode};

const SPAN: &str = r#"{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"}"#;

fn decoded(format: Format, body: impl Into<Bytes>, bounds: &Bounds) -> Result<usize, DecodeError> {
    let mut batch = SpanBatch::default();
    let result = decode(format, body.into(), bounds, &mut batch);
    if result.is_err() {
        assert_eq!(batch.spans.len() + batch.tags.len(), 0);
        assert_eq!(batch.left_out.spans, 0);
    }
    result.map(|()| batch.spans.len())
}

fn too_large(what: &'static str, max: usize) -> Result<usize, DecodeError> {
    Err(DecodeError::TooLarge { what, max })
}

fn json(resource: &str, spans: &[&str]) -> String {
    let spans = spans.join(",");
    format!(
        r#"{{"resourceSpans":[{{"resource":{resource},"scopeSpans":[{{"spans":[{spans}]}}]}}]}}"#
    )
}

/// A message of protobuf in a field of another.
fn field(number: u8, message: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = message.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(message);
    out
}

#[test]
fn what_a_resource_says_of_many_spans_stays_in_proportion_to_the_body() {
    let attributes = vec![r#"{"key":"k"}"#; 1000].join(",");
    let resource = format!(r#"{{"attributes":[{attributes}]}}"#);
    let few = json(&resource, &[SPAN; 60]);
    assert_eq!(decoded(Format::OtlpJson, few, &Bounds::default()), Ok(60));
    let many = json(&resource, &[SPAN; 100]);
    let max = 65_536 + many.len();
    assert_eq!(
        decoded(Format::OtlpJson, many, &Bounds::default()),
        too_large("tags of resources and scopes", max)
    );
}

#[test]
fn long_texts_of_a_resource_are_counted_for_each_of_its_spans() {
    let value = "v".repeat(10_000);
    let attribute = |key: &str| format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#);
    let names = [attribute("k"), attribute("service.name")].join(",");
    let resource = format!(r#"{{"attributes":[{names}]}}"#);
    let each = "k".len() + 2 * value.len() - 8192;
    let body = json(&resource, &[SPAN, SPAN, "{}", SPAN]);
    let bounds = |more_bytes_max| Bounds {
        more_bytes_max,
        ..Bounds::default()
    };
    let mut batch = SpanBatch::default();
    let bytes = Bytes::from(body.clone());
    decode(Format::OtlpJson, bytes, &bounds(3 * each), &mut batch).unwrap();
    let alone = batch.body.len();
    let batch = batch.take_exact();
    assert_eq!(batch.more_bytes, 3 * each);
    assert!(batch.memory_bytes() >= alone + 3 * each);
    assert_eq!(
        decoded(Format::OtlpJson, body.clone(), &bounds(3 * each - 1)),
        too_large("bytes of texts that spans share", 3 * each - 1)
    );
    // Once, too, where what is behind the lists has them read again.
    let late = body.clone();
    assert!(late.ends_with("]}]}]}"), "{late}");
    let late = late.replace("]}]}]}", r#"],"schemaUrl":"s"}],"schemaUrl":"r"}]}"#);
    let mut batch = SpanBatch::default();
    decode(
        Format::OtlpJson,
        late.into(),
        &Bounds::default(),
        &mut batch,
    )
    .unwrap();
    let urls = ["otel.schema_url", "otel.schema_url"].len();
    assert!(batch.more_bytes >= 3 * each && batch.more_bytes < 3 * (each + 50 * urls));
    // What was acknowledged is read whatever it takes, and few bytes cost nothing.
    assert_eq!(decoded(Format::OtlpJson, body, &Bounds::WIDEST), Ok(3));
    let short = json(r#"{"attributes":[{"key":"k"}]}"#, &[SPAN; 100]);
    assert_eq!(decoded(Format::OtlpJson, short, &bounds(0)), Ok(100));
}

#[test]
fn each_span_is_counted_with_the_texts_of_its_own_resource_and_scope() {
    let long = |bytes: usize| {
        let value = field(1, &vec![b'v'; bytes]);
        field(1, &[field(1, b"k"), field(2, &value)].concat())
    };
    let span = field(2, &[field(1, &[1; 16]), field(2, &[2; 8])].concat());
    let scope =
        |scope: &[u8], spans: usize| field(2, &[field(1, scope), span.repeat(spans)].concat());
    // The scope's attributes are its field 3, the name its field 1.
    let attribute = |bytes: usize| {
        let mut message = long(bytes);
        message[0] = 3 << 3 | 2;
        message
    };
    let first = [
        field(1, &long(10_000)),
        scope(&attribute(1000), 2),
        scope(&field(1, b"name"), 3),
    ];
    let second = [field(1, &long(10)), scope(&attribute(20_000), 1)];
    let body = [first.concat(), second.concat()].map(|resource| field(1, &resource));
    let mut batch = SpanBatch::default();
    let body = Bytes::from(body.concat());
    decode(Format::OtlpProto, body, &Bounds::default(), &mut batch).unwrap();
    assert_eq!(batch.spans.len(), 6);
    let key = "otel.scope.attributes.k".len();
    let each = [
        2 * (10_001 + key + 1000 - 8192),
        3 * (10_001 + "name".len() - 8192),
        11 + key + 20_000 - 8192,
    ];
    assert_eq!(batch.more_bytes, each.iter().sum::<usize>());
}

#[test]
fn spans_that_are_left_out_count_for_the_bound_too() {
    let bounds = Bounds {
        spans_max: 2,
        ..Bounds::default()
    };
    let of = |spans: &[&str]| decoded(Format::OtlpJson, json("{}", spans), &bounds);
    assert_eq!(of(&["{}", SPAN]), Ok(1));
    assert_eq!(of(&["{}", SPAN, "{}"]), too_large("spans", 2));
    let spans = field(2, &[]).repeat(3);
    let body = field(1, &field(2, &spans));
    assert_eq!(
        decoded(Format::OtlpProto, body, &bounds),
        too_large("spans", 2)
    );
}

/// An attribute of protobuf that nests so deep.
fn nested(depth: usize) -> Vec<u8> {
    // An ArrayValue is field 5 of its AnyValue, which is field 1 of the ArrayValue around it.
    let nest = |value: Vec<u8>, _| field(1, &field(5, &value));
    let value = field(5, &(1..depth).fold(Vec::new(), nest));
    [field(1, b"k"), field(2, &value)].concat()
}

#[test]
fn values_nest_so_deep_and_no_deeper() {
    let of_json = |depth: usize| {
        let open = r#"{"arrayValue":{"values":["#.repeat(depth);
        let value = format!("{open}{}", "]}}".repeat(depth));
        let attributes = format!(r#"{{"attributes":[{{"key":"k","value":{value}}}]}}"#);
        let body = json(&attributes, &[SPAN]);
        // Also whatever the bounds say: what was taken once is read again.
        decoded(Format::OtlpJson, body, &Bounds::WIDEST)
    };
    let of_proto = |depth: usize| {
        let resource = field(1, &nested(depth));
        let span = [field(1, &[1; 16]), field(2, &[2; 8])].concat();
        let resource_spans = [field(1, &resource), field(2, &field(2, &span))].concat();
        decoded(
            Format::OtlpProto,
            field(1, &resource_spans),
            &Bounds::WIDEST,
        )
    };
    for of in [&of_json as &dyn Fn(usize) -> _, &of_proto] {
        assert_eq!(of(64), Ok(1));
        assert_eq!(of(65), too_large("nesting", 64));
        assert_eq!(of(20_000), too_large("nesting", 64));
    }
}

#[test]
fn attributes_of_events_and_links_nest_as_deep_as_those_of_spans() {
    let of_json = |list: &str, depth: usize| {
        let open = r#"{"arrayValue":{"values":["#.repeat(depth);
        let value = format!("{open}{}", "]}}".repeat(depth));
        let entry = format!(r#"[{{"attributes":[{{"key":"k","value":{value}}}],"name":"e"}}]"#);
        let span = SPAN.replace('}', &format!(r#","{list}":{entry}}}"#));
        decoded(Format::OtlpJson, json("{}", &[&span]), &Bounds::default())
    };
    // Events are field 11 of a span and their attributes field 3; links 13 and 4.
    let of_proto = |(list, attributes): (u8, u8), depth: usize| {
        let list = field(list, &field(attributes, &nested(depth)));
        let span = [field(1, &[1; 16]), field(2, &[2; 8]), list].concat();
        let body = field(1, &field(2, &field(2, &span)));
        decoded(Format::OtlpProto, body, &Bounds::default())
    };
    for (name, numbers) in [("events", (11, 3)), ("links", (13, 4))] {
        assert_eq!(of_json(name, 64), Ok(1), "{name}");
        assert_eq!(of_json(name, 65), too_large("nesting", 64), "{name}");
        assert_eq!(of_proto(numbers, 64), Ok(1), "{name}");
        assert_eq!(of_proto(numbers, 65), too_large("nesting", 64), "{name}");
    }
}

#[test]
fn attributes_of_an_event_in_several_lists_and_any_order_are_one_object() {
    let event = r#"{"attributes":[{"value":{"intValue":1},"key":"a"}],"name":"e\"",
        "droppedAttributesCount":2,"attributes":[{"key":"b\n","value":{"stringValue":"\u00e9"}}]}"#;
    let span = SPAN.replace('}', &format!(r#","events":[{event}]}}"#));
    let mut batch = SpanBatch::default();
    let body = Bytes::from(json("{}", &[&span]));
    decode(Format::OtlpJson, body, &Bounds::default(), &mut batch).unwrap();
    let text = std::str::from_utf8(batch.bytes(batch.annotations[0].1));
    assert_eq!(
        text,
        Ok(r#""e\"":{"a":1,"b\n":"é","otel.dropped_attributes_count":2}"#)
    );
}

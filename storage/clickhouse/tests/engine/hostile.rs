//! Texts that would be statements if they became part of one, and answers that are too large.

use speargun_clickhouse::Config;
use speargun_model::TraceId;
use speargun_storage::contract::spans::{everything, of_service};
use speargun_storage::contract::{Sketch, span};
use speargun_storage::{Database, ReadContext, ReadError, SpanReader, TagTerm, TraceRequest};

use crate::support;

/// What has a meaning in a statement, in a parameter's text, or in both.
const HOSTILE: [&str; 14] = [
    "'",
    "''; DROP TABLE spans; --",
    "' OR 1 = 1 --",
    "\\",
    "\\'",
    "\\N",
    "a\tb\nc\rd",
    "a\0b",
    "`",
    "\"",
    "{c0:String}",
    "?",
    "/* */ \u{1F600} \u{2028}",
    "\\x27 \\u0027 %27 &param_c0=1",
];

#[test]
fn texts_are_never_part_of_a_statement() {
    let config = Config {
        autocomplete_keys: HOSTILE.iter().map(|text| (*text).to_owned()).collect(),
        ..support::config()
    };
    let engine = support::open(&config);
    let hostile = |id: u64, text: &str| {
        let drawn = span(u128::from(id), 1).by(text).named(text).to(text);
        drawn.tag(text, text).note(1, text)
    };
    let spans: Vec<_> = (1..)
        .zip(HOSTILE)
        .map(|(id, text)| hostile(id, text))
        .collect();
    engine.store(&support::list("'; --", 1), &spans).unwrap();
    let context = ReadContext::default();
    for (id, text) in (1_u64..).zip(HOSTILE) {
        let asked = [
            of_service(text),
            TraceRequest {
                span_name: Some(text.into()),
                ..everything()
            },
            TraceRequest {
                remote_service_name: Some(text.into()),
                ..everything()
            },
            with_term(text, Some(text)),
            with_term(text, None),
            TraceRequest {
                service_name: Some(text.into()),
                ..with_term(text, None)
            },
        ];
        for request in asked {
            let found = engine.search(&request, &context).unwrap();
            assert_eq!(found, [[hostile(id, text)]], "{text:?} in {request:?}");
        }
        assert_eq!(engine.span_names(text, &context).unwrap(), [text]);
        assert_eq!(engine.remote_service_names(text, &context).unwrap(), [text]);
        assert_eq!(engine.tag_values(text, &context).unwrap(), [text]);
        let trace = engine.trace(TraceId::from_u128(u128::from(id)), &context);
        assert_eq!(trace.unwrap(), [hostile(id, text)]);
    }
    assert_eq!(engine.service_names(&context).unwrap().len(), HOSTILE.len());
}

fn with_term(key: &str, value: Option<&str>) -> TraceRequest {
    TraceRequest {
        terms: vec![TagTerm {
            key: key.into(),
            value: value.map(str::to_owned),
        }],
        ..everything()
    }
}

#[test]
fn an_empty_value_is_not_an_absent_tag() {
    let engine = support::engine();
    let spans = [span(1, 1).tag("k", ""), span(2, 1).tag("other", "")];
    engine.store(&support::list("one", 1), &spans).unwrap();
    let context = ReadContext::default();
    let found = engine.search(&with_term("k", Some("")), &context).unwrap();
    assert_eq!(found, [[spans[0].clone()]]);
}

#[test]
fn answers_are_bounded() {
    const BYTES: usize = 100_000;
    let config = Config {
        answer_bytes: BYTES,
        ..support::config()
    };
    let engine = support::open(&config);
    let spans: Vec<_> = (0..2000)
        .map(|n| span(u128::from(n / 1000 + 1_u64), n).by("a"))
        .collect();
    engine.store(&support::list("one", 1), &spans).unwrap();
    let context = ReadContext::default();
    let large = engine.trace(TraceId::from_u128(1), &context);
    assert!(matches!(large, Err(ReadError::TooMuch(BYTES))), "{large:?}");
    let all = engine.search(&everything(), &context);
    assert!(matches!(all, Err(ReadError::TooMuch(BYTES))), "{all:?}");
}

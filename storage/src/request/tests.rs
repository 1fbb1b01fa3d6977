//! Facts about which traces a request matches.

use speargun_model::{Annotation, Endpoint, SpanId};

use super::*;

fn span(timestamp_us: u64) -> Span {
    Span {
        id: SpanId(1),
        timestamp_us,
        ..Span::default()
    }
}

fn of(service: &str) -> Endpoint {
    Endpoint {
        service_name: Some(service.into()),
        ..Endpoint::default()
    }
}

fn request() -> TraceRequest {
    TraceRequest::everything(
        Window {
            end_ms: 3,
            lookback_ms: 2,
        },
        10,
    )
}

fn term(key: &str, value: Option<&str>) -> TagTerm {
    TagTerm {
        key: key.into(),
        value: value.map(Into::into),
    }
}

#[test]
fn the_window_includes_both_ends_to_the_microsecond() {
    let matches: Vec<bool> = [999, 1000, 3000, 3001]
        .iter()
        .map(|us| request().test(&[span(*us)]))
        .collect();
    assert_eq!(matches, [false, true, true, false]);
}

#[test]
fn a_trace_without_any_timestamp_never_matches() {
    let mut all = request();
    all.window.lookback_ms = 3;
    assert!(!all.test(&[span(0), span(0)]));
    assert!(!all.test(&[]));
    assert!(all.test(&[span(0), span(1)]));
}

#[test]
fn the_first_root_with_a_timestamp_gives_the_time() {
    let child = |us| Span {
        parent_id: Some(SpanId(9)),
        ..span(us)
    };
    assert!(request().test(&[child(1), span(0), span(2000), span(9000)]));
    assert!(!request().test(&[child(2000), span(9000), span(2000)]));
}

#[test]
fn without_a_root_the_least_time_counts() {
    let child = |us| Span {
        parent_id: Some(SpanId(9)),
        ..span(us)
    };
    assert!(request().test(&[child(9000), child(2000), child(0)]));
    assert!(!request().test(&[child(2000), child(999)]));
}

#[test]
fn criteria_are_met_by_different_spans_of_the_service() {
    let mut wanted = request();
    wanted.service_name = Some("a".into());
    wanted.remote_service_name = Some("r".into());
    wanted.span_name = Some("n".into());
    wanted.min_duration_us = Some(5);
    wanted.terms = vec![term("k", None), term("l", Some("w"))];
    let mut trace: Vec<Span> = (0..6)
        .map(|_| Span {
            local_endpoint: Some(of("a")),
            ..span(2000)
        })
        .collect();
    trace[0].remote_endpoint = Some(of("r"));
    trace[1].name = Some("n".into());
    trace[2].duration_us = 5;
    trace[3].tags = vec![("k".into(), "v".into())];
    trace[4].tags = vec![("l".into(), "w".into())];
    assert!(wanted.test(&trace));
    for without in 0..5 {
        let mut others = trace.clone();
        others[without].local_endpoint = Some(of("b"));
        assert!(!wanted.test(&others), "without {without}");
    }
}

#[test]
fn a_bare_key_is_an_annotation_value_or_a_tag_key() {
    let mut wanted = request();
    wanted.terms = vec![term("foo", None)];
    let mut noted = span(2000);
    noted.annotations = vec![Annotation {
        timestamp_us: 1,
        value: "foo".into(),
    }];
    let mut tagged = span(2000);
    tagged.tags = vec![("foo".into(), String::new())];
    assert!(wanted.test(&[noted.clone()]));
    assert!(wanted.test(&[tagged]));
    assert!(!wanted.test(&[span(2000)]));
    wanted.terms = vec![term("foo", Some("foo"))];
    assert!(
        !wanted.test(&[noted]),
        "a tag with a value is no annotation"
    );
}

#[test]
fn one_span_lasts_between_minimum_and_maximum() {
    let lasting = |us| Span {
        duration_us: us,
        ..span(2000)
    };
    let mut wanted = request();
    wanted.min_duration_us = Some(10);
    wanted.max_duration_us = Some(20);
    assert!(wanted.test(&[lasting(10)]) && wanted.test(&[lasting(20)]));
    assert!(!wanted.test(&[lasting(9), lasting(21)]));
    wanted.max_duration_us = None;
    assert!(wanted.test(&[lasting(21)]));
}

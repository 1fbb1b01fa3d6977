//! Values: what tries to be SQL, what is too long, what no column holds, and what comes again.

use std::sync::Arc;

use speargun_e2e::mariadb::MariaDb;
use speargun_model::Span;
use speargun_mysql::MySqlStore;
use speargun_storage::contract::{Sketch, span};
use speargun_storage::{SpanReader, Stored, TagTerm, TraceRequest, Window};

use crate::{NEVER, config, count, fresh, open, sql};

/// Texts that would do something if they were ever part of a statement.
const HOSTILE: [&str; 8] = [
    "'; drop table zipkin_spans; -- ",
    "\" or 1=1 -- ",
    "\\' or '1'='1",
    "x' union select user(), 2, 3 -- ",
    "?,?); delete from zipkin_annotations; #",
    "%",
    "/*! drop table zipkin_annotations */",
    "nul\0in `between` \u{2028}",
];

fn everything() -> TraceRequest {
    TraceRequest::everything(
        Window {
            end_ms: u64::MAX,
            lookback_ms: u64::MAX,
        },
        100,
    )
}

fn found(store: &MySqlStore, request: &TraceRequest) -> Vec<u128> {
    let traces = store.search(request, &NEVER).unwrap();
    traces.iter().map(|t| t[0].trace_id.as_u128()).collect()
}

#[test]
fn texts_are_never_statements() {
    let server = MariaDb::shared().unwrap();
    let database = server.database().unwrap();
    let store = open(speargun_mysql::Config {
        autocomplete_keys: HOSTILE.map(str::to_owned).to_vec(),
        ..config(server, &database)
    });
    let hostile = |id: u128, text: &str| {
        span(id, 1)
            .named(text)
            .by(text)
            .to(text)
            .tag(text, text)
            .note(1, text)
    };
    let spans: Vec<Span> = (1..)
        .zip(HOSTILE)
        .map(|(id, text)| hostile(id, text))
        .collect();
    let stored = crate::store(&store, &spans).unwrap();
    assert_eq!(stored, Stored::default());
    for (id, text) in (1..).zip(HOSTILE) {
        let text = text.to_owned();
        let spans = store.trace(speargun_model::TraceId::from_u128(id), &NEVER);
        assert_eq!(spans.unwrap(), [hostile(id, &text)]);
        let service = TraceRequest {
            service_name: Some(text.clone()),
            remote_service_name: Some(text.clone()),
            span_name: Some(text.clone()),
            ..everything()
        };
        assert_eq!(found(&store, &service), [id], "{text}");
        for value in [None, Some(text.clone())] {
            let key = text.clone();
            let terms = vec![TagTerm { key, value }];
            let request = TraceRequest {
                terms,
                ..everything()
            };
            assert_eq!(found(&store, &request), [id], "{text}");
        }
        assert_eq!(store.span_names(&text, &NEVER).unwrap(), [text.as_str()]);
        let remote = store.remote_service_names(&text, &NEVER).unwrap();
        assert_eq!(remote, [text.as_str()]);
        assert_eq!(store.tag_values(&text, &NEVER).unwrap(), [text.as_str()]);
    }
    assert_eq!(store.service_names(&NEVER).unwrap().len(), HOSTILE.len());
    assert_eq!(count(&database, "zipkin_spans"), HOSTILE.len() as u64);
}

fn trace(store: &MySqlStore, id: u128) -> Vec<Span> {
    let id = speargun_model::TraceId::from_u128(id);
    store.trace(id, &NEVER).unwrap()
}

#[test]
fn what_is_too_long_is_cut_by_itself() {
    let (store, _) = fresh();
    let long = "\u{e9}".repeat(300);
    let value = "v".repeat(70_000);
    let stored = crate::store(
        &store,
        &[
            span(1, 1).named("before"),
            span(2, 1).named(&long).by(&long).to(&long),
            span(3, 1).tag(&long, "k").note(1, &long),
            span(4, 1).tag("long", &value),
            span(5, 1).named("after"),
        ],
    );
    let expected = Stored { refused: 0, cut: 3 };
    assert_eq!(stored.unwrap(), expected);
    let held = "\u{e9}".repeat(255);
    assert_eq!(
        trace(&store, 2),
        [span(2, 1).named(&held).by(&held).to(&held)]
    );
    assert_eq!(
        trace(&store, 3),
        [span(3, 1).tag(&held, "k").note(1, &held)]
    );
    assert_eq!(
        trace(&store, 4),
        [span(4, 1).tag("long", &"v".repeat(65_535))]
    );
    assert_eq!(trace(&store, 1), [span(1, 1).named("before")]);
    assert_eq!(trace(&store, 5), [span(5, 1).named("after")]);
}

#[test]
fn characters_beyond_the_bmp_need_utf8mb4() {
    let (store, database) = fresh();
    let wide = |id| {
        span(id, 1)
            .named("a\u{1F600}")
            .by("b\u{1F600}")
            .tag("c\u{1F600}", "\u{1F600}")
    };
    assert_eq!(crate::store(&store, &[wide(1)]).unwrap().cut, 1);
    let narrow = span(1, 1).named("a?").by("b?").tag("c?", "\u{1F600}");
    assert_eq!(trace(&store, 1), [narrow]);
    for table in ["zipkin_spans", "zipkin_annotations"] {
        let statement =
            format!("ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin");
        sql(&database, &statement);
    }
    let server = MariaDb::shared().unwrap();
    let store = open(config(server, &database));
    assert_eq!(crate::store(&store, &[wide(2)]).unwrap(), Stored::default());
    assert_eq!(trace(&store, 2), [wide(2)]);
    assert_eq!(store.service_names(&NEVER).unwrap(), ["b?", "b\u{1F600}"]);
}

#[test]
fn a_row_the_server_refuses_is_left_out_by_itself() {
    let (store, database) = fresh();
    crate::store(&store, &[span(9, 9)]).unwrap();
    sql(
        &database,
        "ALTER TABLE zipkin_spans MODIFY duration SMALLINT",
    );
    let spans: Vec<Span> = (1..=250)
        .map(|id| span(id, 1).lasting(if id == 77 { 40_000 } else { 7 }))
        .collect();
    let stored = crate::store(&store, &spans).unwrap();
    assert_eq!(stored, Stored { refused: 1, cut: 0 });
    assert_eq!(count(&database, "zipkin_spans"), 250);
    assert_eq!(trace(&store, 77), []);
    assert_eq!(trace(&store, 78), [span(78, 1).lasting(7)]);
}

#[test]
fn a_list_that_comes_again_changes_nothing() {
    let (store, database) = fresh();
    let spans: Vec<Span> = (1..=3000_u64)
        .map(|n| {
            let half = span(u128::from(n / 4), n / 2).by("a").to("b");
            let half = half.named(&format!("n{n}")).tag("k", &n.to_string());
            let kind = speargun_model::Kind::Client;
            half.kind(kind).lasting(n).note(n.cast_signed(), "x")
        })
        .collect();
    let checksum = || sql(&database, "CHECKSUM TABLE zipkin_spans, zipkin_annotations");
    let first = crate::store(&store, &spans).unwrap();
    let before = checksum();
    assert_eq!(crate::store(&store, &spans).unwrap(), first);
    assert_eq!(checksum(), before);
}

#[test]
fn lists_of_several_writers_at_once_are_all_stored() {
    let (store, database) = fresh();
    let writers: Vec<_> = (0..4_u64)
        .map(|writer| {
            let store: Arc<MySqlStore> = store.clone();
            std::thread::spawn(move || {
                for round in 0..5 {
                    // The same traces and spans from all of them, in different orders.
                    let mut spans: Vec<Span> = (1..=200_u64)
                        .map(|id| {
                            let tagged = span(u128::from(id), id).by("a");
                            tagged.tag(&format!("w{writer}r{round}"), "v")
                        })
                        .collect();
                    if writer % 2 == 0 {
                        spans.reverse();
                    }
                    crate::store(&store, &spans).unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    assert_eq!(count(&database, "zipkin_spans"), 200);
    assert_eq!(count(&database, "zipkin_annotations"), 200 * 20);
}

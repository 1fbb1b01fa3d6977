//! What was accepted is checked, whatever a server does instead of keeping it, and a server that
//! keeps it is accused of nothing.

use speargun_loadgen::report::{page, table};

use crate::server::Behaviour;
use crate::{SMALL, run};

#[test]
fn a_server_of_pages_keeps_no_spans() {
    let report = run(
        Behaviour::Page,
        "--rate 100 --duration 500ms --pool 1000 --settle 100ms",
    );
    assert!(report.steps[0].accepted_spans > 0);
    assert!(report.read_back.traces > 0, "{:?}", report.read_back);
    assert_eq!(report.read_back.lost_spans, report.read_back.spans);
    assert_eq!(report.missed.len(), 1, "{:?}", report.missed);
}

#[test]
fn traces_of_which_a_part_was_sent_are_read_too() {
    for words in [
        "--trace-spans 20000 --rate 10k --duration 500ms --pool 20000",
        "--skew 1h --rate 2k --duration 500ms --pool 100000",
    ] {
        let words = format!("{words} --settle 100ms --read-back 50");
        let good = run(Behaviour::Good, &words);
        assert_eq!(good.missed, Vec::<String>::new(), "{words}");
        assert!(good.read_back.spans > 0, "{words}");
        let bad = run(Behaviour::KeepsNothing, &words);
        assert!(bad.ledger.is_none());
        assert_eq!(bad.read_back.lost_spans, bad.read_back.spans, "{words}");
        assert_eq!(bad.missed.len(), 1, "{words}: {:?}", bad.missed);
    }
}

#[test]
fn what_was_not_to_be_checked_is_not_called_good() {
    let report = run(Behaviour::KeepsNothing, &format!("{SMALL} --read-back 0"));
    assert_eq!(report.missed, Vec::<String>::new());
    let said = "what was accepted was not checked";
    assert!(table::text(&report, true).contains(said));
    assert!(page::text(&report).contains(said));
}

#[test]
fn counters_that_begin_again_are_no_loss() {
    let report = run(Behaviour::BeginsAgain, SMALL);
    assert_eq!(report.missed, Vec::<String>::new());
    assert!(report.ledger.as_ref().unwrap().not_comparable.is_some());
    let text = table::text(&report, false);
    assert!(text.contains("restarted"), "{text}");
    assert!(!text.contains("missing"), "{text}");
}

#[test]
fn whatever_comes_back_as_something_else_is_found() {
    for path in [
        "/name",
        "/kind",
        "/parentId",
        "/localEndpoint/serviceName",
        "/remoteEndpoint/port",
        "/annotations/0/value",
        "/tags/http.method",
    ] {
        let words = "--rate 2000 --duration 500ms --pool 1000 --settle 100ms --read-back 50";
        let report = run(Behaviour::Changes(path), words);
        let found = &report.read_back;
        assert!(
            found.changed_spans > 0 && found.lost_spans == 0,
            "{path}: {found:?}"
        );
        assert_eq!(report.missed.len(), 1, "{path}: {:?}", report.missed);
    }
}

#[test]
fn what_is_kept_twice_is_found() {
    let report = run(Behaviour::KeepsTwice, &format!("{SMALL} --settle 100ms"));
    let found = &report.read_back;
    assert_eq!((found.repeated_spans, found.lost_spans), (found.spans, 0));
    assert_eq!(report.ledger.as_ref().unwrap().surplus(), 1000);
    assert_eq!(report.missed.len(), 1, "{:?}", report.missed);
    assert!(table::text(&report, false).contains("1000 spans more"));
}

#[test]
fn spans_that_share_an_id_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spans.json");
    // A span whose start and rest were reported apart, and halves that are not marked as such.
    let spans = r#"[{"traceId":"1","id":"a","name":"a","timestamp":1700000000000000,
        "localEndpoint":{"serviceName":"s"}},
        {"traceId":"1","id":"a","duration":7,"tags":{"a":"b"}},
        {"traceId":"2","id":"b","kind":"CLIENT","timestamp":1700000000000000,"duration":9},
        {"traceId":"2","id":"b","kind":"SERVER","timestamp":1700000000000002,"duration":3}]"#;
    std::fs::write(&path, spans).unwrap();
    for format in ["json", "proto"] {
        let words = format!(
            "--replay {} --format {format} --rate 100 --duration 500ms --settle 100ms",
            path.display()
        );
        let report = run(Behaviour::Good, &words);
        assert_eq!(report.missed, Vec::<String>::new(), "{format}");
        assert!(report.read_back.spans > 10, "{:?}", report.read_back);
    }
}

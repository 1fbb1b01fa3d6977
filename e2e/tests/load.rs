//! `speargun load` against the real server: every way in, what it reports, how it ends.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step fails the test and says which"
)]

use serde_json::Value;
use speargun_e2e::server::{free_port, run_to_end};
use speargun_e2e::{Options, Server};

/// Runs the command; returns its exit code and all it printed.
fn load(port: u16, words: &str) -> (i32, String) {
    let target = format!("http://127.0.0.1:{port}");
    let mut arguments = vec!["load", "--target", &target, "--quiet"];
    arguments.extend(words.split_whitespace());
    let (status, printed) = run_to_end(&arguments, &[]).unwrap();
    (status.code().unwrap(), printed)
}

const SMALL: &str = "--rate 5000 --duration 1s --batch 20 --pool 2000 --read-back 100";

#[test]
fn what_the_server_accepts_is_there_by_every_way_in() {
    let server = Server::start(Options::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("report.json");
    for (seed, way) in ["json", "json --gzip", "proto", "json-v1", "grpc"]
        .into_iter()
        .enumerate()
    {
        let words = format!(
            "{SMALL} --format {way} --seed {seed} --queries 20 --json {}",
            json.display()
        );
        let (code, printed) = load(server.port(), &words);
        assert_eq!(code, 0, "{way}: {printed}");
        let report: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
        let sent = &report["steps"][0];
        assert!(
            sent["accepted_spans"].as_u64().unwrap() > 4000,
            "{way}: {report}"
        );
        assert_eq!(report["read_back"]["traces"], 100, "{way}: {report}");
        assert_eq!(report["read_back"]["lost_spans"], 0, "{way}: {report}");
        let ledger = &report["ledger"];
        assert_eq!(ledger["counts_stored"], true);
        assert_eq!(ledger["kept"], ledger["accepted"], "{way}: {report}");
        assert_eq!(report["cost"]["pid"], server.pid());
    }
    let same = json.display().to_string();
    let (status, printed) = run_to_end(&["load", "compare", &same, &same], &[]).unwrap();
    assert!(status.success() && printed.contains("p99"), "{printed}");
}

#[test]
fn trees_skewed_clocks_and_short_ids_come_back() {
    let server = Server::start(Options::default()).unwrap();
    let words = format!(
        "{SMALL} --services 40 --depth 5 --fan-out 3 --trace-spans 700 --tags 3 --errors 50 \
         --skew 2s --late 100 --duplicates 50 --id-bits 64"
    );
    let (code, printed) = load(server.port(), &words);
    assert_eq!(code, 0, "{printed}");
}

#[test]
fn a_recording_is_sent_again() {
    let server = Server::start(Options::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spans.json");
    let spans = r#"[[{"traceId":"1","id":"1","name":"a","timestamp":1500000000000000,
        "duration":7,"localEndpoint":{"serviceName":"recorded"},"tags":{"a":"b"}}]]"#;
    std::fs::write(&path, spans).unwrap();
    let words = format!(
        "--replay {} --rate 50 --duration 1s --read-back 20",
        path.display()
    );
    let (code, printed) = load(server.port(), &words);
    assert_eq!(code, 0, "{printed}");
    let services = server.get("/api/v2/services").unwrap();
    assert_eq!(services.text(), r#"["recorded"]"#);
}

#[test]
fn spans_that_are_accepted_and_not_kept_are_found() {
    let server = Server::start(Options::of(&[("COLLECTOR_SAMPLE_RATE", "0.5")])).unwrap();
    let (code, printed) = load(server.port(), &format!("{SMALL} --settle 100ms"));
    assert_eq!(code, 1, "{printed}");
    assert!(printed.contains("spans lost"), "{printed}");
    assert!(printed.contains("missing"), "{printed}");
}

#[test]
fn it_ends_with_what_went_wrong() {
    let server = Server::start(Options::of(&[("COLLECTOR_HTTP_ENABLED", "false")])).unwrap();
    let (code, printed) = load(server.port(), "");
    assert!(code == 3 && printed.contains("404"), "{code} {printed}");
    let (code, printed) = load(free_port().unwrap(), "");
    assert!(code == 3 && printed.contains("refused"), "{code} {printed}");
    let (code, printed) = load(server.port(), "--rate fast");
    assert!(code == 2 && printed.contains("--rate"), "{code} {printed}");
    let nothing = ["load", "compare", "nowhere.json", "nowhere.json"];
    let (status, printed) = run_to_end(&nothing, &[]).unwrap();
    assert!(printed.contains("read nowhere.json"), "{printed}");
    assert_eq!(status.code(), Some(2));
    let missed = "--format grpc --rate 100 --duration 500ms --p99 1us --read-back 0";
    let (code, printed) = load(server.port(), missed);
    assert!(
        code == 1 && printed.contains("missed: at"),
        "{code} {printed}"
    );
}

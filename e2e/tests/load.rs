//! `speargun load` against the real server: every way in, what it reports, how it ends.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step fails the test and says which"
)]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;
use speargun_e2e::server::{binary, free_port, run_to_end};
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
    for words in [
        "--timeout 0s",
        "--duration 0s",
        "--rate 5kkk",
        "--pid 4194305",
    ] {
        let (code, printed) = load(server.port(), words);
        assert_eq!(code, 2, "{words}: {printed}");
    }
    let (status, printed) = run_to_end(&["load", "--target", "127.0.0.1:99999"], &[]).unwrap();
    assert_eq!(status.code(), Some(2), "{printed}");
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

/// Sends a signal to a process.
fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill").args([name, &pid.to_string()]).status();
    assert!(sent.unwrap().success());
}

#[test]
fn an_interruption_ends_the_load_and_the_next_one_all() {
    let server = Server::start(Options::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("report.json");
    for (times, code) in [(1, 0), (2, 130)] {
        let mut child = Command::new(binary().unwrap())
            .args([
                "load",
                "--rate",
                "1k",
                "--duration",
                "10m",
                "--pool",
                "2000",
            ])
            .args([
                "--target",
                &format!("127.0.0.1:{}", server.port()),
                "--json",
            ])
            .arg(&json)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut until = |word: &str| {
            let mut line = String::new();
            while !line.contains(word) {
                line.clear();
                assert!(said.read_line(&mut line).unwrap() > 0, "no {word}");
            }
        };
        until("spans/s");
        if times == 2 {
            // Nobody answers any more, so that the end takes long enough for a second one.
            signal("-STOP", server.pid());
        }
        signal("-INT", child.id());
        until("again to end at once");
        if times == 2 {
            signal("-INT", child.id());
        }
        let status = child.wait().unwrap();
        signal("-CONT", server.pid());
        assert_eq!(status.code(), Some(code));
    }
    let report: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(report["interrupted"], true);
    assert_eq!(report["read_back"]["lost_spans"], 0, "{report}");
}

#[test]
fn a_report_that_can_go_nowhere_hides_nothing() {
    let server = Server::start(Options::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (json, html) = (folder.path().join("a.json"), folder.path().join("a.html"));
    // Known before the load, which would take ten minutes.
    let words = format!("--duration 10m --html {} --json /nowhere/x", html.display());
    let (code, printed) = load(server.port(), &words);
    assert!(
        code == 2 && printed.contains("/nowhere/x"),
        "{code} {printed}"
    );
    assert!(!html.exists());
    // Known at the end: what can be written is, and a missed target is told.
    for (target, expected) in [("", 2), ("--p99 1us", 1)] {
        let words = format!(
            "{SMALL} {target} --html /dev/full --json {}",
            json.display()
        );
        let (code, printed) = load(server.port(), &words);
        assert!(
            code == expected && printed.contains("/dev/full"),
            "{code} {printed}"
        );
        assert!(std::fs::read(&json).unwrap().ends_with(b"}"));
        std::fs::remove_file(&json).unwrap();
    }
}

#[test]
fn connections_that_this_machine_cannot_have_are_said_before_the_load() {
    let server = Server::start(Options::default()).unwrap();
    for format in ["json", "grpc"] {
        let command = format!(
            "ulimit -n 64; exec {} load --target 127.0.0.1:{} --connections 100 --format {format} \
             --duration 10m",
            binary().unwrap().display(),
            server.port()
        );
        let ended = Command::new("sh").args(["-c", &command]).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{format}: {said}");
        assert!(said.contains("ulimit -n"), "{format}: {said}");
    }
}

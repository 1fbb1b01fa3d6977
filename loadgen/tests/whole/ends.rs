//! How runs end: early, on time whatever the server does, and with what is to be known of them.

use std::net::TcpListener;

use speargun_loadgen::report::{Report, compare, page, table};
use speargun_loadgen::session::{self, Failure};
use speargun_loadgen::stop::Stop;

use crate::server::{Behaviour, Server};
use crate::{SMALL, options, run, start};

/// Runs, and asks to end as soon as the first second is over.
fn interrupted(words: &str) -> Report {
    let server = Server::start(Behaviour::Good);
    let stop = Stop::default();
    session::run(&options(&server, words), &stop, &mut |_| stop.ask()).unwrap()
}

#[test]
fn what_was_sent_before_an_interruption_is_reported() {
    let small = "--rate 400 --batch 1 --pool 1000 --duration 10m --read-back 20";
    for words in [
        small.to_owned(),
        format!("{small} --closed"),
        format!("{small} --steps 400,800"),
        // One request in a hundred seconds: nobody waits for the next.
        "--rate 1 --batch 100 --pool 100 --services 1 --trace-spans 100 --duration 10m".into(),
    ] {
        let report = interrupted(&words);
        assert!(report.interrupted);
        assert_eq!(report.missed, Vec::<String>::new(), "{words}");
        assert_eq!(report.steps.len(), 1);
        assert!(report.steps[0].accepted_spans > 0, "{words}");
        assert!(report.read_back.traces > 0 && report.read_back.is_whole());
        assert!(table::text(&report, false).contains("before its time"));
    }
    let search = interrupted(&format!("{small} --find"));
    assert!(search.interrupted && search.highest_rate.is_none());
    let warming = interrupted(&format!("{small} --warmup 10m"));
    assert!(warming.steps.is_empty());
    assert_eq!(warming.missed, ["nothing was measured"]);
}

#[test]
fn all_that_was_never_sent_is_counted_without_counting_to_it() {
    let words = "--rate 100M --batch 1 --duration 3s --pool 100 --timeout 300ms --read-back 0";
    let report = run(Behaviour::Hangs, words);
    let step = &report.steps[0];
    assert_eq!(step.bodies(), 300_000_000, "{step:?}");
    // All waited from when they were due to the end, evenly between.
    let (p10, p90) = (step.latency_at(10.0), step.latency_at(90.0));
    assert!(p90 - p10 > 2_000_000, "{:?}", step.latency_us);
}

#[test]
fn a_rate_is_of_the_whole_time() {
    let words = "--rate 100 --batch 100 --duration 2s --pool 1000 --services 1 --trace-spans 100";
    let report = run(Behaviour::Good, words);
    let step = &report.steps[0];
    assert_eq!(step.accepted, 2);
    assert!(step.wall_ms >= 2000 && step.rate() <= 100.0, "{step:?}");
}

#[test]
fn queries_ask_for_what_was_accepted_and_may_not_fail() {
    let server = Server::start(Behaviour::Good);
    let words = format!("{SMALL} --queries 400 --read-back 0 --rate 10k --pool 100000");
    let words = words
        .replacen("--rate 1000 ", "", 1)
        .replacen("--pool 1000 ", "", 1);
    let report = start(&options(&server, &words)).unwrap();
    let asked = &report.queries[0];
    assert_eq!(asked.name, "trace");
    let asked = asked.answered + asked.failed;
    let unknown = server.unknown_traces();
    assert!(asked > 50 && unknown * 4 < asked, "{unknown} of {asked}");
    let failing = run(Behaviour::FailsQueries, &format!("{SMALL} --queries 100"));
    assert_eq!(failing.missed.len(), 1, "{:?}", failing.missed);
    assert!(
        failing.missed[0].contains("of 100 queries"),
        "{:?}",
        failing.missed
    );
}

#[test]
fn what_is_named_and_not_there_is_a_word_of_usage() {
    let server = Server::start(Behaviour::Good);
    for (words, said) in [
        ("--pid 4194305", "--pid 4194305"),
        ("--data /nowhere/at/all", "--data /nowhere/at/all"),
    ] {
        match start(&options(&server, words)).unwrap_err() {
            Failure::Usage(text) => assert!(text.contains(said), "{text}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_server_that_says_nothing_is_told_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::start(Behaviour::Good);
    let mut options = options(&server, "--timeout 300ms");
    options.target = listener.local_addr().unwrap().to_string();
    match start(&options).unwrap_err() {
        Failure::Unreachable(text) => assert!(text.contains("no answer in time"), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn disk_is_told_without_a_process() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(Behaviour::Good);
    let mut options = options(&server, SMALL);
    options.check.data = Some(folder.path().to_owned());
    let report = session::run(&options, &Stop::default(), &mut |_| {
        std::fs::write(folder.path().join("spans"), [0; 10_240]).unwrap();
    });
    let mut report = report.unwrap();
    report.cost = None;
    assert_eq!(report.disk_bytes, Some(10_240));
    assert!(table::text(&report, false).contains("disk: 10 KiB more"));
    assert!(page::text(&report).contains("disk: 10 KiB more"));
}

#[test]
fn what_is_not_alike_is_said_in_a_comparison() {
    let good = run(Behaviour::Good, SMALL);
    let mut other = good.clone();
    other.setting.connections = 99;
    other.setting.pace = "closed loop".into();
    other.read_back.changed_spans = 7;
    other.ledger.as_mut().unwrap().kept -= 5;
    let text = compare::text(&good, &other);
    for said in [
        "not alike: connections: A 4; B 99",
        "B closed loop",
        "spans changed",
        "spans not in the counters",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(!compare::text(&good, &good).contains("not alike"));
    // Of a search the last try that met the targets counts, not one that was too fast.
    let mut search = good.clone();
    search.highest_rate = Some(1000.0);
    let mut missed = search.steps[0].clone();
    missed.missed = vec!["p99".into()];
    missed.latency_us = vec![(100.0, 9_000_000)];
    search.steps.push(missed);
    let text = compare::text(&good, &search);
    let p99 = text.lines().find(|line| line.starts_with("p99 ")).unwrap();
    assert!(p99.ends_with("1.00"), "{p99}");
}

#[test]
fn the_page_tells_why_bodies_failed() {
    let report = run(
        Behaviour::Fails,
        "--rate 100 --duration 200ms --batch 1 --pool 100",
    );
    let page = page::text(&report);
    assert!(page.contains("20 times: status 400: bad spans"), "{page}");
}

//! Whole runs against servers that are good, that stall, refuse, or forget: small ones made here,
//! so that what they do wrong is known.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step fails the test and says which"
)]

#[path = "whole/ends.rs"]
mod ends;
#[path = "whole/secure.rs"]
mod secure;
#[path = "whole/server.rs"]
mod server;
#[path = "whole/truth.rs"]
mod truth;

use clap::Parser;
use secure::Secure;
use server::{Behaviour, Server};
use speargun_loadgen::Options;
use speargun_loadgen::report::{Report, compare, page, table};
use speargun_loadgen::session::{self, Failure};
use speargun_loadgen::stop::Stop;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

fn options(server: &Server, words: &str) -> Options {
    let target = format!(
        "load --target 127.0.0.1:{} --connections 4 {words}",
        server.port()
    );
    Cli::parse_from(target.split_whitespace()).options
}

fn start(options: &Options) -> Result<Report, Failure> {
    session::run(options, &Stop::default(), &mut |_| {})
}

fn run(behaviour: Behaviour, words: &str) -> Report {
    let server = Server::start(behaviour);
    start(&options(&server, words)).unwrap()
}

/// A thousand requests of one span in a second.
const SMALL: &str = "--rate 1000 --duration 1s --batch 1 --pool 1000";

#[test]
fn a_good_server_meets_all() {
    for format in ["json", "proto", "json-v1", "proto --gzip"] {
        let report = run(
            Behaviour::Good,
            &format!("{SMALL} --format {format} --read-back 50"),
        );
        assert_eq!(report.missed, Vec::<String>::new(), "{format}");
        assert_eq!(report.steps[0].accepted_spans, 1000);
        assert_eq!(
            (report.read_back.traces, report.read_back.lost_spans),
            (50, 0)
        );
        let ledger = report.ledger.unwrap();
        assert_eq!((ledger.accepted, ledger.kept), (1000, 1000));
    }
}

#[test]
fn traces_of_later_rounds_are_read_back_too() {
    let words = "--rate 4000 --duration 1s --batch 10 --pool 500 --read-back 200 --duplicates 100";
    let report = run(Behaviour::Good, words);
    assert_eq!(report.missed, Vec::<String>::new());
    assert!(report.steps[0].accepted_spans > 3900);
    // One round has fewer traces than were read back.
    assert_eq!(report.read_back.traces, 200);
}

#[test]
fn a_stall_of_a_second_shows_in_open_loop() {
    let open = run(Behaviour::StallsOnce, SMALL);
    let step = &open.steps[0];
    // Requests were due all the time, so of a thousand far more than one waited long.
    assert!(step.latency_at(99.9) >= 900_000, "{:?}", step.latency_us);
    assert!(step.latency_at(90.0) >= 500_000, "{:?}", step.latency_us);
    assert_eq!(step.bodies(), 1000);
}

#[test]
fn what_was_due_and_never_sent_counts_with_the_time_it_waited() {
    let words = "--rate 200 --duration 500ms --batch 1 --pool 100 --timeout 300ms";
    let report = run(Behaviour::Hangs, words);
    let step = &report.steps[0];
    assert_eq!((step.accepted, step.bodies()), (0, 100));
    assert!(step.failed > 0 && step.unsent > 0, "{step:?}");
    assert_eq!(step.reasons["no answer in time"], step.failed);
    assert!(step.latency_at(50.0) >= 300_000, "{:?}", step.latency_us);
    assert_eq!(report.read_back.traces, 0);
    assert_eq!(report.missed.len(), 1, "{:?}", report.missed);
}

#[test]
fn one_span_of_a_thousand_that_is_forgotten_is_found() {
    let words = "--rate 20000 --duration 1s --batch 50 --pool 20000 --settle 200ms";
    let report = run(Behaviour::Forgets, words);
    assert!(report.read_back.lost_spans > 0, "{:?}", report.read_back);
    assert!(!report.read_back.examples.is_empty());
    let ledger = report.ledger.clone().unwrap();
    assert_eq!(ledger.missing(), ledger.accepted / 1000);
    assert_eq!(report.missed.len(), 2, "{:?}", report.missed);
    let text = table::text(&report, true);
    assert!(text.contains("\x1b[31mread back"), "{text}");
}

#[test]
fn refusals_are_counted_and_heeded() {
    let words = "--rate 100 --duration 1s --batch 1 --pool 100 --timeout 2s";
    let report = run(Behaviour::RefusesEveryTenth, words);
    let step = &report.steps[0];
    assert!(step.refused > 0 && step.waited == step.refused, "{step:?}");
    assert_eq!(step.reasons["refused with 503"], step.refused);
    assert_eq!(step.bodies(), 100);
    assert!(step.accepted_spans < 100);
    // What was refused is not asked for.
    assert!(report.read_back.is_whole(), "{:?}", report.read_back);
    assert_eq!(report.missed.len(), 1, "{:?}", report.missed);
    let at_once = run(
        Behaviour::RefusesEveryTenth,
        &format!("{words} --ignore-retry-after"),
    );
    assert_eq!((at_once.steps[0].refused, at_once.steps[0].waited), (10, 0));
}

#[test]
fn other_answers_are_failures_with_their_text() {
    let report = run(
        Behaviour::Fails,
        "--rate 100 --duration 500ms --batch 1 --pool 100",
    );
    let step = &report.steps[0];
    assert_eq!(step.failed, 50);
    assert_eq!(step.reasons["status 400: bad spans"], 50);
    assert_eq!(report.read_back.traces, 0);
}

#[test]
fn a_search_ends_below_what_the_server_can_do() {
    let words = "--find --rate 500 --duration 300ms --batch 1 --pool 500 --timeout 1s";
    let report = run(Behaviour::RefusesAbove(1500), words);
    let highest = report.highest_rate.unwrap();
    assert!((50.0..=1600.0).contains(&highest), "{highest}");
    assert!(report.steps.iter().any(|step| !step.missed.is_empty()));
    assert!(report.missed.is_empty(), "{:?}", report.missed);
}

#[test]
fn closed_loop_steps_and_ramps_send_what_they_say() {
    let steps = run(
        Behaviour::Good,
        "--steps 200,400 --duration 500ms --batch 1 --pool 200",
    );
    let accepted: Vec<u64> = steps.steps.iter().map(|step| step.accepted_spans).collect();
    assert_eq!(accepted, [100, 200]);
    let ramp = run(
        Behaviour::Good,
        "--ramp --rate 400 --duration 1s --batch 1 --pool 200",
    );
    assert_eq!(ramp.steps[0].accepted_spans, 200);
    let closed = run(
        Behaviour::Good,
        "--closed --duration 300ms --batch 1 --pool 200",
    );
    assert!(closed.steps[0].accepted_spans > 0);
    assert_eq!(closed.missed, Vec::<String>::new());
}

#[test]
fn queries_of_all_endpoints_are_asked() {
    let words = format!("{SMALL} --queries 400");
    let report = run(Behaviour::Good, &words);
    assert_eq!(report.queries.len(), 10);
    let asked: u64 = report
        .queries
        .iter()
        .map(|row| row.answered + row.failed)
        .sum();
    assert_eq!(asked, 400);
    let trace = report
        .queries
        .iter()
        .find(|row| row.name == "trace")
        .unwrap();
    assert!(trace.answered > 0 && trace.failed == 0, "{trace:?}");
}

#[test]
fn reports_are_written_read_and_compared() {
    let report = run(Behaviour::Good, SMALL);
    let json = serde_json::to_vec(&report).unwrap();
    let path = std::env::temp_dir().join(format!("report-{}.json", std::process::id()));
    std::fs::write(&path, json).unwrap();
    let again = compare::read(&path);
    std::fs::remove_file(&path).unwrap();
    let again = again.unwrap();
    assert_eq!(again, report);
    let text = compare::text(&report, &again);
    let same = text.lines().find(|line| line.starts_with("p99 ")).unwrap();
    assert!(same.ends_with("1.00"), "{same}");
    let page = page::text(&report);
    assert_eq!(page.matches("<svg").count(), 5);
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
}

#[test]
fn what_cannot_be_loaded_says_why() {
    let server = Server::start(Behaviour::NotFound);
    let failure = |words: &str| start(&options(&server, words)).unwrap_err();
    match failure("") {
        Failure::Unreachable(text) => assert!(text.contains("404"), "{text}"),
        other => panic!("{other:?}"),
    }
    match failure("--format grpc --gzip") {
        Failure::Usage(text) => assert!(text.contains("gRPC"), "{text}"),
        other => panic!("{other:?}"),
    }
    let mut strange = options(&server, "");
    "8.8.8.8".clone_into(&mut strange.target);
    match start(&strange).unwrap_err() {
        Failure::Usage(text) => assert!(text.contains("yes-i-own-this-target"), "{text}"),
        other => panic!("{other:?}"),
    }
    "127.0.0.1:1".clone_into(&mut strange.target);
    let unreachable = start(&strange).unwrap_err();
    assert!(
        matches!(unreachable, Failure::Unreachable(_)),
        "{unreachable:?}"
    );
}

#[test]
fn the_target_may_speak_tls() {
    let server = Server::start(Behaviour::Good);
    let secure = Secure::before(server.port());
    let ca = secure.ca();
    let ca = ca.display();
    for format in ["json", "grpc"] {
        // What comes by gRPC ends at the door, which keeps nothing.
        let kept = if format == "grpc" { 0 } else { 50 };
        for trust in [format!("--ca {ca}"), "--insecure".into()] {
            let mut options = options(
                &server,
                &format!("{SMALL} --format {format} {trust} --read-back {kept} --settle 200ms"),
            );
            options.target = format!("https://localhost:{}", secure.port());
            let report = start(&options).unwrap();
            assert_eq!(report.steps[0].missed, Vec::<String>::new(), "{format}");
            assert!(report.read_back.is_whole(), "{format} {trust}");
            assert_eq!(report.steps[0].accepted_spans, 1000);
            assert_eq!(report.read_back.traces, kept);
        }
    }
}

#[test]
fn why_there_is_no_tls_is_said() {
    let server = Server::start(Behaviour::Good);
    let secure = Secure::before(server.port());
    let other = Secure::before(server.port());
    let (https, http) = (
        format!("https://localhost:{}", secure.port()),
        format!("http://localhost:{}", secure.port()),
    );
    let no_tls = format!("https://localhost:{}", secure::plain());
    let by_address = format!("https://127.0.0.1:{}", secure.port());
    let own = format!("--ca {}", secure.ca().display());
    let others = format!("--ca {}", other.ca().display());
    let authority = Secure::by_authority(server.port());
    let as_authority = format!("https://localhost:{}", authority.port());
    let by_itself = format!("--ca {}", authority.ca().display());
    let below = format!("{https}/base");
    let plain = format!("http://localhost:{}", server.port());
    for (target, words, said) in [
        (&as_authority, by_itself.as_str(), "CA:FALSE"),
        (&below, "--insecure --format grpc", "404"),
        (&plain, "--format grpc", "does not speak HTTP/2"),
        (&https, others.as_str(), "nobody who is believed here"),
        (&by_address, &own, "for another name"),
        (&http, "", "TLS"),
        (&no_tls, "--insecure", "does not speak TLS"),
        (&no_tls, "--insecure --format grpc", "does not speak TLS"),
        (
            &https,
            &format!("{others} --format grpc"),
            "nobody who is believed here",
        ),
    ] {
        let mut options = options(&server, words);
        options.target.clone_from(target);
        match start(&options).unwrap_err() {
            Failure::Unreachable(text) => assert!(text.contains(said), "{said}: {text}"),
            failure => panic!("{said}: {failure:?}"),
        }
    }
    for words in ["--insecure", "--ca nowhere.pem"] {
        let failure = start(&options(&server, words)).unwrap_err();
        assert!(matches!(failure, Failure::Usage(_)), "{failure:?}");
    }
    let mut nowhere = options(&server, "--ca nowhere.pem");
    nowhere.target = https;
    match start(&nowhere).unwrap_err() {
        Failure::Usage(text) => assert!(text.contains("nowhere.pem"), "{text}"),
        failure => panic!("{failure:?}"),
    }
}

//! Every recorded case against the binary, on each engine. Cases of formats that are not served
//! yet are named here, one by one; the list may only shrink.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failing step fails the test and says which"
)]

use std::collections::BTreeMap;

use speargun_e2e::golden::{self, Case};
use speargun_e2e::server::{self, Options, Server};

/// Recorded, but of Zipkin's first format, which is not served yet.
const LATER: [&str; 5] = [
    "write-thrift",
    "write-v1-client",
    "write-v1-local",
    "write-v1-server",
    "write-version-guard",
];

#[test]
fn answers_are_the_recorded_ones_on_segment() {
    replay_all("segment");
}

#[test]
fn answers_are_the_recorded_ones_on_mem() {
    replay_all("mem");
}

#[test]
fn cases_left_for_later_exist() {
    let names: Vec<String> = cases().into_iter().map(|case| case.name).collect();
    for name in LATER {
        assert!(names.iter().any(|other| other == name), "no case {name}");
    }
    assert!(names.len() >= 125, "{} cases", names.len());
}

fn cases() -> Vec<Case> {
    golden::load(&server::root().join("e2e/golden")).unwrap()
}

/// An environment, and the name of a case that wants it for itself.
type Group = (Vec<(String, String)>, String);

/// Cases of one environment share a server, except those that need an empty one.
fn replay_all(storage: &str) {
    let mut groups: BTreeMap<Group, Vec<Case>> = BTreeMap::new();
    let mut later = 0;
    for case in cases() {
        if LATER.contains(&case.name.as_str()) {
            later += 1;
            continue;
        }
        let alone = if case.fresh {
            case.name.clone()
        } else {
            String::new()
        };
        let key = (case.environment.clone(), alone);
        groups.entry(key).or_default().push(case);
    }
    let (mut passed, mut failures) = (0, Vec::new());
    for ((environment, _), members) in groups {
        let mut options = Options::storage(storage);
        options.environment.extend(environment);
        let server = Server::start(options).unwrap();
        for case in members {
            match case.replay(server.port()) {
                Ok(()) => passed += 1,
                Err(e) => failures.push(format!("FAIL {} on {storage}: {e:#}", case.name)),
            }
        }
    }
    for failure in &failures {
        println!("{failure}");
    }
    let failed = failures.len();
    println!("golden cases on {storage}: {passed} passed, {failed} failed, {later} for later");
    assert!(failures.is_empty(), "{failed} cases differ on {storage}");
}

//! Every recorded case against the binary, on each engine.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failing step fails the test and says which"
)]

use std::collections::BTreeMap;

use speargun_e2e::golden::{self, Case};
use speargun_e2e::server::{self, Options, Server};

#[test]
fn answers_are_the_recorded_ones_on_segment() {
    replay_all("segment");
}

#[test]
fn answers_are_the_recorded_ones_on_mem() {
    replay_all("mem");
}

fn cases() -> Vec<Case> {
    let cases = golden::load(&server::root().join("e2e/golden")).unwrap();
    assert!(cases.len() >= 134, "{} cases", cases.len());
    cases
}

/// An environment, and the name of a case that wants it for itself.
type Group = (Vec<(String, String)>, String);

/// Cases of one environment share a server, except those that need an empty one.
fn replay_all(storage: &str) {
    let mut groups: BTreeMap<Group, Vec<Case>> = BTreeMap::new();
    for case in cases() {
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
    println!("golden cases on {storage}: {passed} passed, {failed} failed");
    assert!(failures.is_empty(), "{failed} cases differ on {storage}");
}

//! Zipkin's own test kit passes on the binary, whole and on both engines, and what Brave reports is
//! what is read.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step fails the test and says which"
)]

use std::sync::LazyLock;

use speargun_e2e::kit::{self, Counts, Reports};
use speargun_e2e::{Options, Server};

/// One run of Maven serves all tests.
static REPORTS: LazyLock<Result<Reports, String>> =
    LazyLock::new(|| Reports::make().map_err(|error| format!("{error:#}")));

#[test]
fn zipkins_test_kit_passes_on_the_default_engine() {
    assert_passed("default", "speargun.KitTest", 85);
}

#[test]
fn zipkins_test_kit_passes_in_memory() {
    assert_passed("mem", "speargun.KitTest", 85);
}

#[test]
fn what_brave_reports_is_read_back() {
    for engine in ["default", "mem"] {
        assert_passed(engine, "speargun.BraveTest", 4);
    }
}

#[test]
fn what_brave_reports_in_the_forms_of_version_1_is_read_back() {
    let server = Server::start(Options::default()).unwrap();
    if !kit::takes_v1(&server).unwrap() {
        return;
    }
    for engine in ["default", "mem"] {
        assert_passed(engine, "speargun.BraveV1Test", 4);
    }
}

/// Fails unless exactly so many tests of a class ran and passed.
fn assert_passed(engine: &str, class: &str, found: u32) {
    let reports = REPORTS.as_ref().unwrap();
    let expected = Counts {
        found,
        failed: 0,
        skipped: 0,
    };
    let counts = reports.counts(engine, class).unwrap();
    let printed = reports.printed();
    assert_eq!(counts, expected, "{class} on {engine}\n{printed}");
}

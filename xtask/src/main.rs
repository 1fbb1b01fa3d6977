//! The project's one menu, the same at the desk, in the hooks and in CI. It builds in seconds: the
//! standard library and `anyhow`, nothing of the product.
//!
//! # Layout
//!
//! - [`steps`]: what each word of the menu does.
//! - [`instructions`]: what stages cost by callgrind, against the committed figures.
//! - [`tools`]: what the tests need beside Rust, and how it is installed.
//! - [`deploy`]: checks of `deploy/`, and the image.
//! - [`tidy`]: rules about the text of this repository.
//! - [`ui`]: the page's build, checks and flows.
//! - [`shell`], [`processes`]: running commands, ending what they began.
//! - [`failures`]: running tests.

mod deploy;
mod failures;
mod instructions;
mod json;
mod processes;
mod shell;
mod steps;
mod tidy;
mod tools;
mod ui;

use std::process::ExitCode;

const MENU: &str = "\
cargo xtask check            formatting, clippy, documentation, tidy
cargo xtask tidy             the repository's own rules, dependency law included
cargo xtask test             installs what is needed, then check, page, unit, fuzz, benches,
                             instructions, e2e, page flows, deploy
cargo xtask unit             unit, contract and property tests of all crates but e2e
cargo xtask e2e [FILTER]     builds the release binary and runs the black-box tests
cargo xtask e2e spring [T]   applications of three trains of Spring Cloud (hoxton, 2021, 2025),
                             or of one; Zipkin's server at the registry (zipkins)
cargo xtask crash [N]        the crash test with N kills (50)
cargo xtask kills [N]        the test that kills a database, with N kills (20)
cargo xtask bench [NAME] ..  decode, ingest, latency, scale, replay, mixed, skew (core: these),
                             read, harness, registry or demo (none named: all); peers, mysql,
                             kafka, config
cargo xtask bench --check    instructions of each stage against the committed figures; with
                             --renew they are written anew
cargo xtask clickhouse [N]   the test that kills ClickHouse with N kills (20)
cargo xtask eureka           a registry of Spring Cloud and ours as peers
cargo xtask deploy           checks deploy/, builds the image, runs it under podman; --texts: the
                             files alone
cargo xtask image            builds the binary and target/image, the folder of the image
cargo xtask fuzz TARGET [S]  fuzzes a decoder for S seconds (60)
cargo xtask ui [WHAT]        builds ui/dist; --check compares it, --watch serves the sources in
                             front of a backend; flows, pictures, bench open it in a browser
cargo xtask tools            installs what the tests need into .tools
cargo xtask setup            uses the hooks of .githooks
cargo xtask ci               what CI runs: test";

#[expect(
    clippy::print_stderr,
    reason = "a command line tool talks on standard error"
)]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["check"] => steps::check(),
        ["tidy"] => steps::tidy(),
        ["test" | "ci"] => steps::test(),
        ["unit"] => steps::unit(),
        ["e2e"] => steps::e2e(None),
        ["e2e", "spring", rest @ ..] => steps::spring(rest),
        ["e2e", filter] => steps::e2e(Some(filter)),
        ["crash"] => steps::crash("50"),
        ["crash", count] => steps::crash(count),
        ["kills"] => steps::kills("20"),
        ["kills", count] => steps::kills(count),
        ["clickhouse"] => steps::clickhouse("20"),
        ["clickhouse", kills] => steps::clickhouse(kills),
        ["eureka"] => steps::eureka(),
        ["bench", "--check"] => instructions::check(),
        ["bench", "--check", "--renew"] => instructions::renew(),
        ["bench", rest @ ..] => steps::bench(rest),
        ["deploy"] => deploy::check(),
        ["deploy", "--texts"] => deploy::check_texts(),
        ["image"] => deploy::image::folder().map(drop),
        ["fuzz", target] => steps::fuzz(target, "60"),
        ["fuzz", target, seconds] => steps::fuzz(target, seconds),
        ["ui"] => ui::build(),
        ["ui", "--check"] => ui::check(),
        ["ui", "--watch", rest @ ..] => ui::watch(rest),
        ["ui", "flows", rest @ ..] => steps::page_flows(rest),
        ["ui", "pictures"] => steps::page_pictures(),
        ["ui", "bench", rest @ ..] => steps::page_bench(rest),
        ["tools"] => tools::install(),
        ["setup"] => steps::setup(),
        _ => {
            eprintln!("{MENU}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

//! What each word of the menu does. How tools are installed is in [`crate::tools`].

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::failures::run_tests;
use crate::shell::{cargo, command, output, root, run, say};
use crate::{deploy, instructions, tidy as rules, tools, ui};

/// Formatting, lints, documentation, tidy.
pub(crate) fn check() -> Result<()> {
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    tidy()?;
    // The first leaves out what is no test by default, which are the black-box tests.
    for targets in [["--all-targets"].as_slice(), &["--test", "*"]] {
        let mut clippy = cargo(&["clippy", "--workspace", "--all-features"]);
        run(clippy.args(targets).args(["--", "-D", "warnings"]))?;
    }
    let mut doc = cargo(&[
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
    ]);
    run(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

/// The repository's own rules.
pub(crate) fn tidy() -> Result<()> {
    let report = rules::run(&root())?;
    for finding in &report.findings {
        say(&format!("tidy: {finding}"));
    }
    let failed = report.rules_failed;
    say(&format!(
        "tidy: {} passed, {failed} failed",
        report.rules - failed
    ));
    ensure!(failed == 0, "{} places are not tidy", report.findings.len());
    Ok(())
}

/// Everything: the README's second command.
pub(crate) fn test() -> Result<()> {
    type Step = (&'static str, fn() -> Result<()>);
    let steps: [Step; 10] = [
        ("tools", tools::install),
        ("check", check),
        ("page", ui::check),
        ("unit", unit),
        ("fuzz targets", fuzz_check),
        ("benches", bench_smoke),
        ("instructions", instructions::check),
        ("e2e", || e2e(None)),
        ("page flows", || page_flows(&[])),
        ("deploy", deploy::check),
    ];
    let (mut passed, mut failed, mut took) = (0, Vec::new(), Vec::new());
    for (name, step) in steps {
        say(&format!("== {name}"));
        let began = Instant::now();
        let result = step();
        took.push(format!("{name} {}", began.elapsed().as_secs()));
        match result {
            Ok(()) => passed += 1,
            Err(error) => {
                say(&format!("{name} failed: {error:#}"));
                failed.push((name, error));
            }
        }
    }
    for (name, error) in &failed {
        say(&format!("== what failed in {name}\n{error:#}"));
    }
    say(&format!("seconds: {}", took.join(", ")));
    say(&format!(
        "{passed} passed, {} failed (of the steps tools, check, page, unit, fuzz targets, benches, \
         instructions, e2e, page flows, deploy)",
        failed.len()
    ));
    let names: Vec<&str> = failed.iter().map(|(name, _)| *name).collect();
    ensure!(names.is_empty(), "failed: {}", names.join(", "));
    Ok(())
}

/// Unit, contract and property tests.
pub(crate) fn unit() -> Result<()> {
    run_tests(&mut tests(&[]))
}

/// Returns tests to run: these targets, or all but the black-box tests. The whole workspace is
/// chosen each time, so that no dependency is compiled again with other features.
fn tests(targets: &[String]) -> Command {
    let mut tests = cargo(&["test", "--no-fail-fast", "--workspace", "--all-features"]);
    for target in targets {
        tests.arg("--test").arg(target);
    }
    tests
}

/// Returns the targets of black-box tests, but for those that run when they are named.
fn black_box() -> Result<Vec<String>> {
    const NAMED: &str = "eureka_java.rs";
    let mut targets = vec!["oracle".to_owned()];
    for entry in std::fs::read_dir(root().join("e2e/tests"))? {
        let name = entry?.file_name();
        let name = name.to_str().context("a file's name")?;
        if let (Some(target), true) = (name.strip_suffix(".rs"), name != NAMED) {
            targets.push(target.to_owned());
        }
    }
    targets.sort();
    Ok(targets)
}

/// Black-box tests over the release binary.
pub(crate) fn e2e(filter: Option<&str>) -> Result<()> {
    build_server()?;
    let mut tests = tests(&black_box()?);
    tests.args(["--", "--test-threads", "2"]).args(filter);
    run_tests(&mut tests)
}

/// The crash test alone, with more kills.
pub(crate) fn crash(count: &str) -> Result<()> {
    build_server()?;
    let mut test = tests(&["crash".to_owned()]);
    test.args(["--", "--nocapture"]);
    run(test.env("E2E_CRASHES", count))
}

/// The test that kills a database under load, alone and with more kills.
pub(crate) fn kills(count: &str) -> Result<()> {
    let mut test = cargo(&["test", "--package", "speargun-mysql", "--test", "mysql"]);
    test.args(["--", "--nocapture", "kills::"]);
    run(test.env("E2E_KILLS", count))
}

/// The test that kills `ClickHouse`, alone, with more kills.
pub(crate) fn clickhouse(kills: &str) -> Result<()> {
    let package = "speargun-clickhouse";
    let mut test = cargo(&["test", "--package", package, "--test", "kill"]);
    test.args(["--", "--nocapture"]);
    run(test.env("CLICKHOUSE_KILLS", kills))
}

/// A registry of Spring Cloud and ours as peers.
pub(crate) fn eureka() -> Result<()> {
    tools::eureka()?;
    build_server()?;
    run(&mut tests(&["eureka_java".to_owned()]))
}

/// Applications of Spring against our servers, one train at a time: each is several processes of
/// Java.
pub(crate) fn spring(words: &[&str]) -> Result<()> {
    tools::spring(words)?;
    build_server()?;
    let example = ["build", "--package", "speargun-client", "--example"];
    run(cargo(&example).arg("service_2"))?;
    let mut tests = tests(&["spring".to_owned()]);
    tests
        .args(["--", "--nocapture", "--test-threads", "1"])
        .args(words);
    run(tests.env("E2E_COMMIT", commit()?))
}

/// The page in a browser, over the release binary.
pub(crate) fn page_flows(words: &[&str]) -> Result<()> {
    build_server()?;
    ui::flows(words)
}

/// The pictures of the documentation, of the release binary.
pub(crate) fn page_pictures() -> Result<()> {
    build_server()?;
    ui::pictures()
}

/// The page's budgets, measured over the release binary.
pub(crate) fn page_bench(words: &[&str]) -> Result<()> {
    build_server()?;
    ui::bench(words)
}

/// Builds the binary as it is released: on Linux static, so that an image needs nothing beside it.
/// The dependencies are those of `cargo build --release`.
pub(crate) fn build_server() -> Result<()> {
    let package = ["--package", "speargun", "--bin", "speargun"];
    let mut build = cargo(&["rustc", "--release"]);
    build.args(package);
    if cfg!(target_os = "linux") {
        build.args(["--", "-C", "target-feature=+crt-static"]);
    }
    run(&mut build)
}

const BENCHES: [&str; 12] = [
    "decode", "ingest", "latency", "scale", "replay", "mixed", "skew", "read", "harness", "client",
    "registry", "demo",
];
/// What the limits of the core are measured by, and no more than 25 minutes of a quiet machine.
const CORE: &[&str] = &[
    "decode", "ingest", "latency", "scale", "replay", "mixed", "skew",
];
/// Need Java, a database and what Maven fetches, so they run only when they are named.
const NAMED: [&str; 3] = ["peers", "mysql", "kafka"];

/// What the configuration server costs; it builds neither the backend nor a client of it.
fn config_bench(words: &[&str]) -> Result<()> {
    let example = [
        "run",
        "--release",
        "--package",
        "speargun-config-server",
        "--example",
    ];
    let mut bench = cargo(&example);
    bench.args(["config_bench", "--"]).args(words);
    run(&mut bench)
}

/// Benchmarks; each prints a table and writes it under benches/results.
pub(crate) fn bench(words: &[&str]) -> Result<()> {
    if let ["config", rest @ ..] = words {
        return config_bench(rest);
    }
    let (names, rest): (&[&str], &[&str]) = match words {
        [] => (&BENCHES, &[]),
        ["core", rest @ ..] => (CORE, rest),
        [name, rest @ ..] => (std::slice::from_ref(name), rest),
    };
    for name in names {
        let known = BENCHES.contains(name) || NAMED.contains(name);
        ensure!(known, "no benchmark {name}: {BENCHES:?}, {NAMED:?}");
    }
    if names.iter().any(|name| NAMED.contains(name)) {
        tools::peers()?;
    }
    if names.contains(&"kafka") {
        tools::kafka()?;
    }
    build_server()?;
    build_benches("bench")?;
    for name in names {
        let mut bench = command(root().join("target/release/bench"), &[name]);
        // The server's data lie on a disk, also where the system's folder for such is memory.
        let data = root().join("target/bench-data");
        std::fs::create_dir_all(&data)?;
        run(bench
            .args(rest)
            .env("BENCH_COMMIT", commit()?)
            .env("TMPDIR", data))?;
    }
    Ok(())
}

/// Builds a binary of the benchmarks. All of the workspace is chosen, so that dependencies have the
/// features that the server's have, and are not compiled a second time; but not the server, whose
/// static binary would be replaced.
pub(crate) fn build_benches(binary: &str) -> Result<()> {
    let chosen = ["build", "--release", "--workspace", "--exclude", "speargun"];
    run(cargo(&chosen).args(["--bin", binary]))
}

/// The benchmarks with input so small that they only show that they work.
fn bench_smoke() -> Result<()> {
    build_server()?;
    build_benches("bench")?;
    for name in BENCHES {
        let binary = root().join("target/release/bench");
        run(&mut command(binary, &[name, "--tiny"]))?;
    }
    Ok(())
}

/// Returns the commit, with a mark when the tree differs from it.
fn commit() -> Result<String> {
    let text = output(&mut command(
        "git",
        &["describe", "--always", "--dirty", "--abbrev=10"],
    ))?;
    Ok(text.trim().to_owned())
}

/// Fuzzes a target, wherever in the tree it lies.
pub(crate) fn fuzz(target: &str, seconds: &str) -> Result<()> {
    let seconds: u32 = seconds.parse().context("how many seconds")?;
    let folder = rules::fuzz_folder(&root(), target)?;
    let Some(folder) = folder else {
        bail!("no fuzz target {target}");
    };
    tools::cargo_fuzz()?;
    let mut fuzz: Command = cargo(&["fuzz", "run", "--fuzz-dir"]);
    fuzz.arg(folder)
        .arg(target)
        .args(["--", &format!("-max_total_time={seconds}")])
        // The sanitizer flags are unstable; this lets the pinned stable toolchain take them.
        .env("RUSTC_BOOTSTRAP", "1");
    run(&mut fuzz)
}

/// Compiles all fuzz targets, which are workspaces of their own, without running them.
fn fuzz_check() -> Result<()> {
    for folder in rules::fuzz_folders(&root())? {
        let manifest = folder.join("Cargo.toml");
        let mut check = cargo(&["check", "--manifest-path"]);
        let target = root().join("target").join("fuzz-check");
        run(check.arg(manifest).env("CARGO_TARGET_DIR", target))?;
    }
    Ok(())
}

/// Uses the hooks of this repository.
pub(crate) fn setup() -> Result<()> {
    run(&mut command(
        "git",
        &["config", "core.hooksPath", ".githooks"],
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_black_box_test_runs_beside_the_unit_tests() {
        let manifest = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
        let targets = manifest("e2e/Cargo.toml") + &manifest("e2e/oracle/Cargo.toml");
        for target in black_box().unwrap() {
            let (_, told) = targets
                .split_once(&format!("name = \"{target}\"\n"))
                .unwrap();
            assert_eq!(told.lines().nth(1), Some("test = false"), "{target}");
        }
    }
}

//! `speargun demo` as a newcomer sees it: it comes up, shows a trace, says what to try, and leaves
//! nothing behind; and its scenes, which are checked by the demo itself.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step fails the test and says which"
)]

use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Signal, kill_process};
use speargun_e2e::demo::{Demo, is_there, wait_until_gone};
use speargun_e2e::server::run_to_end;

/// A stack at a time: each has a dozen processes.
static ONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    // A test that failed leaves nothing that the next one could stumble over.
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn plays(scene: &str) {
    let _alone = alone();
    let mut demo = Demo::start(&["--scenario", scene]).unwrap();
    let status = demo.wait().unwrap();
    let printed = demo.printed();
    assert!(status.success(), "{printed}");
    assert!(printed.contains("first trace visible after "), "{printed}");
    assert!(printed.contains("  ok  "), "{printed}");
    assert!(printed.ends_with(&format!("passed {scene}")), "{printed}");
    wait_until_gone(&demo.processes()).unwrap();
}

#[test]
fn calls_alternate_over_two_instances() {
    plays("balance");
}

#[test]
fn a_killed_instance_fails_no_call_but_those_without_retries() {
    plays("kill");
}

#[test]
fn a_circuit_opens_half_opens_and_closes() {
    plays("breaker");
}

#[test]
fn nobody_notices_that_a_registry_is_killed() {
    plays("registry");
}

#[test]
fn commits_change_running_processes() {
    plays("config");
}

#[test]
fn one_percent_of_traces_is_kept_whole() {
    plays("sampling");
}

#[test]
fn ctrl_c_leaves_no_process_and_no_file() {
    let _alone = alone();
    let mut demo = Demo::start(&[]).unwrap();
    demo.read_until("first trace visible after ").unwrap();
    demo.read_until("Ctrl-C ends it all").unwrap();
    let printed = demo.printed();
    for hint in ["kill -9 ", "price.properties", "application.properties"] {
        assert!(printed.contains(hint), "{printed}");
    }
    let processes = demo.processes();
    assert_eq!(processes.len(), 18, "{printed}");
    assert_eq!(demo.children().unwrap().len(), 18, "{printed}");
    let config_server = processes[2].as_raw_nonzero();
    let its_own = format!("speargun-config-{config_server}-");
    let own = std::fs::read_dir(demo.folder()).unwrap().next().unwrap();
    let mut temporary = std::fs::read_dir(own.unwrap().path().join("tmp")).unwrap();
    let is_its_own = |entry: std::io::Result<std::fs::DirEntry>| {
        let name = entry.unwrap().file_name();
        name.to_string_lossy().starts_with(&its_own)
    };
    assert!(temporary.any(is_its_own));
    // The first hint, as it stands there.
    let hint = printed
        .lines()
        .find(|line| line.contains("kill -9 "))
        .unwrap();
    let victim = hint.rsplit(' ').next().unwrap().parse().unwrap();
    let victim = rustix::process::Pid::from_raw(victim).unwrap();
    kill_process(victim, Signal::KILL).unwrap();
    demo.read_until("service-1 ended").unwrap();
    demo.signal(Signal::INT).unwrap();
    assert!(demo.wait().unwrap().success(), "{}", demo.printed());
    wait_until_gone(&processes).unwrap();
    let left: Vec<_> = std::fs::read_dir(demo.folder()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_demo_without_visits_has_a_trace_to_show() {
    let _alone = alone();
    let mut demo = Demo::start(&["--rate", "0"]).unwrap();
    demo.read_until("first trace visible after ").unwrap();
    demo.signal(Signal::INT).unwrap();
    assert!(demo.wait().unwrap().success(), "{}", demo.printed());
    wait_until_gone(&demo.processes()).unwrap();
}

#[test]
fn a_second_ctrl_c_kills_what_does_not_end() {
    let _alone = alone();
    let mut demo = Demo::start(&["--rate", "0"]).unwrap();
    demo.read_until("Ctrl-C ends it all").unwrap();
    let processes = demo.children().unwrap();
    let traffic = *demo.processes().last().unwrap();
    // It can't hear that it should end, and all others wait for it.
    kill_process(traffic, Signal::STOP).unwrap();
    demo.signal(Signal::INT).unwrap();
    demo.read_until("  ending").unwrap();
    demo.signal(Signal::INT).unwrap();
    assert!(demo.wait().unwrap().success(), "{}", demo.printed());
    let left: Vec<_> = processes.iter().filter(|pid| is_there(**pid)).collect();
    assert!(left.is_empty(), "{left:?} of {processes:?}");
    let left: Vec<_> = std::fs::read_dir(demo.folder()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn processes_end_with_a_demo_that_is_killed() {
    let _alone = alone();
    let mut demo = Demo::start(&["--scenario", "balance"]).unwrap();
    demo.read_until("service-2 ").unwrap();
    // More are starting than it has told of.
    let processes = demo.children().unwrap();
    assert!(processes.len() >= demo.processes().len(), "{processes:?}");
    assert!(processes.len() > 4, "{}", demo.printed());
    demo.signal(Signal::KILL).unwrap();
    wait_until_gone(&processes).unwrap();
}

#[test]
fn a_demo_ends_without_its_backend() {
    let _alone = alone();
    let mut demo = Demo::start(&["--rate", "1"]).unwrap();
    demo.read_until("Ctrl-C ends it all").unwrap();
    let printed = demo.printed();
    let backend = demo.processes()[3];
    assert!(printed.contains(&format!(
        "backend        up, pid {}",
        backend.as_raw_nonzero()
    )));
    kill_process(backend, Signal::KILL).unwrap();
    demo.read_until("backend ended").unwrap();
    assert!(!demo.wait().unwrap().success());
    wait_until_gone(&demo.processes()).unwrap();
}

#[test]
fn what_can_not_be_is_refused() {
    let (status, printed) = run_to_end(&["demo", "--rate", "1001"], &[]).unwrap();
    assert!(!status.success());
    assert!(printed.contains("--rate is 1001"), "{printed}");
    let both = ["demo", "--rate", "1", "--scenario", "kill"];
    let (status, printed) = run_to_end(&both, &[]).unwrap();
    assert!(!status.success());
    assert!(printed.contains("cannot be used with"), "{printed}");
    let (status, printed) = run_to_end(&["demo-service", "nobody"], &[]).unwrap();
    assert!(!status.success());
    assert!(printed.contains("there is no service nobody"), "{printed}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine"), "").unwrap();
    let data = folder.path().display().to_string();
    let (status, printed) = run_to_end(&["demo", "--data", &data], &[]).unwrap();
    assert!(!status.success());
    assert!(printed.contains("--data: "), "{printed}");
}

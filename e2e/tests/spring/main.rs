//! Applications of Spring of three release trains against our registry, configuration server and
//! backend. It takes Java and some minutes, so `cargo xtask e2e spring` runs it, one train
//! at a time; what came of it is written into `e2e/spring/results`.

mod calls;
mod configuration;
mod differential;
mod peers;
mod registration;
mod stack;
mod zipkin;

use anyhow::Result;
use speargun_e2e::spring::train::{HOXTON, TRAIN_2021, TRAIN_2025};
use speargun_e2e::spring::{Report, Train};

use stack::Stack;

#[test]
fn applications_of_hoxton_live_with_our_servers() -> Result<()> {
    live(HOXTON)
}

#[test]
fn applications_of_2021_live_with_our_servers() -> Result<()> {
    live(TRAIN_2021)
}

#[test]
fn applications_of_2025_live_with_our_servers() -> Result<()> {
    live(TRAIN_2025)
}

#[test]
fn zipkins_own_server_registers_and_renews() -> Result<()> {
    zipkin::registers()
}

/// Runs all groups of assertions; the first start what the later ones need.
fn live(train: Train) -> Result<()> {
    let mut report = Report::new(train);
    let mut stack = Stack::start(train)?;
    let it = &mut stack;
    report.group("1 configuration at the start", || configuration::starts(it));
    report.group("2 registration", || registration::is_mutual(it));
    report.group("3 killed", || registration::loses_the_killed(it));
    report.group("5 out of service", || {
        registration::takes_out_of_service(it)
    });
    report.group("3 ended", || registration::says_goodbye(it));
    report.group("4 an empty registry", || {
        registration::survives_a_restart(it)
    });
    report.group("6 one trace", || calls::are_one_trace(it));
    report.group("7 failures and the circuit", || calls::open_the_circuit(it));
    report.group("10 refresh", || configuration::refreshes(it));
    report.group("mixed with Rust", || calls::cross_languages(it));
    report.group("9 the same as Spring's configuration server", || {
        differential::of_config_servers(it)
    });
    drop(stack);
    report.group("9 the same as Spring's registry", || {
        differential::of_registries(&train)
    });
    report.group("8 peers", || peers::agree(&train));
    report.finish()
}

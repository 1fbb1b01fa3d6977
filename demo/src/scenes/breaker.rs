//! service-1 fails: the circuit in service-2 opens, and service-1 is left in peace. It is well
//! again: the circuit lets a few calls try, and closes.

use anyhow::{Context, Result, ensure};

use super::{WITHIN, greeter, hi, seen, set_error_rate};
use crate::ask;
use crate::process::until;
use crate::stack::Stack;

/// Calls that the circuit looks back at.
const WINDOW: usize = 20;
/// Calls that may try when it is half open.
const TRIALS: u64 = 3;

pub(super) async fn play(stack: &mut Stack) -> Result<()> {
    for _ in 0..WINDOW {
        greeter(&hi(stack).await?)?;
    }
    ensure!(state(stack).await? == "closed", "the circuit is not closed");
    seen(
        stack,
        &format!("{WINDOW} calls are answered, the circuit is closed"),
    );

    set_error_rate(stack, 1.0).await?;
    seen(stack, "service-1 fails from now on");
    let mut calls = 0;
    while state(stack).await? == "closed" {
        ensure!(
            calls < 2 * WINDOW,
            "{calls} failed calls do not open the circuit"
        );
        calls += 1;
        let answer = hi(stack).await?;
        ensure!(answer.starts_with("sorry, bob"), "no fallback: {answer}");
    }
    ensure!(state(stack).await? == "open", "the circuit is not open");
    seen(
        stack,
        &format!("{calls} fallbacks later the circuit is open"),
    );

    let before = served(stack).await?;
    for _ in 0..5 {
        let answer = hi(stack).await?;
        ensure!(answer.starts_with("sorry, bob"), "no fallback: {answer}");
    }
    // On a slow machine the circuit may have let calls try meanwhile.
    let after = served(stack).await?;
    ensure!(
        after - before <= TRIALS,
        "{} calls got through",
        after - before
    );
    seen(
        stack,
        "service-1 is left in peace, callers get the fallback",
    );

    set_error_rate(stack, 0.0).await?;
    seen(stack, "service-1 is well again");
    let first = until("the circuit is not open any more", WITHIN, || async {
        let _answered = hi(stack).await?;
        let state = state(stack).await?;
        Ok((state != "open").then_some(state))
    })
    .await?;
    ensure!(first == "half_open", "after open the circuit is {first}");
    seen(stack, "the circuit is half open: some calls may try");
    for _ in 1..TRIALS {
        greeter(&hi(stack).await?)?;
    }
    ensure!(
        state(stack).await? == "closed",
        "{TRIALS} good trials do not close the circuit"
    );
    for _ in 0..WINDOW {
        greeter(&hi(stack).await?)?;
    }
    seen(
        stack,
        &format!("{TRIALS} good calls later it is closed, and calls are answered"),
    );
    Ok(())
}

/// Returns the state of the circuit in service-2.
async fn state(stack: &Stack) -> Result<String> {
    let answer = ask::get(stack.port("service-2")?, "/actuator/prometheus").await?;
    let text = answer.text();
    let mut lines = text.lines();
    let state = lines.find_map(|line| {
        let labels = line.strip_prefix("resilience4j_circuitbreaker_state{")?;
        let (_, state) = labels.strip_suffix("} 1")?.split_once("state=\"")?;
        state.split('"').next()
    });
    Ok(state.context("service-2 tells of no circuit")?.to_owned())
}

/// Returns how many greetings both instances were asked for.
async fn served(stack: &Stack) -> Result<u64> {
    let mut sum = 0;
    for name in ["service-1", "service-1.2"] {
        let answer = ask::get(stack.port(name)?, "/actuator/prometheus").await?;
        let text = answer.text();
        let counts = text.lines().filter(|line| {
            line.starts_with("http_server_requests_seconds_count") && line.contains("/a/{name}")
        });
        for line in counts {
            let value = line.rsplit_once(' ').context("no value")?.1;
            sum += value.parse::<u64>()?;
        }
    }
    Ok(sum)
}

//! service-1 fails: the circuit in service-2 opens, and service-1 is left in peace. It is well
//! again: the circuit lets a few calls try, and closes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{WITHIN, greeter, hi, seen, set_error_rate};
use crate::ask;
use crate::process::until;
use crate::stack::Stack;

/// Calls that the circuit looks back at.
const WINDOW: usize = 20;
/// Calls that may try when it is half open.
const TRIALS: u64 = 3;
/// How long it is open before.
const OPEN_FOR: Duration = Duration::from_secs(3);
/// Calls that are made while it is.
const REFUSED: u64 = 5;

pub(super) async fn play(stack: &mut Stack) -> Result<()> {
    good_calls(stack).await?;
    ensure!(state(stack).await? == "closed", "the circuit is not closed");
    seen(
        stack,
        &format!("{WINDOW} calls are answered, the circuit is closed"),
    );
    set_error_rate(stack, 1.0).await?;
    seen(stack, "service-1 fails from now on");
    let closed_at = opens(stack).await?;
    leaves_in_peace(stack, closed_at).await?;
    set_error_rate(stack, 0.0).await?;
    seen(stack, "service-1 is well again");
    closes(stack).await
}

async fn good_calls(stack: &Stack) -> Result<()> {
    for _ in 0..WINDOW {
        greeter(&hi(stack).await?)?;
    }
    Ok(())
}

async fn fallback(stack: &Stack) -> Result<()> {
    let answer = hi(stack).await?;
    ensure!(answer.starts_with("sorry, bob"), "no fallback: {answer}");
    Ok(())
}

/// Calls until the circuit is open, and returns a moment at which it was not yet.
async fn opens(stack: &Stack) -> Result<Instant> {
    let mut calls = 0;
    let mut before = Instant::now();
    while state(stack).await? == "closed" {
        ensure!(
            calls < 2 * WINDOW,
            "{calls} failed calls do not open the circuit"
        );
        calls += 1;
        before = Instant::now();
        fallback(stack).await?;
    }
    ensure!(state(stack).await? == "open", "the circuit is not open");
    seen(
        stack,
        &format!("{calls} fallbacks later the circuit is open"),
    );
    Ok(before)
}

/// Calls that are refused do not reach service-1, and all are refused as long as it is open.
async fn leaves_in_peace(stack: &Stack, closed_at: Instant) -> Result<()> {
    let before = (served(stack).await?, refused(stack).await?);
    for _ in 0..REFUSED {
        fallback(stack).await?;
    }
    let is_open = closed_at.elapsed() < OPEN_FOR;
    let served = served(stack).await? - before.0;
    let refused = refused(stack).await? - before.1;
    ensure!(
        served + refused == REFUSED,
        "of {REFUSED} calls {refused} were refused and {served} got through"
    );
    // On a slow machine the circuit may have let calls try meanwhile.
    let most = if is_open { 0 } else { TRIALS };
    ensure!(served <= most, "{served} calls got through");
    seen(
        stack,
        "service-1 is left in peace, callers get the fallback",
    );
    Ok(())
}

async fn closes(stack: &Stack) -> Result<()> {
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
    good_calls(stack).await?;
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

/// Returns how many calls the circuit in service-2 has refused.
async fn refused(stack: &Stack) -> Result<u64> {
    let name = "resilience4j_circuitbreaker_not_permitted_calls_total{";
    sum(stack.port("service-2")?, |line| line.starts_with(name)).await
}

/// Returns how many greetings both instances were asked for.
async fn served(stack: &Stack) -> Result<u64> {
    let is_greeting = |line: &str| {
        line.starts_with("http_server_requests_seconds_count") && line.contains("/a/{name}")
    };
    let first = sum(stack.port("service-1")?, is_greeting).await?;
    Ok(first + sum(stack.port("service-1.2")?, is_greeting).await?)
}

/// Returns the sum of some of a service's metrics.
async fn sum(port: u16, is_meant: impl Fn(&str) -> bool) -> Result<u64> {
    let text = ask::get(port, "/actuator/prometheus").await?.text();
    let mut sum = 0;
    for line in text.lines().filter(|line| is_meant(line)) {
        let value = line.rsplit_once(' ').context("no value")?.1;
        sum += value.parse::<u64>()?;
    }
    Ok(sum)
}

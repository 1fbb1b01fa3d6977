//! One percent of all traces is kept, as in production: of thousands of visits to the shop about a
//! hundredth is found, each with all its spans; of the others there is nothing.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::task::JoinSet;

use super::{WITHIN, seen, wait_for_setting};
use crate::process::until;
use crate::shop::{self, Step};
use crate::stack::{Stack, metric};
use crate::{ask, files};

/// What a visitor does; nothing of it is left to chance.
const PATH: &str = "/browse/{book}";
const VISITS: u32 = 3000;
/// Visits at a time.
const AT_ONCE: usize = 24;
/// Of 3000 traces at one percent 30 are expected. That there are fewer or more than these by chance
/// happens once in ten million times (Poisson).
const KEPT: std::ops::RangeInclusive<usize> = 7..=65;
const SPANS: &str = "zipkin_reporter_spans_total";
const SERVICES: [&str; 4] = ["storefront", "catalog", "price", "stock"];

pub(super) async fn play(stack: &mut Stack) -> Result<()> {
    let spans = spans_of("storefront", PATH).context("no such visit in the table")?;
    let begun = now_ms()?;
    visits(stack, 1).await?;
    until("a visit is a whole trace", WITHIN, || async {
        let found = traces(stack, begun).await?;
        Ok(found
            .iter()
            .any(|trace| is_whole(trace, spans))
            .then_some(()))
    })
    .await?;
    seen(
        stack,
        &format!(
            "a visit is a trace of {spans} spans of {} services",
            SERVICES.len()
        ),
    );

    let files = [(files::EVERYBODY, files::sampling(0.01))];
    stack.repository.commit("one percent", &files)?;
    for name in SERVICES {
        wait_for_setting(stack, name, ("sampling", "0.01")).await?;
    }
    seen(stack, "all services keep one percent from now on");
    let (begun, before) = (now_ms()?, made(stack).await?);
    visits(stack, VISITS).await?;
    let what = "all spans of kept traces arrived, and no others were made";
    let kept = until(what, WITHIN, || async {
        if !all_are_sent(stack).await? {
            return Ok(None);
        }
        let made = made(stack).await? - before;
        let found = traces(stack, begun).await?;
        let are_whole = found.iter().all(|trace| is_whole(trace, spans));
        let are_all = made == (found.len() * spans) as u64;
        Ok((are_whole && are_all && !found.is_empty()).then_some(found.len()))
    })
    .await?;
    ensure!(KEPT.contains(&kept), "of {VISITS} traces {kept} were kept");
    let what = format!("of {VISITS} visits {kept} traces were kept, each whole, and no more spans");
    seen(stack, &what);
    Ok(())
}

/// Visits the shop so often, and returns when all are answered.
async fn visits(stack: &Stack, visits: u32) -> Result<()> {
    let port = stack.port("storefront")?;
    let mut going_on = JoinSet::new();
    for book in 0..visits {
        if going_on.len() == AT_ONCE {
            let done: Result<()> = going_on.join_next().await.context("a visit")??;
            done?;
        }
        going_on.spawn(async move {
            let answer = ask::get(port, &PATH.replace("{book}", &book.to_string())).await?;
            let well = answer.status.is_success();
            ensure!(
                well,
                "the storefront answered {}: {}",
                answer.status,
                answer.text()
            );
            Ok(())
        });
    }
    while let Some(done) = going_on.join_next().await {
        done??;
    }
    Ok(())
}

/// Returns how many spans were made so far.
async fn made(stack: &Stack) -> Result<u64> {
    let mut sum = 0;
    for process in stack.services_up() {
        sum += metric(process.port, SPANS).await?;
    }
    Ok(sum)
}

/// Returns whether the backend took all spans that were made.
async fn all_are_sent(stack: &Stack) -> Result<bool> {
    for process in stack.services_up() {
        let made = metric(process.port, SPANS).await?;
        let sent = metric(process.port, "zipkin_reporter_spans_sent_total").await?;
        if made > sent {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns all traces since then, those of which any span has arrived, whoever reported it.
async fn traces(stack: &Stack, since_ms: u64) -> Result<Vec<Value>> {
    let end = now_ms()? + 1000;
    let target = format!(
        "/api/v2/traces?limit=5000&endTs={end}&lookback={}",
        end - since_ms
    );
    let answer = ask::get(stack.port("backend")?, &target).await?.json()?;
    Ok(answer.as_array().context("no list of traces")?.clone())
}

/// Returns how many spans a request to this operation makes, those of all that it causes included;
/// `None` when the table has no such operation.
fn spans_of(service: &str, path: &str) -> Option<usize> {
    let operations = shop::find(service)?.operations;
    let operation = operations.iter().find(|it| it.path == path)?;
    // Its own, the server's.
    Some(1 + spans_of_steps(operation.steps)?)
}

fn spans_of_steps(steps: &[Step]) -> Option<usize> {
    let spans = steps.iter().map(|step| match step {
        Step::Work { .. } => Some(0),
        Step::Ask(_) => Some(1),
        Step::Call(call) => Some(1 + spans_of(call.service, call.path)?),
        Step::Together(steps) => spans_of_steps(steps),
        // The sender's, and the receiver's.
        Step::Send { to } => Some(2 + spans_of_steps(shop::find(to)?.messages?)?),
    });
    spans.sum()
}

/// Returns whether a trace has so many spans, and some of each service.
fn is_whole(trace: &Value, spans: usize) -> bool {
    let all: Vec<&Value> = trace.as_array().into_iter().flatten().collect();
    let has = |name: &&str| {
        all.iter()
            .any(|span| span["localEndpoint"]["serviceName"] == **name)
    };
    all.len() == spans && SERVICES.iter().all(has)
}

fn now_ms() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_counted_through_calls_and_queues() {
        assert_eq!(spans_of("price", "/prices/{book}"), Some(2));
        assert_eq!(spans_of("storefront", PATH), Some(12));
        assert_eq!(spans_of("storefront", "/buy/{book}"), Some(27));
        assert_eq!(spans_of("storefront", "/none"), None);
    }
}

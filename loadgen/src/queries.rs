//! Queries beside the spans: the nine read endpoints in a mix such as a page and its users make, on
//! a schedule of their own. Answers are counted and not looked into.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::line::Http;
use crate::record::Latencies;
use crate::run::Load;
use crate::schedule::Schedule;
use crate::workload::Random;

/// Threads that ask, a connection each.
const ASKING: u64 = 4;

/// Traces that are asked for are of so many bodies back.
const LATELY: u64 = 10_000;
/// So often an accepted body is looked for among them.
const DRAWS_MAX: u32 = 16;

/// An endpoint and how often it is asked.
type Endpoint = (&'static str, u64, fn(&Load, &mut Random) -> String);

/// The place of the endpoint that may say that it has nothing yet.
const TRACE: usize = 0;
const MIX: [Endpoint; 10] = [
    ("trace", 30, |load, random| {
        format!("/api/v2/trace/{}", trace_id(load, random))
    }),
    ("traces by service", 20, |load, random| {
        let service = service(load, random);
        format!("/api/v2/traces?serviceName={service}&limit=10")
    }),
    ("traces by tag", 10, |load, random| {
        let service = service(load, random);
        format!("/api/v2/traces?serviceName={service}&annotationQuery=error&limit=10")
    }),
    ("traceMany", 5, |load, random| {
        let ids = [trace_id(load, random), trace_id(load, random)];
        format!("/api/v2/traceMany?traceIds={}", ids.join(","))
    }),
    ("services", 10, |_, _| "/api/v2/services".into()),
    ("spans", 8, |load, random| {
        format!("/api/v2/spans?serviceName={}", service(load, random))
    }),
    ("remoteServices", 5, |load, random| {
        let service = service(load, random);
        format!("/api/v2/remoteServices?serviceName={service}")
    }),
    ("dependencies", 4, |_, _| {
        let now_ms = crate::pool::now_us() / 1000;
        format!("/api/v2/dependencies?endTs={now_ms}&lookback=3600000")
    }),
    ("autocompleteKeys", 4, |_, _| {
        "/api/v2/autocompleteKeys".into()
    }),
    ("autocompleteValues", 4, |_, _| {
        "/api/v2/autocompleteValues?key=http.method".into()
    }),
];

/// What an endpoint answered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Answered {
    /// The endpoint.
    pub name: String,
    /// Answers 200, and 404 for a trace that is not there yet.
    pub answered: u64,
    /// Other answers, and none.
    pub failed: u64,
    /// The median latency, microseconds.
    pub p50_us: u64,
    /// The latency of one in a hundred.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

/// Counts of all endpoints.
#[derive(Clone, Debug)]
pub struct Counts(Vec<Count>);

#[derive(Clone, Debug)]
struct Count {
    answered: u64,
    failed: u64,
    latencies: Latencies,
}

impl Counts {
    /// Returns counts of nothing.
    pub fn new() -> Result<Self> {
        let count = || {
            Ok(Count {
                answered: 0,
                failed: 0,
                latencies: Latencies::new()?,
            })
        };
        MIX.iter().map(|_| count()).collect::<Result<_>>().map(Self)
    }

    /// Adds others.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            own.answered += other.answered;
            own.failed += other.failed;
            own.latencies.merge(&other.latencies)?;
        }
        Ok(())
    }

    /// Counts queries that were due and never sent, which is no success of the server's: each
    /// endpoint has its share of them.
    fn give_up(&mut self, queries: u64, wait: Duration) {
        let total: u64 = MIX.iter().map(|(_, weight, _)| weight).sum();
        let (mut before, mut given) = (0, 0);
        for ((_, weight, _), count) in MIX.iter().zip(&mut self.0) {
            before += weight;
            let until = queries * before / total;
            count.failed += until - given;
            count.latencies.add_many(wait, until - given);
            given = until;
        }
    }

    /// Returns a row an endpoint; none when nothing was asked.
    pub fn rows(&self) -> Vec<Answered> {
        let asked = |count: &Count| count.answered + count.failed > 0;
        if !self.0.iter().any(asked) {
            return Vec::new();
        }
        let rows = MIX.iter().zip(&self.0);
        rows.map(|((name, _, _), count)| Answered {
            name: (*name).to_owned(),
            answered: count.answered,
            failed: count.failed,
            p50_us: count.latencies.at_us(50.0),
            p99_us: count.latencies.at_us(99.0),
            max_us: count.latencies.max_us(),
        })
        .collect()
    }
}

/// Asks so many queries a second for so long; 0 asks nothing.
pub fn ask(load: &Load, (rate, length): (f64, Duration)) -> Result<Counts> {
    let mut total = Counts::new()?;
    if rate <= 0.0 {
        return Ok(total);
    }
    let schedule = Schedule::steady(rate, length);
    let (next, start) = (AtomicU64::new(0), Instant::now());
    let all = thread::scope(|scope| {
        let askers: Vec<_> = (0..ASKING)
            .map(|number| {
                let next = &next;
                scope.spawn(move || {
                    let random = Random::new(0x9e37 ^ number);
                    ask_all(load, (schedule, start), next, random)
                })
            })
            .collect();
        let joined = askers.into_iter().map(|asker| {
            let panicked = |_| anyhow::anyhow!("a query thread panicked");
            asker.join().map_err(panicked)?
        });
        joined.collect::<Result<Vec<Counts>>>()
    })?;
    for counts in &all {
        total.merge(counts)?;
    }
    Ok(total)
}

fn ask_all(
    load: &Load,
    (schedule, start): (Schedule, Instant),
    next: &AtomicU64,
    mut random: Random,
) -> Result<Counts> {
    let mut counts = Counts::new()?;
    let mut http = Http::new(&load.target, load.patience);
    while let Some(due) = schedule.due(next.fetch_add(1, Ordering::Relaxed)) {
        let due = start + due;
        if start.elapsed() > schedule.length + load.patience {
            let taken = next.swap(schedule.count(), Ordering::Relaxed);
            let left = schedule.count().saturating_sub(taken);
            counts.give_up(left + 1, due.elapsed());
            break;
        }
        let index = draw(&mut random);
        let (_, _, path) = MIX[index];
        let path = path(load, &mut random);
        if !load.stop.sleep_until(due) {
            break;
        }
        let answered = http.get(&path).is_ok_and(|reply| match reply.status {
            200 => true,
            404 => index == TRACE,
            _ => false,
        });
        let Some(count) = counts.0.get_mut(index) else {
            continue;
        };
        count.latencies.add(due.elapsed());
        count.answered += u64::from(answered);
        count.failed += u64::from(!answered);
    }
    Ok(counts)
}

fn draw(random: &mut Random) -> usize {
    let total = MIX.iter().map(|(_, weight, _)| weight).sum();
    let mut at = random.below(total);
    for (index, (_, weight, _)) in MIX.iter().enumerate() {
        if at < *weight {
            return index;
        }
        at -= weight;
    }
    0
}

/// Returns the name of a service as it stands in a URL.
fn service(load: &Load, random: &mut Random) -> String {
    let services = load.pool.services();
    let name = services.get(random.index(services.len()));
    escaped(name.map_or("none", String::as_str))
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").unwrap_or(());
        }
    }
    out
}

/// Returns a trace that was accepted lately; before there is one, a trace of the pool.
fn trace_id(load: &Load, random: &mut Random) -> String {
    let (pool, sent) = (&load.pool, load.next.load(Ordering::Relaxed));
    let lately = sent.saturating_sub(LATELY);
    let mut drawn = (0..DRAWS_MAX).map(|_| lately + random.below(sent - lately));
    let number = drawn.find(|number| load.accepted.contains(*number));
    let number = number.unwrap_or(lately);
    let traces = pool.traces().of_body(number % pool.len());
    let index = traces.get(random.index(traces.len()));
    let id = index.and_then(|index| pool.traces().get(*index as usize));
    let id = id.map_or(1, |(id, _)| pool.round(number / pool.len()).trace_id(id));
    let digits = if id >> 64 == 0 { 16 } else { 32 };
    format!("{id:0digits$x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        assert_eq!(escaped("a-b c/\u{e9}"), "a-b%20c%2F%C3%A9");
    }

    #[test]
    fn every_endpoint_is_drawn_as_often_as_it_should() {
        let mut random = Random::new(1);
        let mut drawn = [0_u64; MIX.len()];
        for _ in 0..100_000 {
            drawn[draw(&mut random)] += 1;
        }
        let total: u64 = MIX.iter().map(|(_, weight, _)| weight).sum();
        for (count, (name, weight, _)) in drawn.into_iter().zip(MIX) {
            let expected = weight * 100_000 / total;
            assert!(count.abs_diff(expected) < expected / 5, "{name}: {count}");
        }
    }
}

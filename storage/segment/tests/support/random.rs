//! Random spans and requests for the segment engine: few ids and names, so that they meet, and
//! every oddity that a decoder lets pass. They extend those of the contract.

use std::sync::Arc;

use speargun_model::{Annotation, Span, SpanBatch};
use speargun_storage::contract::random::NAMES;
use speargun_storage::contract::{NOW_MS, NOW_US, Random, batch_of};
use speargun_storage::{TraceRequest, Window};

/// Which times spans have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Times {
    /// Most within some seconds, some within months.
    Near,
    /// From 1 to the greatest.
    Wild,
}

/// Returns a batch of random spans.
pub(crate) fn batch(random: &mut Random, times: Times) -> Arc<SpanBatch> {
    let mut spans = random.spans();
    for span in &mut spans {
        decorate(span, random, times);
    }
    if random.once_in(4) {
        spans.extend(spans.first().cloned());
    }
    Arc::new(batch_of(&spans))
}

fn decorate(span: &mut Span, random: &mut Random, times: Times) {
    if span.timestamp_us != 0 {
        span.timestamp_us = time(random, times);
    }
    if random.once_in(6) {
        span.trace_id.high = random.below(3) * (u64::MAX / 2);
    }
    match random.below(12) {
        0 => span.duration_us = i64::MAX as u64,
        1 => {
            let many = random.below(30);
            span.tags
                .extend((0..many).map(|n| (format!("key {}", n % 25), String::new())));
        }
        2 => {
            let key = NAMES[random.below(5) as usize].to_owned();
            span.tags.push((key.clone(), "first".into()));
            span.tags
                .push((key, NAMES[random.below(5) as usize].into()));
        }
        3 => {
            let many = random.below(40);
            span.annotations
                .extend((0..many).map(|_| annotation(random)));
        }
        4 => span
            .tags
            .push((format!("rare {}", random.below(1 << 20)), "\u{ffff}".into())),
        5 => {
            let long = "long ".repeat(random.below(200) as usize);
            span.tags.push((NAMES[0].into(), long));
        }
        6 => span.tags.push((String::new(), String::new())),
        7 => {
            if let Some(remote) = &mut span.remote_endpoint {
                remote.ipv6 = Some(std::net::Ipv6Addr::from(u128::from(random.below(3))));
                remote.port = random.below(65_536) as u16;
            }
        }
        _ => {}
    }
}

fn annotation(random: &mut Random) -> Annotation {
    let times = [0, -1, i64::MIN, i64::MAX, NOW_US.cast_signed()];
    Annotation {
        timestamp_us: times[random.below(5) as usize],
        value: NAMES[random.below(5) as usize].into(),
    }
}

fn time(random: &mut Random, times: Times) -> u64 {
    let near = NOW_US - 10_000 + random.below(20_000);
    match (times, random.below(6)) {
        (Times::Near, 0) => near + random.below(25_000_000),
        (Times::Near, 1) => near - random.below(25_000_000),
        (Times::Near, 2) => near + random.below(9_000_000_000_000),
        (Times::Near, 3) => near - random.below(9_000_000_000_000),
        (Times::Wild, 0) => 1 + random.below(3),
        (Times::Wild, 1) => i64::MAX as u64 - random.below(3),
        (Times::Wild, 2) => random.below(i64::MAX as u64) + 1,
        _ => near,
    }
}

/// Returns a window around spans of these times.
pub(crate) fn window(random: &mut Random, times: Times) -> Window {
    match times {
        Times::Wild if random.once_in(2) => Window {
            end_ms: i64::MAX as u64 / 1000,
            lookback_ms: i64::MAX as u64 / 1000,
        },
        _ => random.window(),
    }
}

/// Returns a request for traces with spans of these times.
pub(crate) fn request(random: &mut Random, times: Times) -> TraceRequest {
    TraceRequest {
        window: window(random, times),
        ..random.request()
    }
}

/// The time at which all begins, for clocks.
pub(crate) const START_MS: u64 = NOW_MS;

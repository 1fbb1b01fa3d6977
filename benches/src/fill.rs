//! Fills a server with more spans than this process could hold: made and sent chunk by chunk, the
//! next made while the last is sent. What is asked of them later is not its business.

use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use serde_json::Value;
use speargun_e2e::Server;

use crate::load;
use crate::way::Way;
use crate::workload::{Format, Span, Traffic, batches};

/// Spans made at a time.
const CHUNK: usize = 200_000;
/// Spans in a body.
const BATCH: usize = 500;
/// One trace of so many is remembered.
const EVERY: usize = 97;
/// How spans come in.
pub const PROTO: Way = Way::Zipkin(Format::Proto);

/// A trace that was written.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Its id.
    pub trace_id: u128,
    /// How many spans it has.
    pub spans: usize,
}

/// What a server is filled with: the reference workload, spread evenly over a window.
#[derive(Clone, Copy, Debug)]
pub struct Filling {
    /// The same seed makes the same spans.
    pub seed: u64,
    /// How many spans.
    pub spans: usize,
    /// When the window begins, microseconds since the epoch.
    pub begin_us: u64,
    /// How long it is.
    pub length_us: u64,
}

/// What filling did.
#[derive(Debug, Default)]
pub struct Filled {
    /// Some of the traces, in the order of their time, chunk by chunk.
    pub known: Vec<Known>,
    /// While requests were under way, without the making of the first chunk.
    pub sending: Duration,
}

/// Sends all spans, each acknowledged; `look` sees every span before it is sent.
pub fn fill(port: u16, filling: Filling, look: &mut (dyn FnMut(&Span) + Send)) -> Result<Filled> {
    let mut filled = Filled::default();
    let (to_send, made) = sync_channel::<(Vec<Bytes>, Vec<Known>)>(1);
    thread::scope(|scope| {
        scope.spawn(move || {
            for chunk in chunks(filling) {
                chunk.iter().for_each(&mut *look);
                // Sending failed and says why itself.
                if to_send.send(prepare(chunk)).is_err() {
                    break;
                }
            }
        });
        for (requests, known) in made {
            filled.known.extend(known);
            filled.sending += load::send(PROTO, port, &requests)?.wall;
        }
        anyhow::Ok(())
    })?;
    Ok(filled)
}

fn chunks(filling: Filling) -> impl Iterator<Item = Vec<Span>> {
    let count = filling.spans.div_ceil(CHUNK);
    let length_us = filling.length_us / count.max(1) as u64;
    let mut traffic = Traffic::new(filling.seed);
    (0..count).map(move |number| {
        let spans = CHUNK.min(filling.spans - number * CHUNK);
        let begin_us = filling.begin_us + number as u64 * length_us;
        traffic.spans(spans, begin_us, length_us)
    })
}

fn prepare(chunk: Vec<Span>) -> (Vec<Bytes>, Vec<Known>) {
    let traces = chunk.chunk_by(|a, b| a.trace_id == b.trace_id);
    let known = traces.step_by(EVERY).map(|trace| Known {
        trace_id: trace[0].trace_id,
        spans: trace.len(),
    });
    let known = known.collect();
    let batches = batches(chunk, BATCH);
    let requests = batches.iter().map(|batch| PROTO.prepare(batch)).collect();
    (requests, known)
}

/// Returns `times` of the traces, spread over all of them; fewer when there are fewer.
pub fn spread(known: &[Known], times: usize) -> impl Iterator<Item = Known> {
    let step = (known.len() / times.max(1)).max(1);
    known.iter().copied().step_by(step).take(times)
}

/// These traces have all their spans.
pub fn check_counts(server: &Server, known: impl Iterator<Item = Known>) -> Result<()> {
    for known in known {
        let answer = server.get(&format!("/api/v2/trace/{:032x}", known.trace_id))?;
        let spans: Value = serde_json::from_slice(&answer.body).context("no JSON")?;
        let got = spans.as_array().map_or(0, Vec::len);
        ensure!(got == known.spans, "{known:?}: {got} spans came back");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_have_all_spans_and_follow_each_other() {
        let filling = Filling {
            seed: 1,
            spans: 2 * CHUNK + 7,
            begin_us: 1_760_000_000_000_000,
            length_us: 3_000_000,
        };
        let mut total = 0;
        for (number, chunk) in (0..).zip(chunks(filling)) {
            let first = chunk[0].timestamp_us - filling.begin_us;
            assert!((number * 1_000_000..(number + 1) * 1_000_000).contains(&first));
            total += chunk.len();
        }
        assert_eq!(total, filling.spans);
        assert_eq!(
            chunks(Filling {
                spans: 0,
                ..filling
            })
            .count(),
            0
        );
    }

    #[test]
    fn traces_are_taken_from_everywhere() {
        let known: Vec<Known> = (0..1000)
            .map(|trace_id| Known { trace_id, spans: 1 })
            .collect();
        let ids: Vec<u128> = spread(&known, 4).map(|known| known.trace_id).collect();
        assert_eq!(ids, [0, 250, 500, 750]);
        assert_eq!(spread(&known, 5000).count(), 1000);
    }
}

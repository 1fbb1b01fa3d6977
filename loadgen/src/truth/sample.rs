//! Draws what is to be read back: traces of accepted bodies, and of each what was accepted. It asks
//! nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use super::Sampling;
use crate::pool::{Expected, Round};
use crate::run::Load;
use crate::workload::Random;

/// So often it is drawn again while that gives traces that were not drawn before.
const DRAWS_MAX: usize = 20;

/// A trace to read.
pub(super) struct Wanted {
    pub(super) id: u128,
    pub(super) round: Round,
    /// Each accepted span, and how often it was sent at most.
    pub(super) spans: BTreeMap<Expected, u64>,
}

impl Wanted {
    /// Returns how many spans there are to be.
    pub(super) fn count(&self) -> u64 {
        self.spans.len() as u64
    }
}

/// Draws traces of which at least one body was accepted.
pub(super) fn sample(load: &Load, sampling: Sampling) -> Vec<Wanted> {
    let pool = &load.pool;
    let sent = load.next.load(Ordering::Relaxed);
    // What is sent again has the ids of the first time.
    let distinct = pool.distinct().unwrap_or(u64::MAX);
    let end = sent.min(distinct);
    let mut random = Random::new(sampling.seed ^ 0x7247);
    let mut drawn = BTreeSet::new();
    let mut wanted = Vec::new();
    for _ in 0..DRAWS_MAX {
        let before = drawn.len();
        for number in load.accepted.draw((end, sampling.traces), &mut random) {
            if wanted.len() >= sampling.traces {
                return wanted;
            }
            let traces = pool.traces().of_body(number % pool.len());
            let Some(index) = traces.get(random.index(traces.len())) else {
                continue;
            };
            let round = number / pool.len();
            if drawn.insert((round, *index)) {
                wanted.extend(accepted(
                    load,
                    (round, *index as usize),
                    sent.div_ceil(end.max(1)),
                ));
            }
        }
        if drawn.len() == before {
            break;
        }
    }
    wanted
}

/// Returns what was accepted of a trace whose bodies were sent so often at most.
fn accepted(load: &Load, (number, index): (u64, usize), times: u64) -> Option<Wanted> {
    let pool = &load.pool;
    let (id, parts) = pool.traces().get(index)?;
    let first = number * pool.len();
    let mut sent: BTreeMap<Expected, (u64, bool)> = BTreeMap::new();
    for part in parts {
        let (copies, is_accepted) = sent.entry(part.span).or_default();
        *copies += times;
        *is_accepted |= load.accepted.contains(first + u64::from(part.body));
    }
    let spans = sent
        .into_iter()
        .filter(|(_, (_, is_accepted))| *is_accepted);
    let round = pool.round(number);
    Some(Wanted {
        id: round.trace_id(id),
        round,
        spans: spans.map(|(span, (copies, _))| (span, copies)).collect(),
    })
}

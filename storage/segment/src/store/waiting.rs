//! What the store knows of spans that wait to be moved away or to be written. Nothing is moved
//! here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use speargun_storage::{Backlog, WriteError};

use super::{RETRY, Shared};
use crate::compact;
use crate::moving::Ticket;
use crate::segment::Segment;
use crate::unwritten::{self, Unwritten};

impl Shared {
    /// Returns the segment that is being moved away, if one is.
    pub(crate) fn ticket(&self) -> Option<Ticket> {
        self.state.lock().ticket.clone()
    }

    /// Says which segment is being moved away.
    pub(crate) fn set_ticket(&self, ticket: Ticket) {
        self.state.lock().ticket = Some(ticket);
    }

    /// Returns how much waits to be moved away.
    pub(crate) fn backlog(&self) -> Backlog {
        let state = self.state.lock();
        let heads = state.sealing.iter().map(|head| &**head);
        let heads = heads.chain([&state.head]).filter(|head| head.rows > 0);
        heads.fold(state.in_segments, |sum, head| Backlog {
            spans: sum.spans + head.rows as u64,
            oldest_ms: older(sum.oldest_ms, head.arrived_min_ms),
            ..sum
        })
    }

    /// Writes what is in memory alone; gives up when that fails and `patience` is over.
    pub(super) fn wait_written(&self, patience: Duration) -> Result<(), WriteError> {
        let until = Instant::now() + patience;
        while let Err(error) = unwritten::write_all(self) {
            self.report_unwritten(&error);
            if Instant::now() >= until || self.rest() {
                return Err(WriteError::Busy(error.to_string()));
            }
        }
        Ok(())
    }

    /// Waits while there is too much to be merged and merging goes well, for as long as after an
    /// error at most: so a machine with too much to do takes as many spans as it can merge.
    pub(super) fn let_merge(&self) {
        let until = Instant::now() + RETRY;
        let mut state = self.state.lock();
        let asked = state.asked;
        let now = self.clock.now_ms();
        while !state.closing
            && state.asked == asked
            && !state.merge_failed
            && compact::is_behind(&state.segments, state.ticket.as_ref(), &self.config, now)
        {
            if self.changed.wait_until(&mut state, until).timed_out() {
                return;
            }
        }
    }

    /// Returns how much is in memory alone.
    pub(crate) fn unwritten(&self) -> Unwritten {
        let segments = self.state.lock().segments.clone();
        Unwritten::of(&segments)
    }

    /// Waits until there is a segment, or so long.
    pub(crate) fn wait_for_segment(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let mut state = self.state.lock();
        while state.segments.is_empty() && !state.closing {
            if self.changed.wait_until(&mut state, until).timed_out() {
                return;
            }
        }
    }
}

/// Returns how much lies in segments.
pub(super) fn of_segments(segments: &[Arc<Segment>]) -> Backlog {
    let nothing = Backlog::default();
    segments.iter().fold(nothing, |sum, segment| Backlog {
        spans: sum.spans + segment.facts.rows,
        bytes: sum.bytes + segment.bytes,
        oldest_ms: older(sum.oldest_ms, segment.facts.arrived_min_ms),
    })
}

/// Returns the older of two times, of which 0 is none.
fn older(one_ms: u64, other_ms: u64) -> u64 {
    match (one_ms, other_ms) {
        (0, known) | (known, 0) => known,
        (one, other) => one.min(other),
    }
}

//! What the store knows of spans that wait to be moved away. Nothing is moved here.

use std::time::{Duration, Instant};

use speargun_storage::Backlog;

use super::Shared;
use crate::moving::Ticket;

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
        let segments = state.segments.iter();
        let heads = state.sealing.iter().map(|head| &**head);
        let heads = heads.chain([&state.head]).filter(|head| head.rows > 0);
        let arrived = segments.clone().map(|s| s.facts.arrived_min_ms);
        let arrived = arrived.chain(heads.clone().map(|head| head.arrived_min_ms));
        Backlog {
            spans: segments.clone().map(|s| s.facts.rows).sum::<u64>()
                + heads.map(|head| head.rows as u64).sum::<u64>(),
            bytes: segments.map(|segment| segment.bytes).sum(),
            oldest_ms: arrived.min().unwrap_or_default(),
        }
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

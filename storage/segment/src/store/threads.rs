//! The threads of a store: what they do at which time. How is elsewhere.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Shared;
use crate::{compact, dependencies, seal, unwritten};

/// How long the sealer and the compactor pause after an error.
pub(super) const RETRY: Duration = Duration::from_secs(1);
/// How often the compactor looks for work, unless heads are to be sealed sooner.
const TICK: Duration = Duration::from_secs(1);

/// The sealer: turns frozen heads into segments, oldest first, until the store closes.
pub(super) fn seal_all(shared: &Shared) {
    loop {
        let head = {
            let mut state = shared.state.lock();
            while state.sealing.is_empty() && !state.closing {
                shared.changed.wait(&mut state);
            }
            match state.sealing.front() {
                Some(head) => head.clone(),
                None => return,
            }
        };
        if let Err(error) = seal::seal(shared, &head) {
            shared.report_unwritten(&error);
            if shared.pause(RETRY) {
                return;
            }
        }
    }
}

/// Finds the links that took a query too long, one window at a time: what is remembered of them
/// serves who asks again.
pub(super) fn find_links(shared: &Shared) {
    loop {
        let window = {
            let mut state = shared.state.lock();
            loop {
                if state.closing {
                    return;
                }
                if let Some(window) = state.links_owed.take() {
                    break window;
                }
                shared.changed.wait(&mut state);
            }
        };
        dependencies::remember(shared, window);
    }
}

/// The compactor: seals heads that have waited long, writes segments that have, merges, deletes
/// what is past retention.
pub(super) fn keep_house(shared: &Shared) {
    let tick = Duration::from_millis(shared.config.seal_age_ms / 4);
    let tick = tick.clamp(Duration::from_millis(10), TICK);
    let mut pause = tick;
    while !shared.pause(pause) {
        let now = shared.clock.now_ms();
        let waited = {
            let state = shared.state.lock();
            state.head.rows > 0
                && now.saturating_sub(state.head.arrived_min_ms) >= shared.config.seal_age_ms
        };
        if waited {
            shared.freeze();
        }
        pause = tick;
        let oldest = shared.unwritten().oldest_ms;
        if oldest.is_some_and(|oldest| now.saturating_sub(oldest) >= shared.config.seal_age_ms)
            && let Err(error) = unwritten::write_all(shared)
        {
            shared.report_unwritten(&error);
            pause = RETRY;
        }
        if let Err(error) = compact::step(shared) {
            shared
                .counters
                .failed_merges
                .fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, "merging failed; trying again");
            pause = RETRY;
        }
    }
}

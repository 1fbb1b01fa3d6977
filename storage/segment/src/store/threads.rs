//! The threads of a store: what they do at which time. How is elsewhere.

use std::sync::atomic::Ordering;
use std::time::Duration;

use speargun_runtime::thread::let_others_go_first;

use super::Shared;
use crate::{compact, dependencies, seal, unwritten};

/// Nice values: who answers and who takes spans goes before who seals, and he before who merges.
/// Measured: with half of the highest load, answers took seconds where all stood alike.
const SEALER: i32 = 5;
const COMPACTOR: i32 = 10;
/// How often the compactor looks for work, unless heads are to be sealed sooner.
const TICK: Duration = Duration::from_secs(1);

/// The sealer: turns frozen heads into segments, oldest first, until the store closes.
pub(super) fn seal_all(shared: &Shared) {
    let_others_go_first(SEALER);
    let mut failed = false;
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
            failed = true;
            shared.report_unwritten(&error);
            if shared.rest() {
                return;
            }
            continue;
        }
        if std::mem::take(&mut failed) {
            // Also where there was room in memory at last.
            shared.state.lock().trouble = None;
        }
        shared.let_merge();
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
    let_others_go_first(COMPACTOR);
    let tick = Duration::from_millis(shared.config.seal_age_ms / 4);
    let tick = tick.clamp(Duration::from_millis(10), TICK);
    let mut last = Ok(false);
    loop {
        let is_closing = match last {
            // There may be more: queries and seals should not wait for it.
            Ok(true) => shared.is_closing(),
            Ok(false) => shared.pause(tick),
            Err(()) => shared.rest(),
        };
        if is_closing {
            return;
        }
        let now = shared.clock.now_ms();
        let waited = {
            let state = shared.state.lock();
            state.head.rows > 0
                && now.saturating_sub(state.head.arrived_min_ms) >= shared.config.seal_age_ms
        };
        if waited {
            shared.freeze();
        }
        // Deleting what is past retention may make the space that writing needs.
        let (written, done) = (write_what_waited(shared, now), step(shared));
        last = written.and(done);
    }
}

/// Writes what is in memory alone, if some of it has been for long.
fn write_what_waited(shared: &Shared, now: u64) -> Result<(), ()> {
    let oldest = shared.unwritten().oldest_ms;
    let has_waited = |oldest| now.saturating_sub(oldest) >= shared.config.seal_age_ms;
    if oldest.is_some_and(has_waited)
        && let Err(error) = unwritten::write_all(shared)
    {
        shared.report_unwritten(&error);
        return Err(());
    }
    Ok(())
}

/// Merges or deletes; returns whether there may be more to do. What fails is reported.
fn step(shared: &Shared) -> Result<bool, ()> {
    let done = compact::step(shared);
    shared.state.lock().merge_failed = done.is_err();
    done.map_err(|error| {
        let failed = &shared.counters.failed_merges;
        failed.fetch_add(1, Ordering::Relaxed);
        tracing::error!(%error, "merging failed; trying again");
    })
}

//! Leases that run out, those that an operator ends, and what is remembered of goodbyes.

use std::collections::{HashMap, VecDeque};

use super::preserve::{Verdict, WINDOW_MS};
use super::recent::Event;
use super::{Book, Now};

/// The evictor runs each second; when it did not for so long, the process stood still, and clients
/// could not renew meanwhile.
const STOOD_STILL_MS: u64 = 5000;
/// Goodbyes are remembered as long as a peer might still list who said it.
const TOMB_KEPT_MS: u64 = 10 * 60_000;
const TOMBS_MAX: usize = 20_000;

/// What an operator's purge did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Purged {
    /// Instances that are gone.
    pub instances: usize,
}

// === impl Book ===

impl Book {
    /// Ends the leases that ran out, unless they are held. Call it each second. Returns how many
    /// ended.
    pub fn expire(&mut self, now: Now) -> usize {
        self.forget_changes(now);
        self.tombs.forget(now);
        self.forgive_standing_still(now);
        let is_old = |at: &u64| now.steady_ms.saturating_sub(*at) >= WINDOW_MS;
        while self.evicted_ms.front().is_some_and(is_old) {
            self.evicted_ms.pop_front();
        }
        let verdict = self.explain(now).verdict;
        if verdict == Verdict::Held {
            self.held_since_ms.get_or_insert(now.steady_ms);
            return 0;
        }
        self.held_since_ms = None;
        if verdict == Verdict::Quiet {
            return 0;
        }
        self.end_expired(Event::Evicted, now)
    }

    /// Ends all leases that ran out, held or not.
    pub fn purge_expired(&mut self, now: Now) -> Purged {
        let instances = self.end_expired(Event::Purged, now);
        Purged { instances }
    }

    /// Ends one lease because an operator says so. Returns whether it was there.
    pub fn purge(&mut self, app: &str, id: &str, now: Now) -> bool {
        let is_there = self.lease(app, id).is_some();
        self.end(app, id, Event::Purged, now);
        is_there
    }

    fn end_expired(&mut self, event: Event, now: Now) -> usize {
        let expired = self.leases().filter(|lease| lease.is_expired(now));
        let keys: Vec<(String, String)> = expired
            .map(|lease| (lease.instance.app.clone(), lease.instance.id().to_owned()))
            .collect();
        for (app, id) in &keys {
            if event == Event::Evicted {
                self.evicted_ms.push_back(now.steady_ms);
            }
            self.end(app, id, event, now);
        }
        keys.len()
    }

    /// Gives back to all leases the time in which nobody could be heard.
    fn forgive_standing_still(&mut self, now: Now) {
        let last = self.looked_ms.replace(now.steady_ms);
        let pause_ms = last.map_or(0, |last| now.steady_ms.saturating_sub(last));
        if pause_ms <= STOOD_STILL_MS {
            return;
        }
        for lease in self.apps.values_mut().flat_map(HashMap::values_mut) {
            lease.renewed_ms = lease.renewed_ms.saturating_add(pause_ms).min(now.steady_ms);
        }
    }
}

/// Who said goodbye, and what was known of them: a peer that has not heard of it yet must not
/// bring them back.
#[derive(Debug, Default)]
pub(super) struct Tombs {
    /// By application and id: what was known, and when the goodbye was said.
    known: HashMap<(String, String), (u64, u64)>,
    order: VecDeque<(u64, (String, String))>,
}

// === impl Tombs ===

impl Tombs {
    pub(super) fn add(&mut self, key: (&str, &str), dirty_ms: u64, now: Now) {
        let key = (key.0.to_owned(), key.1.to_owned());
        self.known.insert(key.clone(), (dirty_ms, now.steady_ms));
        self.order.push_back((now.steady_ms, key));
        while self.order.len() > TOMBS_MAX {
            self.pop();
        }
    }

    pub(super) fn remove(&mut self, app: &str, id: &str) {
        if !self.known.is_empty() {
            self.known.remove(&(app.to_owned(), id.to_owned()));
        }
    }

    /// Returns whether what a peer knows is no newer than the goodbye.
    pub(super) fn covers(&self, key: (&str, &str), dirty_ms: u64) -> bool {
        let tomb = self.known.get(&(key.0.to_owned(), key.1.to_owned()));
        tomb.is_some_and(|(tomb_ms, _)| dirty_ms <= *tomb_ms)
    }

    fn forget(&mut self, now: Now) {
        let is_old = |(at, _): &(u64, _)| now.steady_ms.saturating_sub(*at) > TOMB_KEPT_MS;
        while self.order.front().is_some_and(is_old) {
            self.pop();
        }
    }

    fn pop(&mut self) {
        let Some((at, key)) = self.order.pop_front() else {
            return;
        };
        // Who said goodbye again since is remembered from then on.
        if self.known.get(&key).is_some_and(|(_, said)| *said == at) {
            self.known.remove(&key);
        }
    }
}

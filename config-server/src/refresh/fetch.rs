//! Fetching for webhooks, and when those whom they name are told: once every source gave an answer,
//! or is known to be away, and what came is served.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Refresher;
use super::course::Course;
use super::owed::OwedNames;
use crate::source::news::HeldBack;
use crate::source::sources::Sources;

impl Refresher {
    /// Fetches when a webhook came, or for an earlier one what was away then. An error when
    /// somebody waits for it.
    pub(super) async fn fetch(
        &self,
        sources: &Arc<Sources>,
        course: &mut Course,
    ) -> Result<(), String> {
        let asked = std::mem::take(&mut *self.waiting.lock());
        if asked.names().is_empty() {
            self.fetch_again(sources, course).await;
            return Ok(());
        }
        let (within, away) = (self.config.fetch_within, &course.away);
        // Who is known to be away is asked, and not waited for.
        let patience = |name: &str, is_failing: bool| {
            let is_vain = is_failing && away.is_given_up(name);
            Some(if is_vain { Duration::ZERO } else { within })
        };
        let failed = sources.fetch_now(patience).await;
        course.away.note(&failed, Some(Instant::now()));
        if course.away.hold_up() {
            self.waiting.lock().put_back(&asked);
            let why = failed.into_values().next().unwrap_or_default();
            return Err(format!("not fetched: {why}"));
        }
        self.tell_or_hold(&asked, &sources.held_back(), course);
        Ok(())
    }

    /// Asks those that were away again.
    async fn fetch_again(&self, sources: &Arc<Sources>, course: &mut Course) {
        if !course.away.are_owed() {
            return;
        }
        let (within, away) = (self.config.fetch_within, &course.away);
        let patience = |name: &str, _| away.contains(name).then_some(within);
        let failed = tokio::select! {
            failed = sources.fetch_now(patience) => failed,
            // A webhook does not wait for it; it is to wake the next turn.
            () = self.wake.notified() => return self.wake.notify_one(),
        };
        course.away.note(&failed, None);
    }

    /// Has names told that a webhook brought, unless its commit is held back: until then they would
    /// read again what they have.
    fn tell_or_hold(
        &self,
        asked: &OwedNames,
        held_back: &BTreeMap<String, HeldBack>,
        course: &Course,
    ) {
        let is_new = |label: &String, one: &HeldBack| {
            let before = course.held_back.get(label);
            before.is_none_or(|before| before.newest != one.newest)
        };
        let new = held_back.iter().filter(|(label, one)| is_new(label, one));
        let new: BTreeMap<String, HeldBack> = new
            .map(|(label, one)| (label.clone(), one.clone()))
            .collect();
        if new.is_empty() || !self.held.lock().keep(asked, &new) {
            self.telling.lock().add(asked.names(), Instant::now());
        }
    }
}

//! Sources that gave no answer when webhooks had them fetched. Each is waited for a few times; then
//! it holds nobody up, since what webhooks name may be in another one. What it brings when it is
//! back says by its files whom it concerns, so it is asked until then, or for a day.

use std::collections::BTreeMap;
use std::time::Instant;

use super::owed::OWED_FOR;

/// At this try names are told although a source gave no answer: a refresh in vain costs less than
/// one that does not come.
const TOLD_ANYWAY: u32 = 3;

/// The sources by their names.
#[derive(Debug, Default)]
pub(super) struct Away {
    all: BTreeMap<String, One>,
}

#[derive(Debug, Default)]
struct One {
    failures: u32,
    /// Until when it is asked again; `None` when that was for too long.
    until: Option<Instant>,
}

impl Away {
    /// Notes which sources gave no answer; a webhook that asked for it makes them owed anew.
    pub(super) fn note(&mut self, failed: &BTreeMap<String, String>, asked: Option<Instant>) {
        self.all.retain(|name, _| failed.contains_key(name));
        for name in failed.keys() {
            let one = self.all.entry(name.clone()).or_default();
            one.failures = one.failures.saturating_add(1);
            if let Some(now) = asked {
                one.until = now.checked_add(OWED_FOR);
            }
        }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.all.contains_key(name)
    }

    /// Returns whether a source is waited for no more.
    pub(super) fn is_given_up(&self, name: &str) -> bool {
        let one = self.all.get(name);
        one.is_some_and(|one| one.failures >= TOLD_ANYWAY)
    }

    /// Returns whether one is still waited for.
    pub(super) fn hold_up(&self) -> bool {
        self.all.values().any(|one| one.failures < TOLD_ANYWAY)
    }

    /// Returns whether one is to be asked again.
    pub(super) fn are_owed(&self) -> bool {
        self.all.values().any(|one| one.until.is_some())
    }

    /// Takes the names of those that were asked for too long.
    pub(super) fn take_old(&mut self, now: Instant) -> Vec<String> {
        let mut old = Vec::new();
        for (name, one) in &mut self.all {
            if one.until.is_some_and(|until| now >= until) {
                one.until = None;
                old.push(name.clone());
            }
        }
        old
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(names: &[&str]) -> BTreeMap<String, String> {
        let one = |name: &&str| ((*name).to_owned(), "away".to_owned());
        names.iter().map(one).collect()
    }

    #[test]
    fn who_is_away_holds_up_a_few_tries_and_is_asked_for_a_day() {
        let (start, mut away) = (Instant::now(), Away::default());
        away.note(&failed(&["a"]), Some(start));
        assert!(away.hold_up() && away.are_owed());
        away.note(&failed(&["a"]), None);
        away.note(&failed(&["a"]), None);
        assert!(!away.hold_up() && away.is_given_up("a"));
        // Another one is waited for by itself.
        away.note(&failed(&["a", "b"]), Some(start));
        assert!(away.hold_up() && !away.is_given_up("b"));
        away.note(&failed(&["a"]), Some(start));
        assert!(!away.hold_up() && !away.contains("b"));
        assert!(away.take_old(start).is_empty());
        assert_eq!(away.take_old(start + OWED_FOR), ["a"]);
        // It is known to be away, and asked again for the next webhook.
        assert!(!away.are_owed() && away.is_given_up("a"));
        away.note(&failed(&["a"]), Some(start));
        assert!(away.are_owed() && !away.hold_up());
        away.note(&failed(&[]), None);
        assert!(!away.are_owed() && !away.contains("a"));
    }
}

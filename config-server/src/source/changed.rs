//! Paths of files that differ from what was served before, each with when, until they are taken.
//! It does not know whom they concern.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::environment::assemble::EVERYBODY;
use crate::snapshot::Snapshot;

/// Paths that are kept; more concern everybody.
const PATHS_MAX: usize = 10_000;

/// The paths.
#[derive(Debug, Default)]
pub(super) struct Changed {
    paths: BTreeMap<String, Instant>,
}

impl Changed {
    /// Notes the paths of files that differ, or that everybody is concerned if there are too many.
    pub(super) fn note(&mut self, (old, new): (&Snapshot, &Snapshot), now: Instant) {
        let differing = new.differences(old).take(PATHS_MAX + 1);
        self.paths
            .extend(differing.map(|path| (path.to_owned(), now)));
        if self.paths.len() > PATHS_MAX {
            self.paths = BTreeMap::from([(EVERYBODY.to_owned(), now)]);
        }
    }

    /// Forgets what was noted before a moment; returns how much that was.
    pub(super) fn forget(&mut self, before: Instant) -> usize {
        let count = self.paths.len();
        self.paths.retain(|_, at| *at >= before);
        count - self.paths.len()
    }

    /// Takes all paths.
    pub(super) fn take(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.paths).into_keys().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::snapshot::{File, Reading};

    fn snapshot(paths: impl Iterator<Item = String>) -> Snapshot {
        let reading = Arc::new(Reading::default());
        let file = |path: String| {
            let file = File::new(&path, bytes::Bytes::from_static(b"a: 1"), &reading);
            (path.into_boxed_str(), Arc::new(file))
        };
        Snapshot::new(None, paths.map(file).collect())
    }

    #[test]
    fn what_is_old_is_forgotten_and_what_is_too_much_is_everybody() {
        let nothing = Snapshot::default();
        let one = snapshot(["a.yml".to_owned()].into_iter());
        let two = snapshot(["b.yml".to_owned()].into_iter());
        let mut changed = Changed::default();
        let start = Instant::now();
        let later = start + Duration::from_secs(1);
        changed.note((&nothing, &one), start);
        changed.note((&one, &two), later);
        assert_eq!(changed.forget(start), 0);
        changed.note(
            (&nothing, &snapshot(["c.yml".to_owned()].into_iter())),
            start,
        );
        assert_eq!(changed.forget(later), 1);
        assert_eq!(Vec::from_iter(changed.take()), ["a.yml", "b.yml"]);
        assert!(changed.take().is_empty());
        let many = snapshot((0..=PATHS_MAX).map(|number| format!("{number}.yml")));
        changed.note((&nothing, &many), start);
        assert_eq!(Vec::from_iter(changed.take()), [EVERYBODY]);
    }
}

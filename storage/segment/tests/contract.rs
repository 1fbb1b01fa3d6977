//! The storage contract over this engine: with segments as large as in use, and so small that every
//! trace spans several of them.

use std::sync::Arc;

use speargun_runtime::{ManualClock, RealDisk};
use speargun_segment::{Config, SegmentStore};
use speargun_storage::contract::{Config as Case, Harness, NOW_MS};
use speargun_storage::{SpanReader, SpanWriter};
use tempfile::TempDir;

/// A store on a folder of its own.
#[derive(Debug)]
struct Segments<const SEAL_ROWS: usize> {
    store: Arc<SegmentStore>,
    config: Config,
    _dir: TempDir,
}

impl<const SEAL_ROWS: usize> Segments<SEAL_ROWS> {
    #[expect(clippy::unwrap_used, reason = "test harness")]
    fn open(config: &Config) -> Arc<SegmentStore> {
        let clock = Arc::new(ManualClock::new(NOW_MS));
        SegmentStore::open(config.clone(), Arc::new(RealDisk), clock).unwrap()
    }
}

impl<const SEAL_ROWS: usize> Harness for Segments<SEAL_ROWS> {
    #[expect(clippy::unwrap_used, reason = "test harness")]
    fn fresh(case: Case) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = Config {
            id_mode: case.id_mode,
            autocomplete_keys: case.autocomplete_keys,
            seal_rows: SEAL_ROWS,
            merge_rows: SEAL_ROWS as u64 * 5,
            ..Config::new(dir.path().join("segments"))
        };
        Self {
            store: Self::open(&config),
            config,
            _dir: dir,
        }
    }

    fn writer(&self) -> &dyn SpanWriter {
        &*self.store
    }

    fn reader(&self) -> &dyn SpanReader {
        &*self.store
    }

    /// Seals and merges, then restarts.
    #[expect(clippy::unwrap_used, reason = "test harness")]
    fn settle(&mut self) {
        self.store.seal().unwrap();
        self.store.compact().unwrap();
        self.store.close().unwrap();
        self.store = Self::open(&self.config);
    }
}

mod large {
    speargun_storage::contract_tests!(super::Segments<65_536>);
}

mod tiny {
    speargun_storage::contract_tests!(super::Segments<3>);
}

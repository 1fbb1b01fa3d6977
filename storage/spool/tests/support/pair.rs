//! A spool over a real segment store on a simulated disk, with the model as its database.

use std::sync::Arc;
use std::time::Duration;

use speargun_model::Span;
use speargun_runtime::{ManualClock, SimulatedDisk};
use speargun_segment::SegmentStore;
use speargun_spool::{Config, Spool};
use speargun_storage::contract::{Config as Case, NOW_MS, batch_of};
use speargun_storage::{Database, Local, Position, SpanWriter};

use crate::model::Model;

/// All of it, with what it takes to open it again.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) disk: SimulatedDisk,
    pub(crate) segments: speargun_segment::Config,
    pub(crate) config: Config,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) database: Arc<Model>,
    pub(crate) local: Arc<SegmentStore>,
    pub(crate) spool: Arc<Spool>,
    pub(crate) position: u64,
}

impl Pair {
    pub(crate) fn new(case: &Case, seal_rows: usize) -> Self {
        let segments = speargun_segment::Config {
            id_mode: case.id_mode,
            autocomplete_keys: case.autocomplete_keys.clone(),
            seal_rows,
            seal_age_ms: u64::MAX,
            merge_after_ms: 0,
            ..speargun_segment::Config::waiting("/spool")
        };
        let config = Config {
            id_mode: case.id_mode,
            retry_min: Duration::from_micros(1),
            retry_max: Duration::from_millis(1),
            idle: Duration::from_millis(1),
            // As long as it takes.
            close: Duration::from_hours(1),
            ..Config::default()
        };
        let (disk, database) = (SimulatedDisk::new(), Model::new(case));
        let clock = Arc::new(ManualClock::new(NOW_MS));
        let local = Self::open_local(&disk, &segments, &clock);
        let spool = Self::open_spool(&config, &local, (&database, &clock));
        Self {
            disk,
            segments,
            config,
            clock,
            database,
            local,
            spool,
            position: 0,
        }
    }

    fn open_local(
        disk: &SimulatedDisk,
        segments: &speargun_segment::Config,
        clock: &Arc<ManualClock>,
    ) -> Arc<SegmentStore> {
        SegmentStore::open(segments.clone(), Arc::new(disk.clone()), clock.clone()).unwrap()
    }

    fn open_spool(
        config: &Config,
        local: &Arc<SegmentStore>,
        (database, clock): (&Arc<Model>, &Arc<ManualClock>),
    ) -> Arc<Spool> {
        Arc::new(Spool::new(
            config.clone(),
            Arc::clone(local) as Arc<dyn Local>,
            Arc::clone(database) as Arc<dyn Database>,
            clock.clone(),
        ))
    }

    pub(crate) fn write(&mut self, spans: &[Span]) {
        self.position += 1;
        let end = Position(self.position);
        self.spool.write(&[Arc::new(batch_of(spans))], end).unwrap();
    }

    /// Ends the process and starts it again.
    pub(crate) fn restart(&mut self) {
        self.spool.close().unwrap();
        self.local = Self::open_local(&self.disk, &self.segments, &self.clock);
        let of = (&self.database, &self.clock);
        self.spool = Self::open_spool(&self.config, &self.local, of);
    }

    /// Returns whether there was a portion to move; stores up to so many of its lists, and forgets
    /// it if these were all.
    pub(crate) fn move_lists(&self, count: usize) -> bool {
        let Some(mut portion) = self.local.next_portion().unwrap() else {
            return false;
        };
        for _ in 0..count {
            match portion.next_list().unwrap() {
                Some(list) => {
                    // Its list comes again when the answer was lost.
                    while self.database.store(&list.name, &list.spans).is_err() {}
                }
                None => {
                    portion.forget().unwrap();
                    break;
                }
            }
        }
        true
    }

    /// Waits until nothing waits.
    pub(crate) fn wait_moved(&self) {
        while self.spool.stats().waiting.spans > 0 {
            std::thread::yield_now();
        }
    }
}

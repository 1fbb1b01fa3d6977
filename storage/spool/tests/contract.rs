//! The storage contract over a spool: a real segment store in front of the memory engine as a
//! database, with spans waiting, moved, moved in part and moved while others come.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/model.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod model;

use std::sync::Arc;
use std::time::Duration;

use speargun_runtime::{ManualClock, SimulatedDisk};
use speargun_segment::SegmentStore;
use speargun_spool::{Config, Spool};
use speargun_storage::contract::{Config as Case, Harness, NOW_MS};
use speargun_storage::{Database, Local, SpanReader, SpanWriter};

use crate::model::Model;

/// What settling does.
const WAIT: u8 = 0;
const MOVE_ALL: u8 = 1;
/// Moves the oldest portion.
const MOVE_SOME: u8 = 2;
/// Stores the lists of the oldest portion and does not forget them.
const MOVE_HALF: u8 = 3;
/// Lets the thread do it.
const MOVER: u8 = 4;

/// A spool whose segments have at most so many rows.
#[derive(Debug)]
struct Spooled<const SETTLE: u8, const SEAL_ROWS: usize> {
    disk: SimulatedDisk,
    segments: speargun_segment::Config,
    local: Arc<SegmentStore>,
    database: Arc<Model>,
    config: Config,
    spool: Spool,
}

fn open(
    disk: &SimulatedDisk,
    segments: &speargun_segment::Config,
    (config, database): (&Config, &Arc<Model>),
) -> (Arc<SegmentStore>, Spool) {
    let clock = Arc::new(ManualClock::new(NOW_MS));
    let disk = Arc::new(disk.clone());
    let local = SegmentStore::open(segments.clone(), disk, clock.clone()).unwrap();
    let spool = Spool::new(
        config.clone(),
        Arc::clone(&local) as Arc<dyn Local>,
        Arc::clone(database) as Arc<dyn Database>,
        clock,
    );
    (local, spool)
}

impl<const SETTLE: u8, const SEAL_ROWS: usize> Harness for Spooled<SETTLE, SEAL_ROWS> {
    fn fresh(case: Case) -> Self {
        let segments = speargun_segment::Config {
            id_mode: case.id_mode,
            autocomplete_keys: case.autocomplete_keys.clone(),
            seal_rows: SEAL_ROWS,
            seal_age_ms: u64::MAX,
            merge_after_ms: 0,
            ..speargun_segment::Config::waiting("/spool")
        };
        let config = Config {
            id_mode: case.id_mode,
            // As long as it takes.
            close: Duration::from_hours(1),
            ..Config::default()
        };
        let (disk, database) = (SimulatedDisk::new(), Model::new(&case));
        let (local, spool) = open(&disk, &segments, (&config, &database));
        Self {
            disk,
            segments,
            local,
            database,
            config,
            spool,
        }
    }

    fn writer(&self) -> &dyn SpanWriter {
        &self.spool
    }

    fn reader(&self) -> &dyn SpanReader {
        &self.spool
    }

    fn settle(&mut self) {
        self.local.seal().unwrap();
        match SETTLE {
            MOVE_ALL => while self.move_oldest(true) {},
            MOVE_SOME => {
                self.move_oldest(true);
                self.local.compact().unwrap();
            }
            MOVE_HALF => {
                self.move_oldest(false);
                self.local.compact().unwrap();
                self.reopen();
            }
            MOVER => {
                self.spool.start().unwrap();
                self.reopen();
                assert_eq!(self.spool.stats().waiting.spans, 0);
            }
            _ => {}
        }
    }
}

impl<const SETTLE: u8, const SEAL_ROWS: usize> Spooled<SETTLE, SEAL_ROWS> {
    /// Moves the oldest portion, if there is one, and forgets it or not.
    fn move_oldest(&self, forget: bool) -> bool {
        let Some(mut portion) = self.local.next_portion().unwrap() else {
            return false;
        };
        while let Some(list) = portion.next_list().unwrap() {
            self.database.store(&list.name, &list.spans).unwrap();
        }
        if forget {
            portion.forget().unwrap();
        }
        true
    }

    fn reopen(&mut self) {
        self.spool.close().unwrap();
        let of = (&self.config, &self.database);
        (self.local, self.spool) = open(&self.disk, &self.segments, of);
    }
}

mod all_wait {
    speargun_storage::contract_tests!(super::Spooled<{ super::WAIT }, 3>);
}

mod all_are_moved {
    speargun_storage::contract_tests!(super::Spooled<{ super::MOVE_ALL }, 65_536>);
}

mod some_are_moved {
    speargun_storage::contract_tests!(super::Spooled<{ super::MOVE_SOME }, 3>);
}

mod some_are_in_both_places {
    speargun_storage::contract_tests!(super::Spooled<{ super::MOVE_HALF }, 3>);
}

mod large_ones_are_in_both_places {
    speargun_storage::contract_tests!(super::Spooled<{ super::MOVE_HALF }, 65_536>);
}

mod the_mover_moves {
    speargun_storage::contract_tests!(super::Spooled<{ super::MOVER }, 65_536>);
}

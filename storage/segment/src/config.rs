//! Where a store lies and how large it may grow.

use std::path::PathBuf;

use speargun_storage::IdMode;

/// Configuration of a [`crate::SegmentStore`].
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder of the segments, of this store alone; created if missing.
    pub dir: PathBuf,
    /// How trace ids are compared.
    pub id_mode: IdMode,
    /// Tag keys whose values are listed.
    pub autocomplete_keys: Vec<String>,
    /// Milliseconds after which spans are deleted, counted from their arrival; `None` keeps them.
    pub retention_age_ms: Option<u64>,
    /// Bytes of all segments beyond which the oldest are deleted; `None` sets no limit.
    pub retention_bytes: Option<u64>,
    /// Bytes of memory that queries may keep of what they read.
    pub cache_bytes: u64,
    /// Rows behind which a head is sealed into a segment.
    pub seal_rows: usize,
    /// Bytes of memory behind which a head is sealed.
    pub seal_bytes: usize,
    /// Milliseconds after which a head that is not full is sealed.
    pub seal_age_ms: u64,
    /// Bytes of segments that may be in memory alone until they are merged; what they hold is in
    /// the journal as well. With 0 each head becomes a file at once.
    pub unwritten_bytes: u64,
    /// Bytes of heads that may be so, which is about what the journal keeps for them.
    pub unwritten_head_bytes: u64,
    /// Rows up to which segments are merged.
    pub merge_rows: u64,
    /// Milliseconds for which a segment stays apart, in case it is soon moved away.
    pub merge_after_ms: u64,
    /// Bytes of memory that the spans of one answer may take.
    pub answer_bytes: usize,
    /// Rows of traces that finding links holds at a time, about 112 bytes each.
    pub link_rows: usize,
}

impl Config {
    /// Returns the defaults for a folder: 7 days and 20 GB, whichever comes first.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            id_mode: IdMode::Strict,
            autocomplete_keys: vec![],
            retention_age_ms: Some(7 * 24 * 3600 * 1000),
            retention_bytes: Some(20 << 30),
            cache_bytes: 48 << 20,
            seal_rows: 16 << 10,
            seal_bytes: 24 << 20,
            seal_age_ms: 5 * 60 * 1000,
            unwritten_bytes: 24 << 20,
            unwritten_head_bytes: 330 << 20,
            merge_rows: 240_000,
            merge_after_ms: 0,
            answer_bytes: 512 << 20,
            link_rows: 1 << 16,
        }
    }

    /// Returns the defaults for a folder in which spans wait to be moved into a database: they are
    /// sealed about a second after they came and kept until they are moved, however long it takes.
    /// All of them are files: lists are named by them, which must be the same after a crash.
    pub fn waiting(dir: impl Into<PathBuf>) -> Self {
        Self {
            retention_age_ms: None,
            retention_bytes: None,
            seal_age_ms: 1000,
            unwritten_bytes: 0,
            merge_after_ms: 60 * 1000,
            ..Self::new(dir)
        }
    }

    /// Returns the length of a time partition in milliseconds: segments are merged only inside
    /// one, so that retention by age deletes at most a 128th too late; when the age is changed
    /// while the store runs, a 128th of the one it began with.
    pub(crate) fn partition_ms(&self) -> u64 {
        self.retention_age_ms
            .map_or(3600 * 1000, |age| (age / 128).max(60 * 1000))
    }
}

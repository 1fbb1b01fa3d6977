//! How large the spool may grow and how patient it is.

use std::time::Duration;

use speargun_storage::IdMode;

/// Configuration of a [`crate::Spool`].
#[derive(Clone, Debug)]
pub struct Config {
    /// How trace ids are compared, here and in the database.
    pub id_mode: IdMode,
    /// Bytes on disk beyond which no more spans are taken.
    pub bytes_max: u64,
    /// How long the oldest span may have waited before no more are taken.
    pub age_max: Duration,
    /// How long the first attempt after a failure waits; each further one waits twice as long.
    pub retry_min: Duration,
    /// The longest that an attempt waits.
    pub retry_max: Duration,
    /// How long the mover waits for spans at a time.
    pub idle: Duration,
    /// How often the database is asked whether it is there while nothing is stored.
    pub ask_every: Duration,
    /// How long closing goes on moving; what is left then is moved after the next start.
    pub close: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            id_mode: IdMode::default(),
            bytes_max: 20 << 30,
            age_max: Duration::from_hours(7 * 24),
            retry_min: Duration::from_millis(100),
            retry_max: Duration::from_secs(20),
            idle: Duration::from_millis(200),
            ask_every: Duration::from_secs(5),
            close: Duration::from_secs(4),
        }
    }
}

//! What concerns the traces that the server makes of itself.

use std::time::Duration;

use speargun_collector::Sampler;

use super::value::{Seconds, Share, Value};
use super::{SettingError, Texts};

/// Zipkin's sampler takes no more traces a second than this.
const TRACES_PER_SECOND_MAX: u32 = 10_000_000;

/// Which of its own requests the server traces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SelfTracingSettings {
    pub(crate) enabled: bool,
    pub(crate) sampling: Sampling,
    pub(crate) flush_interval: Duration,
}

/// How own requests are chosen whose client did not choose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sampling {
    /// All of them.
    All,
    /// By the trace id.
    Share(Sampler),
    /// So many a second at most.
    PerSecond(u32),
}

impl SelfTracingSettings {
    /// Reads the texts.
    pub(super) fn parse(texts: &Texts) -> Result<Self, SettingError> {
        let share: Sampler =
            texts.get_with("SELF_TRACING_SAMPLE_RATE", Share::ALLOWED, |text| {
                Sampler::new(text.parse().ok()?)
            })?;
        let per_second = texts.get_with(
            "SELF_TRACING_TRACES_PER_SECOND",
            "a whole number, 0 to 10000000",
            |text| text.parse().ok().filter(|n| *n <= TRACES_PER_SECOND_MAX),
        )?;
        let sampling = match (share.keeps_all(), per_second) {
            (false, _) => Sampling::Share(share),
            (true, 0) => Sampling::All,
            (true, per_second) => Sampling::PerSecond(per_second),
        };
        Ok(Self {
            enabled: texts.get("SELF_TRACING_ENABLED")?,
            sampling,
            flush_interval: texts.get::<Seconds>("SELF_TRACING_FLUSH_INTERVAL")?.0,
        })
    }
}

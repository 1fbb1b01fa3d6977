//! What is logged, on standard error, and how much, which may change while the process runs.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

/// Changes how much is logged.
#[derive(Clone, Debug)]
pub(crate) struct LogLevel(reload::Handle<Targets, Registry>);

impl LogLevel {
    /// Logs so much from now on.
    pub(crate) fn set(&self, level: LevelFilter) {
        if let Err(error) = self.0.reload(told(level)) {
            tracing::error!(%error, "the log level stays as it is");
        }
    }
}

/// Starts logging.
pub(crate) fn to_stderr(level: LevelFilter) -> LogLevel {
    let (filter, handle) = reload::Layer::new(told(level));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(false);
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .init();
    LogLevel(handle)
}

/// Clients of queues tell of every attempt; what concerns the operator we say ourselves, once.
fn told(level: LevelFilter) -> Targets {
    Targets::new()
        .with_default(level)
        .with_target("krafka", LevelFilter::OFF)
        .with_target("lapin", LevelFilter::OFF)
}

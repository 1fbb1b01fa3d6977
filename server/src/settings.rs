//! What the operator decides: flags, then the environment, then a file, then defaults. The only
//! place that reads any of them. A setting that is unknown or wrong stops the start.

mod configuration;
mod database;
mod foreign;
mod kafka;
mod names;
mod otlp;
mod rabbitmq;
mod registry;
mod self_tracing;
mod sources;
pub(crate) mod table;
pub(crate) mod value;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use speargun_collector::{Sampler, SyncMode};
use speargun_storage::IdMode;

pub(crate) use configuration::ConfigurationSettings;
pub(crate) use database::DatabaseSettings;
pub(crate) use kafka::KafkaSettings;
pub(crate) use otlp::{OtlpPort, OtlpSettings};
pub(crate) use rabbitmq::RabbitSettings;
pub(crate) use registry::{RegistrySettings, RegistryUrl};
pub(crate) use self_tracing::{Sampling, SelfTracingSettings};
pub(crate) use sources::{Sources, Texts};
use value::{ByteCount, Milliseconds, RetentionAge, RetentionBytes, Share, SpringDuration, Value};

/// Why the start stops.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum SettingError {
    /// Nobody knows the name.
    #[error("{place} sets {name}, which is no setting; `speargun config` lists them all")]
    Unknown {
        /// Where it stands.
        place: String,
        /// The name.
        name: String,
    },
    /// The value can't be read.
    #[error("{name} is {value:?} in {place}, but must be {allowed}")]
    Wrong {
        /// The name.
        name: &'static str,
        /// The value, hidden when it is secret.
        value: String,
        /// Where it stands.
        place: String,
        /// What would do.
        allowed: &'static str,
    },
    /// Zipkin knows the name, but it can't be honoured here.
    #[error("{place} sets {name}: {advice}")]
    Unsupported {
        /// Where it stands.
        place: String,
        /// The name.
        name: String,
        /// What to do instead.
        advice: &'static str,
    },
    /// A line of the file is no setting.
    #[error("{place}: line {line} is not NAME=value")]
    Line {
        /// The file.
        place: String,
        /// Counted from 1.
        line: usize,
    },
    /// The file can't be read.
    #[error("the settings file {path} can't be read: {error}")]
    File {
        /// The file.
        path: String,
        /// Why.
        error: String,
    },
}

/// Which engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Engine {
    /// On disk.
    Segment,
    /// In memory.
    Memory,
    /// In a database, with a spool on disk in front of it.
    Database(DatabaseKind),
}

/// Which database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DatabaseKind {
    /// One that speaks as `MySQL` does, with Zipkin's schema.
    Mysql,
    /// `ClickHouse`.
    Clickhouse,
}

impl DatabaseKind {
    /// Returns its name in `STORAGE_TYPE`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mysql => "mysql",
            Self::Clickhouse => "clickhouse",
        }
    }
}

/// The settings, valid.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) engine: Engine,
    pub(crate) data: PathBuf,
    pub(crate) sync: SyncMode,
    pub(crate) retention_age: Duration,
    pub(crate) retention_bytes: u64,
    pub(crate) journal_bytes: u64,
    pub(crate) spool: SpoolSettings,
    /// What is set of `MYSQL_*` and `CLICKHOUSE_*`, for the engines to read.
    pub(crate) database: DatabaseSettings,
    pub(crate) mem_spans_max: usize,
    pub(crate) sampler: Sampler,
    pub(crate) http_collector: bool,
    pub(crate) grpc_collector: bool,
    pub(crate) otlp: OtlpSettings,
    /// `None` when nothing is read from Kafka.
    pub(crate) kafka: Option<KafkaSettings>,
    /// `None` when nothing is read from RabbitMQ.
    pub(crate) rabbitmq: Option<RabbitSettings>,
    pub(crate) actuator: bool,
    pub(crate) query: QuerySettings,
    pub(crate) page: PageSettings,
    pub(crate) self_tracing: SelfTracingSettings,
    pub(crate) registry: RegistrySettings,
    /// `None` when no configuration server is asked.
    pub(crate) configuration: Option<ConfigurationSettings>,
    pub(crate) limits: LimitSettings,
    pub(crate) log: tracing::level_filters::LevelFilter,
}

/// How much may wait for a database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SpoolSettings {
    pub(crate) bytes: u64,
    pub(crate) age: Duration,
}

/// What concerns the query API.
#[derive(Clone, Debug)]
pub(crate) struct QuerySettings {
    pub(crate) enabled: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) lookback_ms: u64,
    pub(crate) search: bool,
    pub(crate) id_mode: IdMode,
    pub(crate) autocomplete_keys: Vec<String>,
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) names_max_age_s: u32,
}

/// What concerns the page.
#[derive(Clone, Debug)]
pub(crate) struct PageSettings {
    pub(crate) enabled: bool,
    pub(crate) environment: String,
    pub(crate) query_limit: u64,
    pub(crate) default_lookback_ms: u64,
    pub(crate) logs_url: String,
    pub(crate) support_url: String,
    pub(crate) archive_post_url: String,
    pub(crate) archive_url: String,
    pub(crate) base_path: String,
    pub(crate) frame_ancestors: String,
    pub(crate) jaeger_links: bool,
    pub(crate) dependency_enabled: bool,
    pub(crate) low_error_rate: f32,
    pub(crate) high_error_rate: f32,
}

/// Bounds of the process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LimitSettings {
    pub(crate) shards: usize,
    pub(crate) connections_max: usize,
    pub(crate) body_bytes_max: usize,
    pub(crate) inflated_bytes_max: usize,
    pub(crate) bodies_bytes: usize,
    pub(crate) queue_items: usize,
    pub(crate) queue_bytes: usize,
    pub(crate) query_threads: usize,
    pub(crate) query_queue: usize,
}

impl Settings {
    /// Reads the texts, also those that a stronger source overrules.
    pub(crate) fn parse(texts: &Texts) -> Result<Self, SettingError> {
        for overruled in texts.overruled() {
            Self::of(&overruled)?;
        }
        Self::of(texts)
    }

    fn of(texts: &Texts) -> Result<Self, SettingError> {
        let query = query(texts)?;
        Ok(Self {
            address: texts.get_with("SPEARGUN_ADDRESS", "an IP address", |t| t.parse().ok())?,
            port: texts.get("QUERY_PORT")?,
            engine: engine(texts)?,
            data: texts.get_with("SPEARGUN_DATA", "a folder", |text| {
                (!text.is_empty()).then(|| text.into())
            })?,
            sync: texts.get_with("SPEARGUN_SYNC", "sync, os or off", |text| match text {
                "sync" => Some(SyncMode::Sync),
                "os" => Some(SyncMode::Os),
                "off" => Some(SyncMode::Off),
                _ => None,
            })?,
            retention_age: texts.get::<RetentionAge>("SPEARGUN_RETENTION_AGE")?.0,
            retention_bytes: texts.get::<RetentionBytes>("SPEARGUN_RETENTION_BYTES")?.0,
            journal_bytes: texts.get_with(
                "SPEARGUN_JOURNAL_BYTES",
                "a size of at least 64MB, as in 1GB",
                |text| {
                    ByteCount::parse(text)
                        .map(|b| b.0)
                        .filter(|b| *b >= 64 << 20)
                },
            )?,
            spool: SpoolSettings {
                bytes: texts.get::<RetentionBytes>("SPEARGUN_SPOOL_BYTES")?.0,
                age: texts.get::<RetentionAge>("SPEARGUN_SPOOL_AGE")?.0,
            },
            database: DatabaseSettings::parse(texts)?,
            mem_spans_max: texts.count("MEM_MAX_SPANS")?,
            sampler: texts.get_with("COLLECTOR_SAMPLE_RATE", Share::ALLOWED, |text| {
                Sampler::new(text.parse().ok()?)
            })?,
            http_collector: texts.get("COLLECTOR_HTTP_ENABLED")?,
            grpc_collector: texts.get("COLLECTOR_GRPC_ENABLED")?,
            otlp: OtlpSettings::parse(texts)?,
            kafka: KafkaSettings::parse(texts)?,
            rabbitmq: RabbitSettings::parse(texts)?,
            actuator: texts.get("SPEARGUN_ACTUATOR")?,
            page: page(texts, query.enabled)?,
            query,
            self_tracing: SelfTracingSettings::parse(texts)?,
            registry: RegistrySettings::parse(texts)?,
            configuration: ConfigurationSettings::parse(texts)?,
            limits: limits(texts)?,
            log: texts.get_with("SPEARGUN_LOG", "off, error, warn, info or debug", |text| {
                match text.to_ascii_lowercase().as_str() {
                    level @ ("off" | "error" | "warn" | "info" | "debug") => level.parse().ok(),
                    // Zipkin's finest says nothing of ours that debug does not.
                    "trace" => Some(tracing::level_filters::LevelFilter::DEBUG),
                    _ => None,
                }
            })?,
        })
    }
}

fn engine(texts: &Texts) -> Result<Engine, SettingError> {
    let allowed = "segment, which keeps spans on disk, mem, mysql or clickhouse: there is no \
                   other store";
    texts.get_with("STORAGE_TYPE", allowed, |text| {
        match text.to_ascii_lowercase().as_str() {
            "segment" => Some(Engine::Segment),
            "mem" => Some(Engine::Memory),
            "mysql" => Some(Engine::Database(DatabaseKind::Mysql)),
            "clickhouse" => Some(Engine::Database(DatabaseKind::Clickhouse)),
            _ => None,
        }
    })
}

fn query(texts: &Texts) -> Result<QuerySettings, SettingError> {
    let SpringDuration(timeout) = texts.get("QUERY_TIMEOUT")?;
    Ok(QuerySettings {
        enabled: texts.get("QUERY_ENABLED")?,
        timeout: (!timeout.is_zero()).then_some(timeout),
        lookback_ms: texts.get::<Milliseconds>("QUERY_LOOKBACK")?.0,
        search: texts.get("SEARCH_ENABLED")?,
        id_mode: if texts.get("STRICT_TRACE_ID")? {
            IdMode::Strict
        } else {
            IdMode::Lenient
        },
        autocomplete_keys: texts.list("AUTOCOMPLETE_KEYS"),
        allowed_origins: texts.list("ZIPKIN_QUERY_ALLOWED_ORIGINS"),
        names_max_age_s: texts.get("ZIPKIN_QUERY_NAMES_MAX_AGE")?,
    })
}

fn page(texts: &Texts, query_enabled: bool) -> Result<PageSettings, SettingError> {
    let own = |name| texts.text(name).to_owned();
    Ok(PageSettings {
        enabled: match texts.text("UI_ENABLED") {
            "" => query_enabled,
            _ => texts.get("UI_ENABLED")?,
        },
        environment: own("ZIPKIN_UI_ENVIRONMENT"),
        query_limit: texts.get("ZIPKIN_UI_QUERY_LIMIT")?,
        default_lookback_ms: texts.get("ZIPKIN_UI_DEFAULT_LOOKBACK")?,
        logs_url: own("ZIPKIN_UI_LOGS_URL"),
        support_url: own("ZIPKIN_UI_SUPPORT_URL"),
        archive_post_url: own("ZIPKIN_UI_ARCHIVE_POST_URL"),
        archive_url: own("ZIPKIN_UI_ARCHIVE_URL"),
        base_path: texts.get_with("ZIPKIN_UI_BASEPATH", "a path that starts with /", |text| {
            text.starts_with('/').then(|| text.to_owned())
        })?,
        frame_ancestors: texts.get_with(
            "SPEARGUN_FRAME_ANCESTORS",
            "'self', 'none', * or origins with blanks between",
            |text| {
                let mut parts = text.split_ascii_whitespace();
                let is_any = parts.clone().next().is_some();
                (is_any && parts.all(is_frame_ancestor)).then(|| text.to_owned())
            },
        )?,
        jaeger_links: texts.get("SPEARGUN_JAEGER_LINKS")?,
        dependency_enabled: texts.get("ZIPKIN_UI_DEPENDENCY_ENABLED")?,
        low_error_rate: texts.get::<Share>("ZIPKIN_UI_DEPENDENCY_LOW_ERROR_RATE")?.0,
        high_error_rate: texts
            .get::<Share>("ZIPKIN_UI_DEPENDENCY_HIGH_ERROR_RATE")?
            .0,
    })
}

/// Returns whether a part can stand in a list of those who may show the page in a frame.
fn is_frame_ancestor(part: &str) -> bool {
    let is_of_url = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/*[]%".contains(&byte);
    matches!(part, "'self'" | "'none'") || part.bytes().all(is_of_url)
}

fn limits(texts: &Texts) -> Result<LimitSettings, SettingError> {
    Ok(LimitSettings {
        shards: match texts.text("SPEARGUN_SHARDS") {
            "" => std::thread::available_parallelism().map_or(1, usize::from),
            _ => texts.get_with("SPEARGUN_SHARDS", "a whole number, 1 to 256", |text| {
                text.parse().ok().filter(|n| (1..=256).contains(n))
            })?,
        },
        connections_max: texts.count("SPEARGUN_CONNECTIONS_MAX")?,
        body_bytes_max: texts.get_with(
            "SPEARGUN_BODY_BYTES_MAX",
            "a size from 1KB to 30MB, which fits a journal file, as in 10MB",
            |text| {
                let ByteCount(bytes) = ByteCount::parse(text)?;
                (1 << 10..=30 << 20)
                    .contains(&bytes)
                    .then_some(bytes as usize)
            },
        )?,
        inflated_bytes_max: texts.memory("SPEARGUN_INFLATED_BYTES_MAX")?,
        bodies_bytes: texts.memory("SPEARGUN_BODIES_BYTES")?,
        queue_items: texts.count("SPEARGUN_QUEUE_ITEMS")?.min(1 << 20),
        queue_bytes: texts.memory("SPEARGUN_QUEUE_BYTES")?,
        query_threads: texts.get_with(
            "SPEARGUN_QUERY_THREADS",
            "a whole number, 1 to 256",
            |text| text.parse().ok().filter(|n| (1..=256).contains(n)),
        )?,
        query_queue: texts.count("SPEARGUN_QUERY_QUEUE")?.min(1 << 16),
    })
}

#[cfg(test)]
mod tests;

//! Every setting: its name, default and meaning. Parsing, `speargun config` and the manual's table
//! all come from here. Values are read in the parent.

mod configuration;
mod databases;
mod queues;

/// One setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// Its name in the environment and in the file.
    pub(crate) name: &'static str,
    /// An older name that is read too; empty when there is none.
    pub(crate) alias: &'static str,
    /// The value when nobody sets it.
    pub(crate) default: &'static str,
    /// What it does.
    pub(crate) meaning: &'static str,
    /// Whether its value is hidden where settings are shown.
    pub(crate) secret: bool,
}

const fn setting(name: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting {
        name,
        alias: "",
        default,
        meaning,
        secret: false,
    }
}

const fn renamed(setting: Setting, alias: &'static str) -> Setting {
    Setting { alias, ..setting }
}

/// A password, or a URL that may hold one.
const fn secret(setting: Setting) -> Setting {
    Setting {
        secret: true,
        ..setting
    }
}

/// All settings, in the order in which they are shown.
pub(crate) fn all() -> impl Iterator<Item = &'static Setting> {
    let parts = [
        TAKING,
        queues::QUEUES,
        databases::DATABASES,
        ASKING,
        configuration::CONFIGURATION,
    ];
    parts.into_iter().flatten()
}

/// Settings of what is taken and where it is kept.
const TAKING: &[Setting] = &[
    setting("QUERY_PORT", "9411", "the port of everything"),
    setting("SPEARGUN_ADDRESS", "0.0.0.0", "the address to listen on"),
    setting(
        "STORAGE_TYPE",
        "segment",
        "the engine: segment, mem, mysql or clickhouse",
    ),
    renamed(
        setting("SPEARGUN_DATA", "speargun-data", "the data folder"),
        "STORAGE_DIR",
    ),
    setting(
        "SPEARGUN_SYNC",
        "sync",
        "what a 202 survives: sync a machine's crash, os the end of the process, off neither",
    ),
    setting("SPEARGUN_RETENTION_AGE", "7d", "spans older than this go"),
    setting(
        "SPEARGUN_RETENTION_BYTES",
        "20GB",
        "the oldest spans go when the store is larger than this",
    ),
    setting(
        "SPEARGUN_JOURNAL_BYTES",
        "1GB",
        "the most the journal may take on disk",
    ),
    setting(
        "SPEARGUN_SPOOL_BYTES",
        "20GB",
        "the most that may wait on disk for the database; beyond, 503",
    ),
    setting(
        "SPEARGUN_SPOOL_AGE",
        "7d",
        "how long spans may wait for the database; beyond, 503",
    ),
    setting(
        "MEM_MAX_SPANS",
        "500000",
        "spans in memory with STORAGE_TYPE=mem",
    ),
    setting(
        "COLLECTOR_SAMPLE_RATE",
        "1.0",
        "the share of traces to keep, 0 to 1",
    ),
    renamed(
        setting("COLLECTOR_HTTP_ENABLED", "true", "take spans by HTTP"),
        "HTTP_COLLECTOR_ENABLED",
    ),
    setting("COLLECTOR_GRPC_ENABLED", "true", "take spans by gRPC"),
    renamed(
        setting(
            "COLLECTOR_OTEL_HTTP_ENABLED",
            "true",
            "take OpenTelemetry's spans by HTTP (OTLP)",
        ),
        "COLLECTOR_HTTP_OTEL_ENABLED",
    ),
    setting(
        "COLLECTOR_OTEL_GRPC_ENABLED",
        "true",
        "take OpenTelemetry's spans by gRPC (OTLP)",
    ),
    setting(
        "SPEARGUN_OTLP_HTTP_PORT",
        "",
        "a port for OTLP alone, by HTTP; 4318, if it is free, when not set; off for none",
    ),
    setting(
        "SPEARGUN_OTLP_GRPC_PORT",
        "",
        "a port for OTLP alone, by gRPC; 4317, if it is free, when not set; off for none",
    ),
];

/// Settings of what is asked, shown and logged, and of bounds.
const ASKING: &[Setting] = &[
    setting("QUERY_ENABLED", "true", "answer the query API"),
    setting(
        "UI_ENABLED",
        "",
        "serve the page; as QUERY_ENABLED when not set",
    ),
    setting(
        "SPEARGUN_ACTUATOR",
        "false",
        "answer /actuator and its health, info, metrics and prometheus",
    ),
    setting(
        "QUERY_TIMEOUT",
        "11s",
        "how long a query may take; 0 is for ever",
    ),
    setting(
        "QUERY_LOOKBACK",
        "86400000",
        "how far back a query looks that does not say, in milliseconds",
    ),
    setting(
        "SEARCH_ENABLED",
        "true",
        "answer searches and names, not only traces by id",
    ),
    setting(
        "STRICT_TRACE_ID",
        "true",
        "compare all 128 bits of trace ids, not only the lower 64",
    ),
    setting(
        "AUTOCOMPLETE_KEYS",
        "",
        "tag keys whose values are completed, with commas between",
    ),
    setting(
        "ZIPKIN_QUERY_ALLOWED_ORIGINS",
        "*",
        "origins that browsers may call from, with commas between",
    ),
    setting(
        "ZIPKIN_QUERY_NAMES_MAX_AGE",
        "300",
        "seconds for which lists of names may be cached",
    ),
    setting(
        "SELF_TRACING_ENABLED",
        "false",
        "trace requests of the API into the own store",
    ),
    setting(
        "SELF_TRACING_SAMPLE_RATE",
        "1.0",
        "the share of own requests to trace, 0 to 1",
    ),
    setting(
        "SELF_TRACING_TRACES_PER_SECOND",
        "1",
        "how many own requests to trace each second at most, when the rate is 1; 0 is all",
    ),
    setting(
        "SELF_TRACING_FLUSH_INTERVAL",
        "1",
        "how often own spans are stored, in seconds",
    ),
    secret(setting(
        "EUREKA_SERVICE_URL",
        "",
        "the Eureka registries to register at, with commas between",
    )),
    setting(
        "DISCOVERY_EUREKA_ENABLED",
        "true",
        "register at Eureka when a registry is named",
    ),
    setting(
        "EUREKA_APP_NAME",
        "zipkin",
        "the application and VIP to register as",
    ),
    setting(
        "EUREKA_INSTANCE_ID",
        "",
        "the instance to register as; host:app:port when not set",
    ),
    setting(
        "EUREKA_HOSTNAME",
        "",
        "the host name to register; the machine's when not set",
    ),
    setting(
        "SPEARGUN_EUREKA_RENEWAL_INTERVAL",
        "30s",
        "how often the registration is renewed; it ends after three times as long",
    ),
    setting(
        "ZIPKIN_UI_ENVIRONMENT",
        "",
        "the name of this installation on the page",
    ),
    setting(
        "ZIPKIN_UI_QUERY_LIMIT",
        "10",
        "how many traces the page asks for",
    ),
    setting(
        "ZIPKIN_UI_DEFAULT_LOOKBACK",
        "900000",
        "how far back the page looks, in milliseconds",
    ),
    secret(setting(
        "ZIPKIN_UI_LOGS_URL",
        "",
        "where the page finds a trace's logs",
    )),
    secret(setting(
        "ZIPKIN_UI_SUPPORT_URL",
        "",
        "where the page sends those who need help",
    )),
    secret(setting(
        "ZIPKIN_UI_ARCHIVE_POST_URL",
        "",
        "where the page posts a trace to keep it",
    )),
    secret(setting(
        "ZIPKIN_UI_ARCHIVE_URL",
        "",
        "where the page finds a kept trace",
    )),
    setting(
        "ZIPKIN_UI_BASEPATH",
        "/zipkin",
        "the path at which a proxy shows the page",
    ),
    setting(
        "SPEARGUN_FRAME_ANCESTORS",
        "'self'",
        "which pages may show this one in a frame: 'self', 'none', * or origins",
    ),
    setting(
        "SPEARGUN_JAEGER_LINKS",
        "true",
        "lead links made for Jaeger's page to ours",
    ),
    setting(
        "ZIPKIN_UI_DEPENDENCY_ENABLED",
        "true",
        "show the dependency graph",
    ),
    setting(
        "ZIPKIN_UI_DEPENDENCY_LOW_ERROR_RATE",
        "0.5",
        "from this share of errors on a link is yellow",
    ),
    setting(
        "ZIPKIN_UI_DEPENDENCY_HIGH_ERROR_RATE",
        "0.75",
        "from this share of errors on a link is red",
    ),
    setting(
        "SPEARGUN_SHARDS",
        "",
        "threads that serve connections; one a core when not set",
    ),
    setting(
        "SPEARGUN_CONNECTIONS_MAX",
        "10000",
        "connections at a time; others wait to be accepted",
    ),
    setting(
        "SPEARGUN_BODY_BYTES_MAX",
        "10485760",
        "bytes of one request as it comes",
    ),
    setting(
        "SPEARGUN_INFLATED_BYTES_MAX",
        "64MB",
        "bytes of one request after unpacking",
    ),
    setting(
        "SPEARGUN_BODIES_BYTES",
        "64MB",
        "bytes of all requests being read",
    ),
    setting(
        "SPEARGUN_QUEUE_ITEMS",
        "8192",
        "requests that wait to be stored; beyond, 503",
    ),
    setting(
        "SPEARGUN_QUEUE_BYTES",
        "64MB",
        "bytes that wait to be stored; beyond, 503",
    ),
    setting(
        "SPEARGUN_QUERY_THREADS",
        "2",
        "searches that run at a time; other queries have a thread of their own",
    ),
    setting(
        "SPEARGUN_QUERY_QUEUE",
        "64",
        "queries of either kind that wait to run; beyond, 503",
    ),
    setting(
        "SPEARGUN_LOG",
        "info",
        "what is logged: off, error, warn, info or debug",
    ),
];

/// Returns the setting with this name or alias.
pub(crate) fn find(name: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.name == name || (!name.is_empty() && setting.alias == name))
}

//! The names a setting goes by: its own, an older one, and Zipkin's property in each of the forms
//! that Spring reads. Which of them wins is decided here, values are read elsewhere.

use super::table::{self, Setting};

/// Zipkin's properties and the settings they are. Those of the page have the property's name.
const PROPERTIES: &[(&str, &str)] = &[
    ("server.port", "QUERY_PORT"),
    ("zipkin.storage.type", "STORAGE_TYPE"),
    ("zipkin.storage.mem.max-spans", "MEM_MAX_SPANS"),
    ("zipkin.storage.strict-trace-id", "STRICT_TRACE_ID"),
    ("zipkin.storage.search-enabled", "SEARCH_ENABLED"),
    ("zipkin.storage.autocomplete-keys", "AUTOCOMPLETE_KEYS"),
    ("zipkin.collector.sample-rate", "COLLECTOR_SAMPLE_RATE"),
    ("zipkin.collector.http.enabled", "COLLECTOR_HTTP_ENABLED"),
    ("zipkin.collector.grpc.enabled", "COLLECTOR_GRPC_ENABLED"),
    (
        "zipkin.collector.otel.http.enabled",
        "COLLECTOR_OTEL_HTTP_ENABLED",
    ),
    (
        "zipkin.collector.otel.grpc.enabled",
        "COLLECTOR_OTEL_GRPC_ENABLED",
    ),
    ("zipkin.collector.kafka.enabled", "COLLECTOR_KAFKA_ENABLED"),
    (
        "zipkin.collector.kafka.bootstrap-servers",
        "KAFKA_BOOTSTRAP_SERVERS",
    ),
    (
        "zipkin.collector.kafka.overrides.bootstrap.servers",
        "KAFKA_BOOTSTRAP_SERVERS",
    ),
    ("zipkin.collector.kafka.topic", "KAFKA_TOPIC"),
    ("zipkin.collector.kafka.group-id", "KAFKA_GROUP_ID"),
    (
        "zipkin.collector.kafka.overrides.group.id",
        "KAFKA_GROUP_ID",
    ),
    ("zipkin.collector.kafka.streams", "KAFKA_STREAMS"),
    (
        "zipkin.collector.kafka.overrides.security.protocol",
        "SPEARGUN_KAFKA_SECURITY_PROTOCOL",
    ),
    (
        "zipkin.collector.kafka.overrides.sasl.mechanism",
        "SPEARGUN_KAFKA_SASL_MECHANISM",
    ),
    (
        "zipkin.collector.rabbitmq.enabled",
        "COLLECTOR_RABBITMQ_ENABLED",
    ),
    ("zipkin.collector.rabbitmq.addresses", "RABBIT_ADDRESSES"),
    ("zipkin.collector.rabbitmq.uri", "RABBIT_URI"),
    ("zipkin.collector.rabbitmq.queue", "RABBIT_QUEUE"),
    (
        "zipkin.collector.rabbitmq.concurrency",
        "RABBIT_CONCURRENCY",
    ),
    (
        "zipkin.collector.rabbitmq.connection-timeout",
        "RABBIT_CONNECTION_TIMEOUT",
    ),
    ("zipkin.collector.rabbitmq.username", "RABBIT_USER"),
    ("zipkin.collector.rabbitmq.password", "RABBIT_PASSWORD"),
    (
        "zipkin.collector.rabbitmq.virtual-host",
        "RABBIT_VIRTUAL_HOST",
    ),
    ("zipkin.collector.rabbitmq.use-ssl", "RABBIT_USE_SSL"),
    ("zipkin.storage.mysql.jdbc-url", "MYSQL_JDBC_URL"),
    ("zipkin.storage.mysql.host", "MYSQL_HOST"),
    ("zipkin.storage.mysql.port", "MYSQL_TCP_PORT"),
    ("zipkin.storage.mysql.username", "MYSQL_USER"),
    ("zipkin.storage.mysql.password", "MYSQL_PASS"),
    ("zipkin.storage.mysql.db", "MYSQL_DB"),
    (
        "zipkin.storage.mysql.max-connections",
        "MYSQL_MAX_CONNECTIONS",
    ),
    ("zipkin.storage.mysql.use-ssl", "MYSQL_USE_SSL"),
    ("zipkin.query.enabled", "QUERY_ENABLED"),
    ("zipkin.query.timeout", "QUERY_TIMEOUT"),
    ("zipkin.query.lookback", "QUERY_LOOKBACK"),
    ("zipkin.ui.enabled", "UI_ENABLED"),
    ("zipkin.ui.base-path", "ZIPKIN_UI_BASEPATH"),
    ("zipkin.self-tracing.enabled", "SELF_TRACING_ENABLED"),
    (
        "zipkin.self-tracing.sample-rate",
        "SELF_TRACING_SAMPLE_RATE",
    ),
    (
        "zipkin.self-tracing.traces-per-second",
        "SELF_TRACING_TRACES_PER_SECOND",
    ),
    (
        "zipkin.self-tracing.message-timeout",
        "SELF_TRACING_FLUSH_INTERVAL",
    ),
    (
        "zipkin.discovery.eureka.enabled",
        "DISCOVERY_EUREKA_ENABLED",
    ),
    ("zipkin.discovery.eureka.service-url", "EUREKA_SERVICE_URL"),
    ("zipkin.discovery.eureka.app-name", "EUREKA_APP_NAME"),
    ("zipkin.discovery.eureka.instance-id", "EUREKA_INSTANCE_ID"),
    ("zipkin.discovery.eureka.hostname", "EUREKA_HOSTNAME"),
    ("logging.level.zipkin2", "SPEARGUN_LOG"),
];

/// How strong a name is: of several that are set at once, the greatest wins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Rank {
    /// An older name.
    Alias,
    /// The name.
    Name,
    /// Zipkin's property, of which its short names are only the default.
    Property,
}

/// Returns the setting of a variable. Of properties those under Zipkin's own prefix count, its log
/// level, and a `SERVER_PORT` that is one: Kubernetes makes addresses of that name.
pub(super) fn in_environment(name: &str, value: &str) -> Option<(&'static Setting, Rank)> {
    if let Some(setting) = table::find(name) {
        let rank = if setting.name == name {
            Rank::Name
        } else {
            Rank::Alias
        };
        return Some((setting, rank));
    }
    let own = match name {
        "LOGGING_LEVEL_ZIPKIN2" => true,
        "SERVER_PORT" => value.parse::<u16>().is_ok(),
        _ => name.starts_with("ZIPKIN_"),
    };
    let setting = own.then(|| of_property(name)).flatten()?;
    Some((setting, Rank::Property))
}

/// Returns the setting of a name that was written for us: on the command line or in the file.
pub(super) fn anywhere(name: &str) -> Option<&'static Setting> {
    table::find(name).or_else(|| of_property(name))
}

fn of_property(name: &str) -> Option<&'static Setting> {
    let wanted = relaxed(name);
    let named = |(property, setting): &(&str, &'static str)| {
        (relaxed(property) == wanted).then(|| table::find(setting))
    };
    PROPERTIES.iter().find_map(named).flatten().or_else(|| {
        let mut own = table::all();
        own.find(|s| s.name.starts_with("ZIPKIN_") && relaxed(s.name) == wanted)
    })
}

/// Returns a property without what Spring does not look at: case, and dots, dashes and underscores.
pub(super) fn relaxed(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|character| character.to_ascii_uppercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_property_is_one_of_a_setting() {
        for (property, name) in PROPERTIES {
            let setting = anywhere(property).unwrap();
            assert_eq!(setting.name, *name, "{property}");
        }
    }

    #[test]
    fn forms_of_a_property_are_one() {
        for form in [
            "zipkin.ui.query-limit",
            "zipkin.ui.queryLimit",
            "ZIPKIN_UI_QUERYLIMIT",
            "ZIPKIN_UI_QUERY_LIMIT",
        ] {
            assert_eq!(anywhere(form).unwrap().name, "ZIPKIN_UI_QUERY_LIMIT");
        }
        let (setting, rank) = in_environment("ZIPKIN_STORAGE_STRICTTRACEID", "true").unwrap();
        assert_eq!((setting.name, rank), ("STRICT_TRACE_ID", Rank::Property));
    }

    #[test]
    fn variables_of_others_are_not_ours() {
        for name in ["SERVER_PORT", "ZIPKIN_PORT", "ZIPKIN_SERVICE_HOST", "PATH"] {
            assert!(
                in_environment(name, "tcp://10.0.0.1:80").is_none(),
                "{name}"
            );
        }
    }
}

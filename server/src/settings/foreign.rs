//! Variables that Zipkin documents and that mean nothing here. Some would have fed or kept spans: a
//! start without them would lose spans silently, so it stops and says what to do. It reads none.

use super::names::relaxed;

/// What to do about a variable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Zipkin does not know it either.
    Unknown,
    /// It asks for what is so anyway.
    Harmless,
    /// It has no effect; why, and what has.
    Ignored(&'static str),
    /// It can't be honoured; what to do instead.
    Stops(&'static str),
}

struct Group {
    /// Variables, with blanks between.
    names: &'static str,
    /// Properties under these are meant as well, with blanks between.
    properties: &'static str,
    verdict: Verdict,
}

const GROUPS: &[Group] = &[
    Group {
        names: "",
        properties: "zipkin.collector.kafka.overrides.sasl.jaas \
                     zipkin.collector.kafka.overrides.ssl",
        verdict: Verdict::Stops(
            "set SPEARGUN_KAFKA_USER, SPEARGUN_KAFKA_PASSWORD, SPEARGUN_KAFKA_CA_FILE, \
             SPEARGUN_KAFKA_CERT_FILE and SPEARGUN_KAFKA_KEY_FILE, files in PEM, and unset it",
        ),
    },
    Group {
        names: "",
        properties: "zipkin.collector.kafka zipkin.collector.rabbitmq",
        verdict: Verdict::Stops("there is no such setting here; unset it"),
    },
    Group {
        names: "COLLECTOR_ACTIVEMQ_ENABLED ACTIVEMQ_URL ACTIVEMQ_QUEUE ACTIVEMQ_CONCURRENCY \
                ACTIVEMQ_USERNAME ACTIVEMQ_PASSWORD ACTIVEMQ_CLIENT_ID_PREFIX",
        properties: "zipkin.collector.activemq",
        verdict: Verdict::Stops(
            "spans are not read from ActiveMQ; send them by HTTP or gRPC and unset it",
        ),
    },
    Group {
        names: "COLLECTOR_PULSAR_ENABLED PULSAR_SERVICE_URL PULSAR_TOPIC \
                PULSAR_SUBSCRIPTION_NAME PULSAR_CONCURRENCY",
        properties: "zipkin.collector.pulsar",
        verdict: Verdict::Stops(
            "spans are not read from Pulsar; send them by HTTP or gRPC and unset it",
        ),
    },
    Group {
        names: "COLLECTOR_SCRIBE_ENABLED SCRIBE_ENABLED SCRIBE_CATEGORY COLLECTOR_PORT",
        properties: "zipkin.collector.scribe",
        verdict: Verdict::Stops(
            "Scribe is not spoken; let reporters send by HTTP or gRPC and unset it",
        ),
    },
    Group {
        names: "SQS_QUEUE_URL SQS_PARALLELISM SQS_WAIT_TIME_SECONDS SQS_MAX_NUMBER_OF_MESSAGES \
                SQS_AWS_ACCESS_KEY_ID SQS_AWS_SECRET_ACCESS_KEY SQS_AWS_STS_ROLE_ARN \
                SQS_AWS_STS_REGION KINESIS_STREAM_NAME KINESIS_APP_NAME \
                KINESIS_AWS_ACCESS_KEY_ID KINESIS_AWS_SECRET_ACCESS_KEY \
                KINESIS_AWS_STS_ROLE_ARN KINESIS_AWS_STS_REGION KINESIS_AWS_KINESIS_REGION \
                EVENTHUB_NAME EVENTHUB_CONSUMER_GROUP EVENTHUB_CONNECTION_STRING \
                EVENTHUB_CHECKPOINT_BATCH_SIZE EVENTHUB_PROCESSOR_HOST EVENTHUB_BLOB_PREFIX \
                EVENTHUB_STORAGE_CONTAINER EVENTHUB_STORAGE_CONNECTION_STRING MODULE_OPTS",
        properties: "zipkin.collector.sqs zipkin.collector.kinesis zipkin.collector.eventhub \
                     loader spring.profiles.active",
        verdict: Verdict::Stops("modules can't be loaded; send spans by HTTP or gRPC and unset it"),
    },
    Group {
        names: "COLLECTOR_OTEL_RESOURCE_ATTRIBUTE_PREFIX",
        properties: "zipkin.collector.otel.http.resource-attribute-prefix \
                     zipkin.collector.otel.http.resourceattributeprefix \
                     zipkin.collector.otel.grpc.resource-attribute-prefix \
                     zipkin.collector.otel.grpc.resourceattributeprefix",
        verdict: Verdict::Stops("attributes of resources are tags under their own names; unset it"),
    },
    Group {
        names: "ES_HOSTS ES_PIPELINE ES_TIMEOUT ES_INDEX ES_DATE_SEPARATOR ES_INDEX_SHARDS \
                ES_INDEX_REPLICAS ES_ENSURE_TEMPLATES ES_USERNAME ES_PASSWORD \
                ES_CREDENTIALS_FILE ES_CREDENTIALS_REFRESH_INTERVAL ES_HTTP_LOGGING \
                ES_SSL_NO_VERIFY ES_HEALTH_CHECK_ENABLED ES_HEALTH_CHECK_INTERVAL \
                ES_TEMPLATE_PRIORITY ES_AWS_DOMAIN ES_AWS_REGION",
        properties: "zipkin.storage.elasticsearch",
        verdict: Verdict::Stops(
            "spans are not kept in Elasticsearch but in a folder of the server's own; set \
             SPEARGUN_DATA and unset it",
        ),
    },
    Group {
        names: "CASSANDRA_KEYSPACE CASSANDRA_CONTACT_POINTS CASSANDRA_LOCAL_DC \
                CASSANDRA_MAX_CONNECTIONS CASSANDRA_ENSURE_SCHEMA CASSANDRA_USERNAME \
                CASSANDRA_PASSWORD CASSANDRA_USE_SSL CASSANDRA_SSL_HOSTNAME_VALIDATION \
                CASSANDRA_INDEX_FETCH_MULTIPLIER CASSANDRA_INDEX_CACHE_MAX \
                CASSANDRA_INDEX_CACHE_TTL",
        properties: "zipkin.storage.cassandra3 zipkin.storage.cassandra",
        verdict: Verdict::Stops(
            "spans are not kept in Cassandra but in a folder of the server's own; set \
             SPEARGUN_DATA and unset it",
        ),
    },
    Group {
        names: "STACKDRIVER_PROJECT_ID STACKDRIVER_API_HOST STACKDRIVER_HTTP_LOGGING",
        properties: "zipkin.storage.stackdriver zipkin.storage.xray zipkin.storage.kafka",
        verdict: Verdict::Stops(
            "spans are kept in a folder of the server's own; set SPEARGUN_DATA and unset it",
        ),
    },
    Group {
        names: "STORAGE_THROTTLE_ENABLED STORAGE_THROTTLE_MIN_CONCURRENCY \
                STORAGE_THROTTLE_MAX_CONCURRENCY STORAGE_THROTTLE_MAX_QUEUE_SIZE",
        properties: "zipkin.storage.throttle",
        verdict: Verdict::Stops(
            "the write queue is bounded by SPEARGUN_QUEUE_ITEMS and SPEARGUN_QUEUE_BYTES and \
             needs no throttle; unset it",
        ),
    },
    Group {
        names: "",
        properties: "armeria server.ssl",
        verdict: Verdict::Stops("there is no TLS; put a proxy that has it in front and unset it"),
    },
    Group {
        names: "AUTOCOMPLETE_TTL",
        properties: "zipkin.storage.autocomplete-ttl zipkin.storage.autocompletettl \
                     zipkin.storage.autocomplete-cardinality \
                     zipkin.storage.autocompletecardinality",
        verdict: Verdict::Ignored("values of tags are not written apart from their spans"),
    },
    Group {
        names: "",
        properties: "zipkin.ui.search-enabled zipkin.ui.searchEnabled",
        verdict: Verdict::Ignored("the page follows SEARCH_ENABLED"),
    },
    Group {
        names: "QUERY_NAMES_MAX_AGE",
        properties: "",
        verdict: Verdict::Ignored("set ZIPKIN_QUERY_NAMES_MAX_AGE, as with Zipkin itself"),
    },
    Group {
        names: "QUERY_LOG_LEVEL",
        properties: "logging",
        verdict: Verdict::Ignored("set SPEARGUN_LOG"),
    },
    Group {
        names: "JAVA_OPTS JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS _JAVA_OPTIONS",
        properties: "zipkin.ui.instrumented zipkin.internal spring management server",
        verdict: Verdict::Ignored("there is no Java here; properties in it are not read either"),
    },
];

/// Judges a variable or a property.
pub(super) fn judge(name: &str, value: &str) -> Verdict {
    let Some(group) = GROUPS.iter().find(|group| group.has(name)) else {
        return Verdict::Unknown;
    };
    // What is off here anyway may be turned off.
    let switched_off = relaxed(name).ends_with("ENABLED") && value.eq_ignore_ascii_case("false");
    match group.verdict {
        Verdict::Stops(_) if switched_off => Verdict::Harmless,
        verdict => verdict,
    }
}

impl Group {
    fn has(&self, name: &str) -> bool {
        let is_variable = self.names.split_whitespace().any(|known| known == name);
        is_variable || self.has_property(name)
    }

    /// Returns whether a name is a property of the group, with dots, or as a variable under one of
    /// the prefixes that nobody else uses.
    fn has_property(&self, name: &str) -> bool {
        let upper = name.to_ascii_uppercase().replace(['.', '-'], "_");
        let prefixes = ["ZIPKIN_", "ARMERIA_", "SERVER_SSL_"];
        let is_variable = prefixes.iter().any(|prefix| name.starts_with(prefix));
        let is_property = name.contains('.') || is_variable;
        is_property
            && self.properties.split_whitespace().any(|property| {
                let property = property.to_ascii_uppercase().replace(['.', '-'], "_");
                let rest = upper.strip_prefix(&property);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', '[']))
            })
    }
}

/// Returns the names of all variables that stop a start.
#[cfg(test)]
pub(super) fn stopping() -> impl Iterator<Item = &'static str> {
    let stops = |group: &&Group| matches!(group.verdict, Verdict::Stops(_));
    let groups = GROUPS.iter().filter(stops);
    groups.flat_map(|group| group.names.split_whitespace())
}

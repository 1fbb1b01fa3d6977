//! Settings of the queues that spans are taken from.

use super::{Setting, secret, setting};

pub(super) const QUEUES: &[Setting] = &[
    setting(
        "KAFKA_BOOTSTRAP_SERVERS",
        "",
        "where Kafka is, host:port with commas between; nothing is read from it when not set",
    ),
    setting(
        "COLLECTOR_KAFKA_ENABLED",
        "true",
        "take spans from Kafka when its place is set",
    ),
    setting(
        "KAFKA_TOPIC",
        "zipkin",
        "the topics to read, with commas between",
    ),
    setting(
        "KAFKA_GROUP_ID",
        "zipkin",
        "the consumer group to read them in",
    ),
    setting(
        "KAFKA_STREAMS",
        "1",
        "consumers of this process, each on a thread of its own",
    ),
    setting(
        "SPEARGUN_KAFKA_SECURITY_PROTOCOL",
        "PLAINTEXT",
        "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
    ),
    setting(
        "SPEARGUN_KAFKA_SASL_MECHANISM",
        "PLAIN",
        "how the password is proved: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
    ),
    setting("SPEARGUN_KAFKA_USER", "", "the user, with SASL"),
    secret(setting("SPEARGUN_KAFKA_PASSWORD", "", "its password")),
    setting(
        "SPEARGUN_KAFKA_CA_FILE",
        "",
        "certificates to trust with SSL, a file of PEM; the system's when not set",
    ),
    setting(
        "SPEARGUN_KAFKA_CERT_FILE",
        "",
        "the own certificate, a file of PEM",
    ),
    setting(
        "SPEARGUN_KAFKA_KEY_FILE",
        "",
        "the own certificate's key, a file of PEM",
    ),
    setting(
        "RABBIT_ADDRESSES",
        "",
        "where RabbitMQ is, host:port with commas between; nothing is read from it when neither \
         this nor the URI is set",
    ),
    secret(setting(
        "RABBIT_URI",
        "",
        "where RabbitMQ is and as whom, amqp://user:password@host:port/vhost, or amqps for TLS",
    )),
    setting(
        "COLLECTOR_RABBITMQ_ENABLED",
        "true",
        "take spans from RabbitMQ when its place is set",
    ),
    setting("RABBIT_QUEUE", "zipkin", "the queue to read"),
    setting(
        "RABBIT_CONCURRENCY",
        "1",
        "consumers of this process, each on a thread of its own",
    ),
    setting(
        "RABBIT_CONNECTION_TIMEOUT",
        "60000",
        "how long a connection may take to open, in milliseconds",
    ),
    setting("RABBIT_USER", "guest", "the user, with RABBIT_ADDRESSES"),
    secret(setting("RABBIT_PASSWORD", "guest", "its password")),
    setting(
        "RABBIT_VIRTUAL_HOST",
        "/",
        "the virtual host, with RABBIT_ADDRESSES",
    ),
    setting(
        "RABBIT_USE_SSL",
        "false",
        "speak TLS to RabbitMQ, with RABBIT_ADDRESSES",
    ),
    setting(
        "SPEARGUN_RABBIT_CA_FILE",
        "",
        "certificates to trust beside the system's, a file of PEM",
    ),
    setting(
        "SPEARGUN_RABBIT_PREFETCH",
        "256",
        "messages that are under way before the first of them is acknowledged",
    ),
];

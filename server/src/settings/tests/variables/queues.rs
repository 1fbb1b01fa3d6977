//! The same of what is read from queues, which has an effect only beside their places.

use speargun_rabbitmq::Place;

use super::*;

fn kafka(settings: &Settings) -> &KafkaSettings {
    settings.kafka.as_ref().unwrap()
}

fn rabbitmq(settings: &Settings) -> &RabbitSettings {
    settings.rabbitmq.as_ref().unwrap()
}

/// Asked of the place `a` as this user.
fn asks_as(settings: &Settings, (user, password, host): (&str, &str, &str)) -> String {
    let place = Place::of_address("a", false).unwrap();
    let asked = rabbitmq(settings).places == [place.with(user, password, host)];
    asked.to_string()
}

/// They have an effect only beside the place of their queue.
#[rustfmt::skip]
pub(super) const QUEUES: &[Line] = &[
    ("KAFKA_BOOTSTRAP_SERVERS", |s| kafka(s).servers.clone(), "a:1", "b:2, c:3", "b:2,c:3"),
    ("COLLECTOR_KAFKA_ENABLED", |s| s.kafka.is_some().to_string(), "true", "false", "false"),
    ("KAFKA_TOPIC", |s| kafka(s).topics.join("+"), "zipkin", "b, c", "b+c"),
    ("KAFKA_GROUP_ID", |s| kafka(s).group.clone(), "zipkin", "spans", "spans"),
    ("KAFKA_STREAMS", |s| kafka(s).streams.to_string(), "1", "4", "4"),
    (
        "RABBIT_ADDRESSES",
        |s| format!("{:?}", rabbitmq(s).places),
        "[a:5672]", "b:1,c", "[b:1, c:5672]",
    ),
    (
        "RABBIT_URI",
        |s| format!("{:?}", rabbitmq(s).places),
        "[a:5672]", "amqps://u:p@b", "[b:5671]",
    ),
    ("COLLECTOR_RABBITMQ_ENABLED", |s| s.rabbitmq.is_some().to_string(), "true", "false", "false"),
    ("RABBIT_QUEUE", |s| rabbitmq(s).queue.clone(), "zipkin", "spans", "spans"),
    ("RABBIT_CONCURRENCY", |s| rabbitmq(s).concurrency.to_string(), "1", "4", "4"),
    (
        "RABBIT_CONNECTION_TIMEOUT",
        |s| format!("{:?}", rabbitmq(s).connect_within),
        "60s", "500", "500ms",
    ),
    ("RABBIT_USER", |s| asks_as(s, ("me", "guest", "/")), "false", "me", "true"),
    ("RABBIT_PASSWORD", |s| asks_as(s, ("guest", "p", "/")), "false", "p", "true"),
    ("RABBIT_VIRTUAL_HOST", |s| asks_as(s, ("guest", "guest", "v")), "false", "v", "true"),
    ("RABBIT_USE_SSL", |s| rabbitmq(s).places[0].has_tls().to_string(), "false", "true", "true"),
];

#[test]
fn every_variable_of_queues_has_zipkins_default_and_effect() {
    const PLACES: [(&str, &str); 2] = [
        ("KAFKA_BOOTSTRAP_SERVERS", "a:1"),
        ("RABBIT_ADDRESSES", "a"),
    ];
    for (name, shown, default, value, expected) in QUEUES {
        let settings = parse(environment(&PLACES)).unwrap();
        assert_eq!(shown(&settings), *default, "{name} when not set");
        let mut set = PLACES.to_vec();
        set.retain(|(place, _)| place != name);
        set.push((name, value));
        let settings = parse(environment(&set)).unwrap();
        assert_eq!(shown(&settings), *expected, "{name}={value}");
    }
}

#[test]
fn kafka_is_read_when_its_place_is_set() {
    let of = |pairs: &[(&'static str, &'static str)]| parse(environment(pairs)).unwrap().kafka;
    assert!(of(&[]).is_none());
    let servers = ("KAFKA_BOOTSTRAP_SERVERS", "a:1 , b:2");
    assert!(of(&[servers, ("COLLECTOR_KAFKA_ENABLED", "false")]).is_none());
    let kafka = of(&[servers]).unwrap();
    assert_eq!((kafka.servers.as_str(), kafka.streams), ("a:1,b:2", 1));
    assert_eq!(
        (&kafka.topics[..], kafka.group.as_str()),
        (&["zipkin".to_owned()][..], "zipkin")
    );
    assert!(kafka.security.tls.is_none() && kafka.security.login.is_none());
    let kafka = of(&[
        servers,
        ("KAFKA_TOPIC", "a,b"),
        ("ZIPKIN_COLLECTOR_KAFKA_STREAMS", "3"),
        (
            "ZIPKIN_COLLECTOR_KAFKA_OVERRIDES_SECURITY_PROTOCOL",
            "SASL_SSL",
        ),
        ("SPEARGUN_KAFKA_SASL_MECHANISM", "scram-sha-512"),
        ("SPEARGUN_KAFKA_USER", "me"),
        ("SPEARGUN_KAFKA_PASSWORD", "secret"),
        ("SPEARGUN_KAFKA_CA_FILE", "/ca.pem"),
    ])
    .unwrap();
    assert_eq!((kafka.topics.len(), kafka.streams), (2, 3));
    assert_eq!(
        kafka.security.tls.as_ref().unwrap().ca_file.as_deref(),
        Some("/ca.pem")
    );
    assert_eq!(kafka.security.login.as_ref().unwrap().password, "secret");
    assert!(!format!("{kafka:?}").contains("secret"), "{kafka:?}");
}

#[test]
fn rabbitmq_is_read_when_its_place_is_set() {
    let of = |pairs: &[(&'static str, &'static str)]| parse(environment(pairs)).unwrap().rabbitmq;
    assert!(of(&[]).is_none());
    let places = |settings: &RabbitSettings| format!("{:?}", settings.places);
    let rabbit = of(&[("RABBIT_ADDRESSES", "a, b:1"), ("RABBIT_USE_SSL", "true")]).unwrap();
    assert_eq!(places(&rabbit), "[a:5671, b:1]");
    assert_eq!((rabbit.queue.as_str(), rabbit.concurrency), ("zipkin", 1));
    assert_eq!(rabbit.connect_within, Duration::from_mins(1));
    let uri = ("RABBIT_URI", "amqp://me:secret@c:2/traces");
    let rabbit = of(&[("RABBIT_ADDRESSES", "a"), uri]).unwrap();
    assert_eq!(places(&rabbit), "[c:2]");
    assert!(!format!("{rabbit:?}").contains("secret"), "{rabbit:?}");
    assert!(of(&[uri, ("COLLECTOR_RABBITMQ_ENABLED", "false")]).is_none());
}

#[test]
fn wrong_values_of_queues_stop_the_start() {
    for (name, value) in [
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka"),
        ("KAFKA_TOPIC", "a b"),
        ("KAFKA_TOPIC", ","),
        ("KAFKA_STREAMS", "0"),
        ("KAFKA_STREAMS", "65"),
        ("SPEARGUN_KAFKA_SECURITY_PROTOCOL", "TLS"),
        ("SPEARGUN_KAFKA_SASL_MECHANISM", "GSSAPI"),
        ("SPEARGUN_KAFKA_KEY_FILE", "/key.pem"),
        ("RABBIT_ADDRESSES", "a:b"),
        ("RABBIT_URI", "http://a"),
        ("RABBIT_CONCURRENCY", "x"),
        ("SPEARGUN_RABBIT_PREFETCH", "0"),
    ] {
        let text = parse(environment(&[(name, value)]))
            .unwrap_err()
            .to_string();
        assert!(text.starts_with(name), "{text}");
    }
    // What would not be used without a protocol that is not asked for.
    for (name, value, protocol) in [
        ("SPEARGUN_KAFKA_USER", "me", "SSL"),
        ("SPEARGUN_KAFKA_PASSWORD", "secret", "PLAINTEXT"),
        ("SPEARGUN_KAFKA_CA_FILE", "/ca.pem", "PLAINTEXT"),
        ("SPEARGUN_KAFKA_CERT_FILE", "/cert.pem", "SASL_PLAINTEXT"),
        ("SPEARGUN_RABBIT_CA_FILE", "/ca.pem", "SSL"),
    ] {
        let mut pairs = vec![
            ("SPEARGUN_KAFKA_SECURITY_PROTOCOL", protocol),
            ("RABBIT_ADDRESSES", "a"),
            (name, value),
        ];
        if protocol.starts_with("SASL") {
            pairs.push(("SPEARGUN_KAFKA_USER", "me"));
        }
        let text = parse(environment(&pairs)).unwrap_err().to_string();
        assert!(text.starts_with(name) && !text.contains("secret"), "{text}");
    }
    let sasl = [("SPEARGUN_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")];
    let text = parse(environment(&sasl)).unwrap_err().to_string();
    assert!(text.starts_with("SPEARGUN_KAFKA_USER"), "{text}");
}

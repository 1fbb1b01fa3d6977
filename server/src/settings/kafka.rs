//! What concerns Kafka: where it is, what is read, and how to be let in. It connects to nothing.

use speargun_kafka::{Login, Mechanism, Security, Tls};

use super::{SettingError, Texts};

/// What is read from Kafka.
#[derive(Clone, Debug)]
pub(crate) struct KafkaSettings {
    pub(crate) servers: String,
    pub(crate) topics: Vec<String>,
    pub(crate) group: String,
    pub(crate) streams: usize,
    pub(crate) security: Security,
}

/// Threads of one transport; more would only wait for each other.
pub(super) const CONSUMERS_MAX: usize = 64;

impl KafkaSettings {
    /// Reads the texts.
    pub(super) fn parse(texts: &Texts) -> Result<Option<Self>, SettingError> {
        let enabled: bool = texts.get("COLLECTOR_KAFKA_ENABLED")?;
        let servers = texts.get_with(
            "KAFKA_BOOTSTRAP_SERVERS",
            "host:port with commas between",
            |_| {
                let servers = texts.list("KAFKA_BOOTSTRAP_SERVERS");
                let all = servers.iter().all(|server| is_place(server));
                all.then(|| servers.join(","))
            },
        )?;
        let topics = texts.get_with(
            "KAFKA_TOPIC",
            "names of topics with commas between: letters, digits, dots, dashes, underscores",
            |_| {
                let topics = texts.list("KAFKA_TOPIC");
                let valid = !topics.is_empty() && topics.iter().all(|topic| is_topic(topic));
                valid.then_some(topics)
            },
        )?;
        let group = texts.get_with("KAFKA_GROUP_ID", "a name", |text| {
            (!text.is_empty()).then(|| text.to_owned())
        })?;
        let streams = consumers(texts, "KAFKA_STREAMS")?;
        let security = security(texts)?;
        Ok((enabled && !servers.is_empty()).then_some(Self {
            servers,
            topics,
            group,
            streams,
            security,
        }))
    }
}

/// Reads the number of consumers of a transport.
pub(super) fn consumers(texts: &Texts, name: &'static str) -> Result<usize, SettingError> {
    texts.get_with(name, "a whole number, 1 to 64", |text| {
        let number = text.parse().ok();
        number.filter(|n| (1..=CONSUMERS_MAX).contains(n))
    })
}

/// Reads the name of a file that only TLS needs; it may be empty. One that nobody would look at
/// stops the start: who names it believes the connection to be encrypted.
pub(super) fn file_of_tls(
    texts: &Texts,
    name: &'static str,
    tls: bool,
) -> Result<Option<String>, SettingError> {
    texts.get_with(name, "a file, with TLS alone", |file| {
        (tls || file.is_empty()).then(|| (!file.is_empty()).then(|| file.to_owned()))
    })
}

fn security(texts: &Texts) -> Result<Security, SettingError> {
    let protocol = "SPEARGUN_KAFKA_SECURITY_PROTOCOL";
    let allowed = "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL";
    let (tls, sasl) = texts.get_with(protocol, allowed, |text| {
        match text.to_ascii_uppercase().as_str() {
            "PLAINTEXT" => Some((false, false)),
            "SSL" => Some((true, false)),
            "SASL_PLAINTEXT" => Some((false, true)),
            "SASL_SSL" => Some((true, true)),
            _ => None,
        }
    })?;
    let mechanism = texts.get_with(
        "SPEARGUN_KAFKA_SASL_MECHANISM",
        "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
        |text| match text.to_ascii_uppercase().as_str() {
            "PLAIN" => Some(Mechanism::Plain),
            "SCRAM-SHA-256" => Some(Mechanism::ScramSha256),
            "SCRAM-SHA-512" => Some(Mechanism::ScramSha512),
            _ => None,
        },
    )?;
    let user = texts.get_with(
        "SPEARGUN_KAFKA_USER",
        "a user with SASL, and not set without it",
        |text| (sasl != text.is_empty()).then(|| text.to_owned()),
    )?;
    let password = texts.get_with("SPEARGUN_KAFKA_PASSWORD", "set with SASL alone", |text| {
        (sasl || text.is_empty()).then(|| text.to_owned())
    })?;
    let ca_file = file_of_tls(texts, "SPEARGUN_KAFKA_CA_FILE", tls)?;
    let certificate = file_of_tls(texts, "SPEARGUN_KAFKA_CERT_FILE", tls)?;
    let key = texts.get_with(
        "SPEARGUN_KAFKA_KEY_FILE",
        "the key of SPEARGUN_KAFKA_CERT_FILE, and not set without it",
        |text| (text.is_empty() == certificate.is_none()).then(|| text.to_owned()),
    )?;
    Ok(Security {
        tls: tls.then(|| Tls {
            ca_file,
            identity: certificate.map(|certificate| (certificate, key)),
        }),
        login: sasl.then_some(Login {
            mechanism,
            user,
            password,
        }),
    })
}

/// Kafka's clients want a port.
fn is_place(server: &str) -> bool {
    let parts = server.rsplit_once(':');
    parts.is_some_and(|(host, port)| {
        let port = port.parse::<u16>().is_ok_and(|port| port > 0);
        let host = !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
        host && port
    })
}

/// Kafka's own rule.
fn is_topic(topic: &str) -> bool {
    const LEN_MAX: usize = 249;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    topic.len() <= LEN_MAX && topic != "." && topic != ".." && topic.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_a_port_and_topics_plain_names() {
        for good in ["kafka:9092", "10.0.0.1:1", "[::1]:9092"] {
            assert!(is_place(good), "{good}");
        }
        for bad in [
            "kafka",
            ":9092",
            "kafka:",
            "kafka:x",
            "kafka:0",
            "http://kafka:1",
            "a b:1",
        ] {
            assert!(!is_place(bad), "{bad}");
        }
        assert!(is_topic("zipkin-spans_1.a"));
        for bad in ["a b", "..", "a/b", &"x".repeat(250)] {
            assert!(!is_topic(bad), "{bad}");
        }
    }
}

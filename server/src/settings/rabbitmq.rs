//! What concerns RabbitMQ: where it is, as whom it is asked, what is read. It connects to nothing.

use std::time::Duration;

use speargun_rabbitmq::Place;

use super::kafka::{consumers, file_of_tls};
use super::value::Milliseconds;
use super::{SettingError, Texts};

/// What is read from RabbitMQ.
#[derive(Clone, Debug)]
pub(crate) struct RabbitSettings {
    pub(crate) places: Vec<Place>,
    pub(crate) queue: String,
    pub(crate) concurrency: usize,
    pub(crate) connect_within: Duration,
    pub(crate) prefetch: u16,
    pub(crate) ca_file: Option<String>,
}

/// AMQP's bound of a short text.
const NAME_BYTES_MAX: usize = 255;

impl RabbitSettings {
    /// Reads the texts. The URI, when there is one, says all of where and as whom.
    pub(super) fn parse(texts: &Texts) -> Result<Option<Self>, SettingError> {
        let enabled: bool = texts.get("COLLECTOR_RABBITMQ_ENABLED")?;
        let tls: bool = texts.get("RABBIT_USE_SSL")?;
        let mut places = texts.get_with(
            "RABBIT_ADDRESSES",
            "host or host:port with commas between",
            |_| {
                let addresses = texts.list("RABBIT_ADDRESSES");
                let places = addresses.iter().map(|a| Place::of_address(a, tls));
                places.collect::<Option<Vec<_>>>()
            },
        )?;
        let user = |place: Place| {
            place.with(
                texts.text("RABBIT_USER"),
                texts.text("RABBIT_PASSWORD"),
                texts.text("RABBIT_VIRTUAL_HOST"),
            )
        };
        places = places.into_iter().map(user).collect();
        let uri = texts.get_with(
            "RABBIT_URI",
            "amqp://user:password@host:port/vhost, or with amqps",
            |text| match text {
                "" => Some(None),
                text => Place::of_uri(text).map(Some),
            },
        )?;
        if let Some(uri) = uri {
            places = vec![uri];
        }
        let may_have_tls = places.is_empty() || places.iter().any(Place::has_tls);
        let Milliseconds(connect_within) = texts.get("RABBIT_CONNECTION_TIMEOUT")?;
        let settings = Self {
            queue: texts.get_with("RABBIT_QUEUE", "a name of at most 255 bytes", |text| {
                (1..=NAME_BYTES_MAX)
                    .contains(&text.len())
                    .then(|| text.to_owned())
            })?,
            concurrency: consumers(texts, "RABBIT_CONCURRENCY")?,
            connect_within: Duration::from_millis(connect_within),
            prefetch: texts.get_with(
                "SPEARGUN_RABBIT_PREFETCH",
                "a whole number, 1 to 65535",
                |text| text.parse().ok().filter(|n| *n > 0),
            )?,
            ca_file: file_of_tls(texts, "SPEARGUN_RABBIT_CA_FILE", may_have_tls)?,
            places,
        };
        Ok((enabled && !settings.places.is_empty()).then_some(settings))
    }
}

//! Where RabbitMQ is, and as whom it is asked.

use std::time::Duration;

use lapin::uri::{AMQPScheme, AMQPUri};

/// What to read and from where.
#[derive(Clone, Debug)]
pub struct Config {
    /// Servers of one cluster, in the order in which they are tried.
    pub places: Vec<Place>,
    /// The queue.
    pub queue: String,
    /// How long a connection may take to open.
    pub connect_within: Duration,
    /// Messages that RabbitMQ hands out before the first of them is acknowledged.
    pub prefetch: u16,
    /// A file of certificates to trust beside the system's, in PEM.
    pub ca_file: Option<String>,
}

/// A server, and as whom it is asked.
#[derive(Clone, PartialEq, Eq)]
pub struct Place(AMQPUri);

impl Place {
    /// Returns the place that a URI names: `amqp://user:password@host:port/vhost`, with `amqps` for
    /// TLS.
    pub fn of_uri(uri: &str) -> Option<Self> {
        // A URI without an authority is no place; the parser would make it this machine.
        let (_, authority) = uri.split_once("://")?;
        if authority.is_empty() || authority.starts_with('/') {
            return None;
        }
        let uri: AMQPUri = uri.parse().ok()?;
        (!uri.authority.host.is_empty()).then_some(Self(uri))
    }

    /// Returns the place of an address, `host` or `host:port`.
    pub fn of_address(address: &str, tls: bool) -> Option<Self> {
        let scheme = if tls { "amqps" } else { "amqp" };
        let host = address.rsplit_once(']').map_or(address, |(_, port)| port);
        let port = host.rsplit_once(':').map(|(_, port)| port);
        let no_host = host.is_empty() || host.starts_with(':');
        if no_host && !address.contains(']')
            || port.is_some_and(|port| port.parse::<u16>().is_err())
            || address.contains(['/', '@', '?', '#', ' '])
        {
            return None;
        }
        Self::of_uri(&format!("{scheme}://{address}/%2f"))
    }

    /// Returns the place with the user, password and virtual host.
    #[must_use]
    pub fn with(mut self, user: &str, password: &str, virtual_host: &str) -> Self {
        user.clone_into(&mut self.0.authority.userinfo.username);
        password.clone_into(&mut self.0.authority.userinfo.password);
        virtual_host.clone_into(&mut self.0.vhost);
        self
    }

    /// Returns whether the connection is encrypted.
    pub fn has_tls(&self) -> bool {
        self.0.scheme == AMQPScheme::AMQPS
    }

    pub(crate) fn uri(&self) -> AMQPUri {
        self.0.clone()
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.0.authority.host, self.0.authority.port)
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Config {
    pub(crate) fn read_ca(&self) -> Result<Option<String>, String> {
        let Some(file) = &self.ca_file else {
            return Ok(None);
        };
        let read = std::fs::read_to_string(file);
        read.map(Some).map_err(|error| format!("{file}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_taken_from_addresses_and_uris() {
        let shown = |place: Option<Place>| place.map(|p| format!("{p} {}", p.has_tls()));
        let address = |text| shown(Place::of_address(text, false));
        assert_eq!(address("rabbit").as_deref(), Some("rabbit:5672 false"));
        assert_eq!(address("10.0.0.1:1").as_deref(), Some("10.0.0.1:1 false"));
        assert_eq!(
            shown(Place::of_address("rabbit", true)).as_deref(),
            Some("rabbit:5671 true")
        );
        for bad in ["", ":5672", "a:b", "a:70000", "a/b", "u@a", "a b"] {
            assert_eq!(address(bad), None, "{bad:?}");
        }
        let uri = Place::of_uri("amqps://me:p%40ss@host:1/traces").unwrap();
        assert_eq!(format!("{uri:?} {}", uri.has_tls()), "host:1 true");
        assert_eq!(uri.0.vhost, "traces");
        assert_eq!(uri.0.authority.userinfo.password, "p@ss");
        assert_eq!(Place::of_uri("http://host"), None);
        assert_eq!(Place::of_uri("amqp://"), None);
    }

    #[test]
    fn an_address_is_asked_as_the_user_of_the_settings() {
        let place = Place::of_address("a", false).unwrap().with("u", "p", "/v");
        let uri = place.uri();
        assert_eq!(uri.authority.userinfo.username, "u");
        assert_eq!(uri.authority.userinfo.password, "p");
        assert_eq!(uri.vhost, "/v");
    }
}

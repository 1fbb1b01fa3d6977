//! What concerns the registration at Eureka: which registries, and as what. It connects to none.

use std::time::Duration;

use super::value::Value;
use super::{SettingError, Texts};

/// Where and as what the server registers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RegistrySettings {
    /// In the order in which they are tried; none when nothing is registered.
    pub(crate) registries: Vec<RegistryUrl>,
    pub(crate) app_name: String,
    /// Empty when it is made of the others.
    pub(crate) instance_id: String,
    /// Empty when it is the machine's.
    pub(crate) host_name: String,
    pub(crate) renewal_interval: Duration,
}

/// The place of a registry.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RegistryUrl {
    /// As in a Host header.
    pub(crate) authority: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Without a slash at its end.
    pub(crate) path: String,
    /// Name and password with a colon between.
    pub(crate) credentials: Option<String>,
}

impl std::fmt::Debug for RegistryUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

/// More registries than anyone has.
const REGISTRIES_MAX: usize = 16;

impl RegistrySettings {
    /// Reads the texts.
    pub(super) fn parse(texts: &Texts) -> Result<Self, SettingError> {
        let enabled: bool = texts.get("DISCOVERY_EUREKA_ENABLED")?;
        let registries = texts.get_with(
            "EUREKA_SERVICE_URL",
            "URLs as http://user:password@host:8761/eureka with commas between; for https put a \
             proxy in between",
            |_| {
                let parts = texts.list("EUREKA_SERVICE_URL");
                let urls = parts.iter().map(|url| RegistryUrl::parse(url));
                urls.collect::<Option<Vec<_>>>()
                    .filter(|urls| urls.len() <= REGISTRIES_MAX)
            },
        )?;
        let word = |name| {
            let allowed = "a name of ASCII without blanks, slashes and quotes";
            texts.get_with(name, allowed, |text| {
                text.chars().all(is_plain).then(|| text.to_owned())
            })
        };
        let app_name = word("EUREKA_APP_NAME")?;
        let app_name = if app_name.is_empty() {
            "zipkin".to_owned()
        } else {
            app_name
        };
        Ok(Self {
            registries: if enabled { registries } else { Vec::new() },
            app_name,
            instance_id: word("EUREKA_INSTANCE_ID")?,
            host_name: word("EUREKA_HOSTNAME")?,
            renewal_interval: texts.get_with(
                "SPEARGUN_EUREKA_RENEWAL_INTERVAL",
                "a duration from 1s to 10m",
                |text| {
                    let allowed = Duration::from_secs(1)..=Duration::from_mins(10);
                    Duration::parse(text).filter(|interval| allowed.contains(interval))
                },
            )?,
        })
    }
}

impl RegistryUrl {
    /// Reads a URL.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("http://")?;
        let (place, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (credentials, authority) = match place.rsplit_once('@') {
            Some((credentials, authority)) => (Some(decode(credentials)?), authority),
            None => (None, place),
        };
        let valid = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
        let uri: http::uri::Authority = authority.parse().ok()?;
        let host = uri.host().trim_matches(['[', ']']);
        // A port that is no number is no absent one.
        let port = match authority.strip_prefix(uri.host())?.strip_prefix(':') {
            Some(port) => port.parse().ok()?,
            None => 80,
        };
        (!host.is_empty() && valid(path) && !path.contains(['?', '#'])).then(|| Self {
            authority: authority.to_owned(),
            host: host.to_owned(),
            port,
            path: path.trim_end_matches('/').to_owned(),
            credentials,
        })
    }
}

/// What goes into a path, a header and JSON as it is.
fn is_plain(character: char) -> bool {
    character.is_ascii_graphic() && !"/?#%\"\\".contains(character)
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push((high * 16 + low) as u8);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url = RegistryUrl::parse("http://me:p%40ss@peer-1:8761/eureka/v2/").unwrap();
        assert_eq!(url.credentials.as_deref(), Some("me:p@ss"));
        assert_eq!((url.host.as_str(), url.port), ("peer-1", 8761));
        assert_eq!(url.path, "/eureka/v2");
        assert_eq!(format!("{url:?}"), "http://peer-1:8761/eureka/v2");
        let url = RegistryUrl::parse("http://[::1]").unwrap();
        assert_eq!((url.host.as_str(), url.port), ("::1", 80));
        assert_eq!((url.path.as_str(), url.authority.as_str()), ("", "[::1]"));
    }

    #[test]
    fn what_is_no_url_of_a_registry_is_refused() {
        for bad in [
            "",
            "peer-1:8761",
            "https://peer-1/eureka",
            "http://",
            "http:///eureka",
            "http://a:b:c/",
            "http://a:70000/",
            "http://a:/",
            "http://a/b c",
            "http://a/b?c=d",
            "http://u%zz@a/",
        ] {
            assert_eq!(RegistryUrl::parse(bad), None, "{bad:?}");
        }
    }
}

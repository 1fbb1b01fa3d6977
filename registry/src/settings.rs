//! What the operator decides: flags, then variables of the environment, then defaults. The table
//! of all of them is in `docs/registry.md`.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use speargun_runtime::environment;

use crate::book::Rules;
use crate::desk::Bounds;
use crate::http::auth::Credentials;
use crate::peer::find::PeerUrl;

/// The flags. What is not given is looked for in the environment.
#[derive(Clone, Debug, Default, Args)]
pub struct Options {
    /// The port (`SPEARGUN_REGISTRY_PORT`) [default: 8761].
    #[arg(long)]
    port: Option<String>,
    /// The address to listen on (`SPEARGUN_REGISTRY_ADDRESS`) [default: 0.0.0.0].
    #[arg(long)]
    address: Option<String>,
    /// Other registries, as URLs separated by commas (`SPEARGUN_REGISTRY_PEERS`). This one may be
    /// among them.
    #[arg(long)]
    peers: Option<String>,
    /// The folder of the snapshot, or "none" (`SPEARGUN_REGISTRY_DATA`) [default:
    /// speargun-registry].
    #[arg(long)]
    data: Option<String>,
    /// Whether leases are held when many run out at once (`SPEARGUN_REGISTRY_SELF_PRESERVATION`)
    /// [default: true].
    #[arg(long)]
    self_preservation: Option<String>,
    /// The share of promised renewals that must arrive (`SPEARGUN_REGISTRY_RENEWAL_SHARE`)
    /// [default: 0.85].
    #[arg(long)]
    renewal_share: Option<String>,
    /// No buttons on the page (`SPEARGUN_REGISTRY_READ_ONLY`) [default: false].
    #[arg(long)]
    read_only: Option<String>,
    /// The name that everybody has to give (`SPEARGUN_REGISTRY_USER`). The password comes from
    /// `SPEARGUN_REGISTRY_PASSWORD`.
    #[arg(long)]
    user: Option<String>,
    /// A certificate, as PEM, for TLS (`SPEARGUN_REGISTRY_TLS_CERT`).
    #[arg(long)]
    tls_cert: Option<String>,
    /// Its key, as PEM (`SPEARGUN_REGISTRY_TLS_KEY`).
    #[arg(long)]
    tls_key: Option<String>,
    /// Authorities of peers' certificates, as PEM (`SPEARGUN_REGISTRY_PEER_CA`) [default: those of
    /// the system].
    #[arg(long)]
    peer_ca: Option<String>,
    /// Instances at most (`SPEARGUN_REGISTRY_INSTANCES_MAX`) [default: 20000].
    #[arg(long)]
    instances_max: Option<String>,
    /// Bytes of one instance's metadata at most (`SPEARGUN_REGISTRY_METADATA_BYTES_MAX`)
    /// [default: 16384].
    #[arg(long)]
    metadata_bytes_max: Option<String>,
    /// Bytes of a registration at most (`SPEARGUN_REGISTRY_BODY_BYTES_MAX`) [default: 262144].
    #[arg(long)]
    body_bytes_max: Option<String>,
    /// Connections at most (`SPEARGUN_REGISTRY_CONNECTIONS_MAX`) [default: 15000].
    #[arg(long)]
    connections_max: Option<String>,
}

/// Where there are certificate and key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsFiles {
    /// The certificate with its chain.
    pub cert: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// What is in force.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen.
    pub address: IpAddr,
    /// Where to listen; 0 for a free one.
    pub port: u16,
    /// Other registries.
    pub peers: Vec<PeerUrl>,
    /// The folder of the snapshot.
    pub data: Option<PathBuf>,
    /// How the book judges.
    pub rules: Rules,
    /// What one instance may take.
    pub bounds: Bounds,
    /// No buttons.
    pub read_only: bool,
    /// Who may ask.
    pub credentials: Option<Credentials>,
    /// For TLS.
    pub tls: Option<TlsFiles>,
    /// Authorities of peers.
    pub peer_ca: Option<PathBuf>,
    /// Bytes of a registration.
    pub body_bytes_max: usize,
    /// Bytes of a peer's batch.
    pub batch_bytes_max: usize,
    /// Connections.
    pub connections_max: usize,
}

/// A value that is not taken, or a wrong one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SettingError {
    /// It can't be read.
    #[error("{name}: {wanted}, not {text:?}")]
    Value {
        /// The variable's name, which stands for the flag too.
        name: &'static str,
        /// What it should be.
        wanted: String,
        /// What it is.
        text: String,
    },
    /// Two belong together.
    #[error("{0} needs {1}")]
    Needs(&'static str, &'static str),
    /// There is no such variable.
    #[error("there is no setting {0}")]
    Unknown(String),
}

const PREFIX: &str = "SPEARGUN_REGISTRY_";
/// Bytes of a peer's batch: 250 instances of the largest metadata, and as much again.
const BATCH_BYTES_MAX: usize = 8 << 20;

/// The settings' texts by name, the environment behind the flags.
struct Texts(Vec<(&'static str, Option<String>)>);

// === impl Options ===

impl Options {
    /// Returns the settings in force. A variable that begins like ours and is none is an error.
    pub fn settings(
        self,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Settings, SettingError> {
        let mut texts = self.texts();
        for (name, value) in environment {
            if !name.starts_with(PREFIX) || environment::is_service_link(&name, &value) {
                continue;
            }
            let known = texts.0.iter_mut().find(|(own, _)| *own == name);
            let Some((_, text)) = known else {
                return Err(SettingError::Unknown(name));
            };
            text.get_or_insert(value);
        }
        texts.settings()
    }

    fn texts(self) -> Texts {
        Texts(vec![
            ("SPEARGUN_REGISTRY_PORT", self.port),
            ("SPEARGUN_REGISTRY_ADDRESS", self.address),
            ("SPEARGUN_REGISTRY_PEERS", self.peers),
            ("SPEARGUN_REGISTRY_DATA", self.data),
            (
                "SPEARGUN_REGISTRY_SELF_PRESERVATION",
                self.self_preservation,
            ),
            ("SPEARGUN_REGISTRY_RENEWAL_SHARE", self.renewal_share),
            ("SPEARGUN_REGISTRY_READ_ONLY", self.read_only),
            ("SPEARGUN_REGISTRY_USER", self.user),
            ("SPEARGUN_REGISTRY_PASSWORD", None),
            ("SPEARGUN_REGISTRY_TLS_CERT", self.tls_cert),
            ("SPEARGUN_REGISTRY_TLS_KEY", self.tls_key),
            ("SPEARGUN_REGISTRY_PEER_CA", self.peer_ca),
            ("SPEARGUN_REGISTRY_INSTANCES_MAX", self.instances_max),
            (
                "SPEARGUN_REGISTRY_METADATA_BYTES_MAX",
                self.metadata_bytes_max,
            ),
            ("SPEARGUN_REGISTRY_BODY_BYTES_MAX", self.body_bytes_max),
            ("SPEARGUN_REGISTRY_CONNECTIONS_MAX", self.connections_max),
        ])
    }
}

// === impl Texts ===

impl Texts {
    /// Returns a text that is there and not empty.
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(own, _)| *own == name);
        debug_assert!(found.is_some(), "{name} is in the table");
        let text = found.and_then(|(_, text)| text.as_deref());
        text.map(str::trim).filter(|text| !text.is_empty())
    }

    fn value<T: FromStr>(
        &self,
        name: &'static str,
        wanted: &str,
        otherwise: T,
    ) -> Result<T, SettingError> {
        let Some(text) = self.get(name) else {
            return Ok(otherwise);
        };
        text.parse().map_err(|_| SettingError::Value {
            name,
            wanted: wanted.to_owned(),
            text: text.to_owned(),
        })
    }

    fn positive(&self, name: &'static str, otherwise: usize) -> Result<usize, SettingError> {
        const WANTED: &str = "a whole number of at least 1";
        match self.value(name, WANTED, otherwise)? {
            0 => Err(SettingError::Value {
                name,
                wanted: WANTED.to_owned(),
                text: "0".to_owned(),
            }),
            number => Ok(number),
        }
    }

    fn path(&self, name: &'static str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    fn peers(&self) -> Result<Vec<PeerUrl>, SettingError> {
        let name = "SPEARGUN_REGISTRY_PEERS";
        let urls = self.get(name).unwrap_or_default().split(',').map(str::trim);
        let urls = urls.filter(|url| !url.is_empty()).map(|url| {
            PeerUrl::parse(url).map_err(|error| SettingError::Value {
                name,
                wanted: error.to_string(),
                text: String::new(),
            })
        });
        urls.collect()
    }

    fn credentials(&self) -> Result<Option<Credentials>, SettingError> {
        const USER: &str = "SPEARGUN_REGISTRY_USER";
        const PASSWORD: &str = "SPEARGUN_REGISTRY_PASSWORD";
        match (self.get(USER), self.get(PASSWORD)) {
            (None, None) => Ok(None),
            (Some(user), Some(password)) => Ok(Some(Credentials::new(user, password))),
            (Some(_), None) => Err(SettingError::Needs(USER, PASSWORD)),
            (None, Some(_)) => Err(SettingError::Needs(PASSWORD, USER)),
        }
    }

    fn tls(&self) -> Result<Option<TlsFiles>, SettingError> {
        const CERT: &str = "SPEARGUN_REGISTRY_TLS_CERT";
        const KEY: &str = "SPEARGUN_REGISTRY_TLS_KEY";
        match (self.path(CERT), self.path(KEY)) {
            (None, None) => Ok(None),
            (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert, key })),
            (Some(_), None) => Err(SettingError::Needs(CERT, KEY)),
            (None, Some(_)) => Err(SettingError::Needs(KEY, CERT)),
        }
    }

    fn rules(&self) -> Result<Rules, SettingError> {
        const SHARE: &str = "SPEARGUN_REGISTRY_RENEWAL_SHARE";
        let otherwise = Rules::default();
        let wanted = "a share between 0 and 1";
        let share = self.value(SHARE, wanted, otherwise.renewal_share_min)?;
        if !(0.0..=1.0).contains(&share) {
            return Err(SettingError::Value {
                name: SHARE,
                wanted: wanted.to_owned(),
                text: share.to_string(),
            });
        }
        Ok(Rules {
            instances_max: self
                .positive("SPEARGUN_REGISTRY_INSTANCES_MAX", otherwise.instances_max)?,
            self_preservation: self.value(
                "SPEARGUN_REGISTRY_SELF_PRESERVATION",
                "true or false",
                true,
            )?,
            renewal_share_min: share,
        })
    }

    fn settings(&self) -> Result<Settings, SettingError> {
        let everywhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let data = self
            .get("SPEARGUN_REGISTRY_DATA")
            .unwrap_or("speargun-registry");
        Ok(Settings {
            address: self.value("SPEARGUN_REGISTRY_ADDRESS", "an IP address", everywhere)?,
            port: self.value("SPEARGUN_REGISTRY_PORT", "a port", 8761)?,
            peers: self.peers()?,
            data: (data != "none").then(|| PathBuf::from(data)),
            rules: self.rules()?,
            bounds: Bounds {
                metadata_bytes_max: self
                    .positive("SPEARGUN_REGISTRY_METADATA_BYTES_MAX", 16 << 10)?,
            },
            read_only: self.value("SPEARGUN_REGISTRY_READ_ONLY", "true or false", false)?,
            credentials: self.credentials()?,
            tls: self.tls()?,
            peer_ca: self.path("SPEARGUN_REGISTRY_PEER_CA"),
            body_bytes_max: self.positive("SPEARGUN_REGISTRY_BODY_BYTES_MAX", 256 << 10)?,
            batch_bytes_max: BATCH_BYTES_MAX,
            connections_max: self.positive("SPEARGUN_REGISTRY_CONNECTIONS_MAX", 15_000)?,
        })
    }
}

#[cfg(test)]
mod tests;

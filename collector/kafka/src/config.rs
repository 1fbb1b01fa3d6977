//! Where Kafka is, and as whom it is asked. Values were read and checked elsewhere.

use krafka::KrafkaError;
use krafka::auth::{AuthConfig, TlsConfig};

/// What to read and from where.
#[derive(Clone, Debug)]
pub struct Config {
    /// Servers as `host:port`, with commas between.
    pub servers: String,
    /// The topics.
    pub topics: Vec<String>,
    /// The consumer group, whose members share the partitions.
    pub group: String,
    /// How to be let in.
    pub security: Security,
    /// Bytes of a batch of messages after unpacking.
    pub inflated_bytes_max: usize,
}

/// How to be let in.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// Encrypts the connection, when it is set.
    pub tls: Option<Tls>,
    /// Says who it is, when it is set.
    pub login: Option<Login>,
}

/// How a connection is encrypted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tls {
    /// A file of certificates to trust, in PEM; the system's when there is none.
    pub ca_file: Option<String>,
    /// Files of the own certificate and its key, in PEM.
    pub identity: Option<(String, String)>,
}

/// Who it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// How the password is proved.
    pub mechanism: Mechanism,
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

/// How a password is proved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mechanism {
    /// Told as it is.
    Plain,
    /// By SCRAM-SHA-256.
    ScramSha256,
    /// By SCRAM-SHA-512.
    ScramSha512,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("mechanism", &self.mechanism)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Returns what is wrong, with the place at which it is wrong.
    pub(crate) fn words(&self, error: &KrafkaError) -> String {
        let mut words = format!("{}: {error}", self.servers);
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            let text = error.to_string();
            if !words.contains(&text) {
                words = format!("{words}: {text}");
            }
            cause = error.source();
        }
        words
    }
}

impl Security {
    /// Returns the client's form, `None` when nothing is asked for.
    pub(crate) fn authentication(&self) -> Option<AuthConfig> {
        let login = self.login.as_ref().map(|login| {
            let (user, password) = (&login.user, &login.password);
            match login.mechanism {
                Mechanism::Plain => AuthConfig::sasl_plain(user, password),
                Mechanism::ScramSha256 => AuthConfig::sasl_scram_sha256(user, password),
                Mechanism::ScramSha512 => AuthConfig::sasl_scram_sha512(user, password),
            }
        });
        let tls = self.tls.as_ref().map(Tls::trust);
        match (login, tls) {
            (Some(login), Some(tls)) => Some(login.with_tls(tls)),
            (Some(login), None) => Some(login),
            (None, Some(tls)) => Some(AuthConfig::ssl(tls)),
            (None, None) => None,
        }
    }
}

impl Tls {
    fn trust(&self) -> TlsConfig {
        let mut tls = match &self.ca_file {
            Some(file) => TlsConfig::new().with_ca_cert(file),
            None => TlsConfig::new().with_native_roots(),
        };
        if let Some((certificate, key)) = &self.identity {
            tls = tls.with_client_cert(certificate, key);
        }
        tls
    }
}

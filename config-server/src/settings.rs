//! What the operator decides: Spring's own names, in a file of YAML or properties, in variables of
//! the environment, or on the command line. A name of ours or of Spring's configuration server that
//! nobody knows stops the start.
//!
//! # Layout
//!
//! - `keys`: texts by name, in whatever spelling; `texts` are what was given, `variables` those of
//!   the environment.
//! - `backends`: git, folders, several of them.
//! - `answers`: how answers are made.

pub mod answers;
mod backends;
mod keys;
mod texts;
mod variables;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use crate::api::auth::Auth;
use crate::api::monitor::Webhooks;
use crate::api::serve::PATIENCE;
use crate::cipher::{DEFAULT_SALT, KeyText, Padding, RsaForm};
use crate::document::{Bounds, Document};
use crate::refresh::RefreshConfig;
use crate::snapshot::Limits;
use crate::source::config::Backend;
use answers::Answers;

pub use keys::{Keys, Sources};

/// Other servers are not waited for any longer before applications are told.
const OTHERS_FETCH_WITHIN_MAX: Duration = Duration::from_mins(1);

/// Why the start stops.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SettingError {
    /// Nobody knows the name.
    #[error("{0} is no setting of the configuration server")]
    Unknown(String),
    /// The value can't be read.
    #[error("{name} is {value:?}, but must be {allowed}")]
    Wrong {
        /// The name.
        name: String,
        /// The value.
        value: String,
        /// What would do.
        allowed: &'static str,
    },
    /// It keeps others out, and would keep out nobody.
    #[error("{0} is empty and would let everybody in: give it a value, or leave it out")]
    Empty(String),
    /// It can't be honoured here.
    #[error("{name}: {advice}")]
    Unsupported {
        /// The name.
        name: String,
        /// What to do instead.
        advice: &'static str,
    },
    /// The file can't be read.
    #[error("{0}")]
    File(String),
}

/// The settings, valid.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// Certificate and key in PEM, for TLS.
    pub tls: Option<(String, String)>,
    /// A path in front of all others.
    pub prefix: String,
    /// Whether an environment without sources is an answer.
    pub accept_empty: bool,
    /// In their order.
    pub backends: Vec<Backend>,
    /// Stronger than all files.
    pub overrides: Option<Arc<Document>>,
    /// How answers are made.
    pub answers: Answers,
    /// The key, when there is one.
    pub key: Option<KeyText>,
    /// Whether values are decrypted here.
    pub decrypts: bool,
    /// Whether a value that can't be decrypted stops an answer.
    pub fails_on_undecryptable: bool,
    /// Who may ask.
    pub auth: Auth,
    /// Whose webhooks are believed.
    pub webhooks: Webhooks,
    /// How applications are refreshed.
    pub refresh: RefreshConfig,
    /// Registration at Eureka.
    pub registration: Registration,
    /// How much a file may hold.
    pub bounds: Bounds,
    /// How much a snapshot may hold.
    pub limits: Limits,
    /// Connections at a time.
    pub connections_max: usize,
    /// Bytes of a request's body.
    pub body_bytes_max: usize,
    /// How long a client may be silent.
    pub patience: Duration,
    /// Names that were given and mean nothing here.
    pub notes: Vec<String>,
}

/// As what the server registers, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    /// Registries of Eureka; none for no registration.
    pub registries: Vec<String>,
    /// The application.
    pub application: String,
    /// Empty when it is made of the others.
    pub instance_id: String,
    /// Empty when it is the machine's.
    pub host_name: String,
    /// What clients are told beside: a prefix, user and password.
    pub metadata: Vec<(String, String)>,
}

impl Settings {
    /// Reads settings.
    pub fn read(sources: &Sources) -> Result<Self, SettingError> {
        let mut keys = Keys::read(sources)?;
        let mut settings = Self::of(&mut keys)?;
        settings.notes = keys.finish()?;
        Ok(settings)
    }

    fn of(keys: &mut Keys) -> Result<Self, SettingError> {
        let auth = auth(keys)?;
        let prefix = keys
            .text("spring.cloud.config.server.prefix")
            .unwrap_or_default();
        let prefix = match prefix.trim_matches('/') {
            "" => String::new(),
            inner => format!("/{inner}"),
        };
        let registries = registries(keys)?;
        let backends = backends::read(keys)?;
        let registration = registration(keys, registries.clone(), &prefix)?;
        Ok(Self {
            address: keys
                .parsed("server.address", "an address", |text| text.parse().ok())?
                .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            port: keys
                .parsed("server.port", "a port", |text| text.parse().ok())?
                .unwrap_or(8888),
            tls: tls(keys)?,
            accept_empty: keys
                .switch("spring.cloud.config.server.accept-empty")?
                .unwrap_or(true),
            overrides: answers::overrides(keys),
            answers: answers::read(keys)?,
            key: key(keys)?,
            decrypts: keys
                .switch("spring.cloud.config.server.encrypt.enabled")?
                .unwrap_or(true),
            fails_on_undecryptable: keys.switch("encrypt.fail-on-error")?.unwrap_or(true),
            webhooks: webhooks(keys)?,
            refresh: RefreshConfig {
                registries,
                own_application: registration.application.clone(),
                others_fetch_within: others_fetch_within(&backends),
                ..refresh(keys)?
            },
            registration,
            backends,
            auth,
            prefix,
            bounds: Bounds {
                bytes_max: keys.count("speargun.config.file-bytes-max", 4 << 20)?,
                ..Bounds::default()
            },
            limits: Limits {
                file_bytes_max: keys.count("speargun.config.file-bytes-max", 4 << 20)?,
                files_max: keys.count("speargun.config.files-max", 100_000)?,
                bytes_max: keys.count("speargun.config.snapshot-bytes-max", 256 << 20)?,
            },
            connections_max: keys.count("speargun.config.connections-max", 10_000)?,
            body_bytes_max: keys.count("speargun.config.body-bytes-max", 8 << 20)?,
            patience: PATIENCE,
            notes: Vec::new(),
        })
    }
}

fn auth(keys: &mut Keys) -> Result<Auth, SettingError> {
    let name = keys.text("spring.security.user.name");
    let password = keys.secret("spring.security.user.password")?;
    let tokens = keys.secrets("speargun.config.tokens")?;
    if name.is_some() && password.is_none() && tokens.is_empty() {
        return Err(SettingError::Unsupported {
            name: "spring.security.user.name".to_owned(),
            advice: "without a password everybody would be let in: set \
                     spring.security.user.password, or leave the name out",
        });
    }
    let name = name.unwrap_or_else(|| "user".to_owned());
    let users = password.map(|password| (name, password));
    Ok(Auth {
        users: users.into_iter().collect(),
        tokens,
    })
}

fn tls(keys: &mut Keys) -> Result<Option<(String, String)>, SettingError> {
    if keys.text("server.ssl.key-store").is_some() {
        return Err(SettingError::Unsupported {
            name: "server.ssl.key-store".to_owned(),
            advice: "key stores are not read: set server.ssl.certificate and \
                     server.ssl.certificate-private-key to files in PEM",
        });
    }
    let enabled = keys.switch("server.ssl.enabled")?.unwrap_or(true);
    let certificate = keys.text("server.ssl.certificate");
    let private = keys.text("server.ssl.certificate-private-key");
    Ok(certificate.zip(private).filter(|_| enabled))
}

fn key(keys: &mut Keys) -> Result<Option<KeyText>, SettingError> {
    let salt = keys
        .text("encrypt.salt")
        .unwrap_or_else(|| DEFAULT_SALT.to_owned());
    let form = RsaForm {
        salt: keys
            .text("encrypt.rsa.salt")
            .unwrap_or_else(|| DEFAULT_SALT.to_owned()),
        strong: keys.switch("encrypt.rsa.strong")?.unwrap_or(false),
        padding: keys
            .parsed(
                "encrypt.rsa.algorithm",
                "DEFAULT or OAEP",
                |text| match text.to_ascii_uppercase().as_str() {
                    "DEFAULT" => Some(Padding::Pkcs1),
                    "OAEP" => Some(Padding::Oaep),
                    _ => None,
                },
            )?
            .unwrap_or(Padding::Pkcs1),
    };
    for unused in ["alias", "password", "secret", "type"] {
        keys.text(&format!("encrypt.key-store.{unused}"));
    }
    if let Some(location) = keys.text("encrypt.key-store.location") {
        let path = location.strip_prefix("file:").unwrap_or(&location);
        let path = path.strip_prefix("//").unwrap_or(path);
        if std::path::Path::new(path)
            .extension()
            .is_none_or(|ending| ending != "pem")
        {
            return Err(SettingError::Unsupported {
                name: "encrypt.key-store.location".to_owned(),
                advice: "only a private key in PEM is read, in a file that ends in .pem: make it \
                         with `keytool -importkeystore -deststoretype pkcs12` and `openssl pkcs12 \
                         -nocerts -nodes`",
            });
        }
        let text = std::fs::read_to_string(path)
            .map_err(|error| SettingError::File(format!("{path} can't be read: {error}")))?;
        return Ok(Some(KeyText {
            text,
            salt,
            rsa: Some(form),
        }));
    }
    let text = keys.text("encrypt.key").filter(|text| !text.is_empty());
    // As in Spring, what is said of RSA does not count for a key that is given as a text.
    Ok(text.map(|text| KeyText {
        text,
        salt,
        rsa: None,
    }))
}

fn webhooks(keys: &mut Keys) -> Result<Webhooks, SettingError> {
    let mut secret = |name: &str| keys.secret(&format!("speargun.config.webhooks.{name}.secret"));
    Ok(Webhooks {
        github: secret("github")?,
        gitlab: secret("gitlab")?,
        gitee: secret("gitee")?,
        bitbucket: secret("bitbucket")?,
    })
}

fn refresh(keys: &mut Keys) -> Result<RefreshConfig, SettingError> {
    let default = RefreshConfig::default();
    let user = keys.text("speargun.config.refresh.user");
    let password = keys
        .text("speargun.config.refresh.password")
        .unwrap_or_default();
    Ok(RefreshConfig {
        at_once: keys.count("speargun.config.refresh.at-once", default.at_once)?,
        pause: keys
            .duration("speargun.config.refresh.pause")?
            .unwrap_or(default.pause),
        timeout: keys
            .duration("speargun.config.refresh.timeout")?
            .unwrap_or(default.timeout),
        on_change: keys
            .switch("speargun.config.refresh.on-change")?
            .unwrap_or(false),
        credentials: user.map(|user| (user, password)),
        ..default
    })
}

/// Returns how long other servers of these settings take until they have fetched by themselves, of
/// which there is no telling for those that wait for webhooks; no longer than anybody should wait.
fn others_fetch_within(backends: &[Backend]) -> Duration {
    let mut longest = Duration::ZERO;
    for backend in backends {
        match backend {
            Backend::Git { default, others } => {
                let all = others.iter().chain([&**default]);
                longest = longest.max(all.filter_map(|git| git.refresh).max().unwrap_or_default());
            }
            Backend::Native(native) => longest = longest.max(native.refresh),
        }
    }
    longest.min(OTHERS_FETCH_WITHIN_MAX)
}

fn registries(keys: &mut Keys) -> Result<Vec<String>, SettingError> {
    let enabled = keys.switch("eureka.client.enabled")?.unwrap_or(true);
    let urls = keys.list("eureka.client.service-url.defaultZone");
    Ok(if enabled { urls } else { Vec::new() })
}

fn registration(
    keys: &mut Keys,
    registries: Vec<String>,
    prefix: &str,
) -> Result<Registration, SettingError> {
    let registers = keys
        .switch("eureka.client.register-with-eureka")?
        .unwrap_or(true);
    let mut metadata = keys.below("eureka.instance.metadata-map");
    if !prefix.is_empty() && !metadata.iter().any(|(name, _)| name == "configPath") {
        metadata.push(("configPath".to_owned(), prefix.to_owned()));
    }
    Ok(Registration {
        registries: if registers { registries } else { Vec::new() },
        application: keys
            .text("spring.application.name")
            .unwrap_or_else(|| "configserver".to_owned()),
        instance_id: keys.text("eureka.instance.instance-id").unwrap_or_default(),
        host_name: keys.text("eureka.instance.hostname").unwrap_or_default(),
        metadata,
    })
}

#[cfg(test)]
mod tests;

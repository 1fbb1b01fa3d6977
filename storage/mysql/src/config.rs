//! Where the database is and how it is used. It reads no environment: the caller hands variables
//! in.

use std::path::PathBuf;
use std::time::Duration;

use speargun_storage::IdMode;

mod jdbc;

/// What the engine is made from. Its `Debug` does not show the password.
#[derive(Clone)]
pub struct Config {
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who we are there; empty is nobody.
    pub user: String,
    /// The password; empty is none.
    pub password: String,
    /// The database.
    pub database: String,
    /// How many connections at most.
    pub connections_max: usize,
    /// Whether connections are encrypted.
    pub tls: Tls,
    /// Whether missing tables are made.
    pub creates_tables: bool,
    /// What texts are in tables that are made.
    pub new_texts: Texts,
    /// How trace ids are compared.
    pub id_mode: IdMode,
    /// Tags whose values are listed.
    pub autocomplete_keys: Vec<String>,
    /// Bytes of spans that one answer may take.
    pub answer_bytes: usize,
    /// How long the server may take to answer one statement that stores spans. It is longer than
    /// the server's own wait for a lock, 50 seconds, which tells more.
    pub patience: Duration,
}

/// Encryption of connections.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tls {
    /// None.
    Off,
    /// Encrypted, to a server that is not asked who it is.
    Unverified,
    /// Encrypted, to a server whose certificate is signed by one of these (a PEM file), or by one
    /// that the public web trusts.
    Verified(Option<PathBuf>),
}

/// Character set and collation of the columns of text. Both can be shared with Zipkin's server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Texts {
    /// `utf8`, `utf8_general_ci`: as in Zipkin's `mysql.sql`. Characters beyond the BMP have no
    /// place in names, and names that differ in case or accents are the same to the server.
    #[default]
    Zipkins,
    /// `utf8mb4`, `utf8mb4_bin`: names are what they are.
    Exact,
}

/// A value that can't be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct ConfigError {
    /// The variable.
    pub name: &'static str,
    /// What is wrong with it; never shows a password.
    pub problem: String,
}

impl Default for Config {
    /// Zipkin's defaults.
    fn default() -> Self {
        Self {
            host: "localhost".into(),
            port: 3306,
            user: String::new(),
            password: String::new(),
            database: "zipkin".into(),
            connections_max: 10,
            tls: Tls::Off,
            creates_tables: true,
            new_texts: Texts::Zipkins,
            id_mode: IdMode::Strict,
            autocomplete_keys: Vec::new(),
            answer_bytes: 512 << 20,
            patience: Duration::from_mins(1),
        }
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("address", &format!("{}:{}", self.host, self.port))
            .field("user", &self.user)
            .field("database", &self.database)
            .field("connections_max", &self.connections_max)
            .field("tls", &self.tls)
            .field("creates_tables", &self.creates_tables)
            .field("new_texts", &self.new_texts)
            .field("id_mode", &self.id_mode)
            .finish_non_exhaustive()
    }
}

/// The most connections one process may open.
const CONNECTIONS_MAX: usize = 1000;

impl Config {
    /// Reads Zipkin's variables; an empty one counts as absent, as in Zipkin.
    pub fn from_variables(
        variable: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let get = |name| variable(name).filter(|value| !value.is_empty());
        let mut config = Self::default();
        for (name, place) in [
            ("MYSQL_HOST", &mut config.host),
            ("MYSQL_USER", &mut config.user),
            ("MYSQL_PASS", &mut config.password),
            ("MYSQL_DB", &mut config.database),
        ] {
            if let Some(value) = get(name) {
                *place = value;
            }
        }
        if let Some(port) = get("MYSQL_TCP_PORT") {
            config.port = parse_port(&port).ok_or_else(|| ConfigError {
                name: "MYSQL_TCP_PORT",
                problem: format!("{port:?} is no port"),
            })?;
        }
        if let Some(max) = get("MYSQL_MAX_CONNECTIONS") {
            let parsed = max.parse().ok();
            let inside = parsed.filter(|max| (1..=CONNECTIONS_MAX).contains(max));
            config.connections_max = inside.ok_or_else(|| ConfigError {
                name: "MYSQL_MAX_CONNECTIONS",
                problem: format!("{max:?} is not within 1 and {CONNECTIONS_MAX}"),
            })?;
        }
        config.tls = match get("MYSQL_USE_SSL").as_deref() {
            None | Some("false") => Tls::Off,
            Some("true") => Tls::Verified(None),
            Some(other) => {
                return Err(ConfigError {
                    name: "MYSQL_USE_SSL",
                    problem: format!("{other:?} is neither true nor false"),
                });
            }
        };
        if let Some(url) = get("MYSQL_JDBC_URL") {
            jdbc::apply(&url, &mut config).map_err(|problem| ConfigError {
                name: "MYSQL_JDBC_URL",
                problem,
            })?;
        }
        Ok(config)
    }
}

fn parse_port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests;

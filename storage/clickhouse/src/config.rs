//! Where the server is and how it is used, and the variables that say so. It reads no environment:
//! whoever starts the process does.

use std::fmt;
use std::time::Duration;

use speargun_storage::IdMode;

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "***" })
    }
}

/// Whether searches for tags skip what can't hold them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TagIndex {
    /// Tags are searched without an index: the least disk.
    None,
    /// A Bloom filter of keys and one of values in each granule.
    #[default]
    Bloom,
}

impl TagIndex {
    /// Returns the index of this name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self::None),
            "bloom" => Some(Self::Bloom),
            _ => None,
        }
    }
}

/// Configuration of a [`crate::ClickHouse`].
#[derive(Clone, Debug)]
pub struct Config {
    /// HTTP interfaces, `http://` or `https://`; the next is asked when one can't be reached.
    pub urls: Vec<String>,
    /// The user.
    pub user: String,
    /// The user's password.
    pub password: Secret,
    /// The database, made when it is missing.
    pub database: String,
    /// The cluster on whose servers the tables are made; none for a single server.
    pub cluster: Option<String>,
    /// Whether tables are made and changed; otherwise they are only checked.
    pub manage_schema: bool,
    /// Days after their arrival when spans are deleted; none keeps them.
    pub retention_days: Option<u32>,
    /// Whether a list is on the server's disk before it is confirmed, not only in its memory.
    /// Decides only when tables are made.
    pub sync: bool,
    /// How tags are indexed. Decides only when tables are made.
    pub tag_index: TagIndex,
    /// Whether links are found in the background and answered from their table.
    pub links: bool,
    /// How long ago lists came when they are linked: those that are longer on their way are linked
    /// by themselves, at a higher price.
    pub link_lag: Duration,
    /// How trace ids are compared.
    pub id_mode: IdMode,
    /// Tag keys whose values are listed.
    pub autocomplete_keys: Vec<String>,
    /// Bytes of memory that the spans of one answer may take.
    pub answer_bytes: usize,
    /// Spans up to which a search looks at all of them instead of an hour around the window.
    pub small_store_spans: u64,
    /// How long a list may take to be stored before it is called unavailable.
    pub store_timeout: Duration,
    /// How long a query without a deadline of its own may take.
    pub query_timeout: Duration,
}

impl Config {
    /// Returns the defaults for a server.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            urls: vec![url.into()],
            user: "default".into(),
            password: Secret::default(),
            database: "speargun".into(),
            cluster: None,
            manage_schema: true,
            retention_days: Some(7),
            sync: true,
            tag_index: TagIndex::default(),
            links: true,
            link_lag: Duration::from_secs(10),
            id_mode: IdMode::Strict,
            autocomplete_keys: Vec::new(),
            answer_bytes: 512 << 20,
            small_store_spans: 500_000,
            store_timeout: Duration::from_mins(1),
            query_timeout: Duration::from_mins(1),
        }
    }

    /// Returns what is wrong with the values, before any server is asked. Names that become part
    /// of statements hold letters, digits and underscores only: identifiers can't be parameters.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.urls.is_empty() {
            return Err(ConfigError::NoUrl);
        }
        for url in &self.urls {
            let host = ["http://", "https://"]
                .iter()
                .find_map(|scheme| url.strip_prefix(scheme));
            let plain = |host: &str| !host.is_empty() && !host.contains(['@', '?', '#', ' ']);
            if !host.is_some_and(plain) {
                return Err(ConfigError::Url(without_password(url)));
            }
        }
        let names = [Some(&self.database), self.cluster.as_ref()];
        for name in names.into_iter().flatten() {
            if !is_identifier(name) {
                return Err(ConfigError::Name(name.clone()));
            }
        }
        if self.retention_days == Some(0) {
            return Err(ConfigError::Retention);
        }
        Ok(())
    }
}

/// Cuts off what may be a password.
fn without_password(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((_, host)) => format!("***@{host}"),
        None => url.to_owned(),
    }
}

fn is_identifier(name: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=64).contains(&name.len())
        && name.bytes().all(word)
        && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// What is wrong with a [`Config`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is none.
    #[error("CLICKHOUSE_URL is empty")]
    NoUrl,
    /// It has another form.
    #[error(
        "CLICKHOUSE_URL holds {0:?}, but must be http://host:port or https://host:port, with user \
         and password in CLICKHOUSE_USER and CLICKHOUSE_PASSWORD"
    )]
    Url(String),
    /// It can't stand in a statement.
    #[error(
        "{0:?} is no name of a database or cluster: letters, digits and underscores, at most 64"
    )]
    Name(String),
    /// Nothing would be kept.
    #[error("CLICKHOUSE_RETENTION_DAYS is 0, which keeps nothing")]
    Retention,
}

/// A variable of the environment.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// The value when nobody sets it.
    pub default: &'static str,
    /// What it does.
    pub meaning: &'static str,
    /// Whether its value is hidden where settings are shown.
    pub secret: bool,
}

const fn variable(name: &'static str, default: &'static str, meaning: &'static str) -> Variable {
    Variable {
        name,
        default,
        meaning,
        secret: false,
    }
}

/// What whoever starts the process reads into a [`Config`].
pub const VARIABLES: &[Variable] = &[
    variable(
        "CLICKHOUSE_URL",
        "http://localhost:8123",
        "the HTTP interfaces of the servers, separated by commas; https:// for TLS",
    ),
    variable("CLICKHOUSE_USER", "default", "the user"),
    Variable {
        secret: true,
        ..variable("CLICKHOUSE_PASSWORD", "", "the user's password")
    },
    variable(
        "CLICKHOUSE_DATABASE",
        "speargun",
        "the database, made when it is missing",
    ),
    variable(
        "CLICKHOUSE_CLUSTER",
        "",
        "the cluster on which replicated and distributed tables are made; empty for one server",
    ),
    variable(
        "CLICKHOUSE_SCHEMA",
        "true",
        "whether tables are made and changed; false only checks them",
    ),
    variable(
        "CLICKHOUSE_RETENTION_DAYS",
        "7",
        "days after their arrival when spans are deleted; off keeps them",
    ),
    variable(
        "CLICKHOUSE_SYNC",
        "true",
        "whether tables that are made sync a list to disk before it is confirmed; false is faster \
         and loses the last seconds when the server's machine fails, unless replicas have them",
    ),
    variable(
        "CLICKHOUSE_TAG_INDEX",
        "bloom",
        "the index of tags in tables that are made: bloom or none",
    ),
    variable(
        "CLICKHOUSE_LINKS",
        "true",
        "find links between services in the background, one process of several; false computes \
         them from spans whenever they are asked for",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn with_url(url: &str) -> Result<(), ConfigError> {
        Config::new(url).validate()
    }

    #[test]
    fn urls_have_a_scheme_and_no_password() {
        assert_eq!(with_url("http://localhost:8123"), Ok(()));
        assert_eq!(with_url("https://a.b/path"), Ok(()));
        for wrong in ["", "localhost:8123", "tcp://a", "http://", "http://a?x=1"] {
            assert_eq!(with_url(wrong), Err(ConfigError::Url(wrong.into())));
        }
        let text = with_url("http://me:secret@host").unwrap_err().to_string();
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn the_manual_names_every_variable_and_default() {
        let manual = include_str!("../../../docs/clickhouse.md");
        let rows = manual
            .lines()
            .filter(|line| line.starts_with("| `CLICKHOUSE_"));
        let written: Vec<(&str, &str)> = rows
            .map(|row| {
                let mut cells = row.split('|').map(|cell| cell.trim().trim_matches('`'));
                cells.next();
                (cells.next().unwrap(), cells.next().unwrap())
            })
            .collect();
        let all: Vec<(&str, &str)> = VARIABLES.iter().map(|v| (v.name, v.default)).collect();
        assert_eq!(written, all);
    }

    #[test]
    fn names_can_stand_in_statements() {
        let with = |name: &str| {
            let config = Config {
                database: name.into(),
                ..Config::new("http://a")
            };
            config.validate().is_ok()
        };
        assert!(with("spans_2"));
        for wrong in ["", "2a", "a-b", "a`; DROP", "a.b", &"x".repeat(65)] {
            assert!(!with(wrong), "{wrong}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        let config = Config {
            password: Secret("hunter2".into()),
            ..Config::new("http://a")
        };
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}

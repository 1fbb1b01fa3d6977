//! What there is to say about a source, with Spring's defaults where Spring has one.

use std::path::PathBuf;
use std::time::Duration;

/// A git repository.
#[derive(Clone, PartialEq, Eq)]
pub struct GitConfig {
    /// Its name among others; empty for the default.
    pub name: String,
    /// Where it is; may hold `{application}`, `{profile}` and `{label}` in its path.
    pub uri: String,
    /// Which applications and profiles it is for; its name when there are none.
    pub patterns: Vec<String>,
    /// Folders beside its root.
    pub search_paths: Vec<String>,
    /// The branch of requests without label.
    pub default_label: String,
    /// Whether `master` will do where there is no `main`.
    pub try_master: bool,
    /// The folder of clones; `None` for one of this process.
    pub base: Option<PathBuf>,
    /// How to be let in.
    pub access: Access,
    /// How long the remote may be silent, and a request wait for the first commit.
    pub timeout: Duration,
    /// How often it is fetched; `None` for never, by itself.
    pub refresh: Option<Duration>,
}

/// How to be let in by a remote.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// A user's name.
    pub user: String,
    /// A password or token.
    pub password: String,
    /// A private key for ssh, in PEM.
    pub private_key: String,
    /// The hosts that are known to ssh.
    pub known_hosts: Option<PathBuf>,
    /// Whether ssh speaks to unknown hosts.
    pub any_host: bool,
    /// Whether certificates are not checked.
    pub any_certificate: bool,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for GitConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GitConfig")
            .field("name", &self.name)
            .field("uri", &shown(&self.uri))
            .finish_non_exhaustive()
    }
}

impl Default for GitConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            uri: String::new(),
            patterns: Vec::new(),
            search_paths: Vec::new(),
            default_label: "main".to_owned(),
            try_master: true,
            base: None,
            access: Access::default(),
            timeout: Duration::from_secs(5),
            refresh: Some(Duration::from_secs(5)),
        }
    }
}

/// A folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NativeConfig {
    /// Folders, with `file:` in front or without, the weakest first; may hold `{application}`,
    /// `{profile}` and `{label}`. With `optional:` in front it is well when there is none.
    pub search_locations: Vec<String>,
    /// Whether the label is also a folder within those without placeholders.
    pub label_locations: bool,
    /// The label of requests without one.
    pub default_label: String,
    /// The version of answers.
    pub version: Option<String>,
    /// How often it is read.
    pub refresh: Duration,
}

impl Default for NativeConfig {
    fn default() -> Self {
        Self {
            search_locations: Vec::new(),
            label_locations: true,
            default_label: "master".to_owned(),
            version: None,
            refresh: Duration::from_secs(1),
        }
    }
}

/// One of several sources.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Backend {
    /// A repository, and those for some applications alone.
    Git {
        /// For whoever matches no other.
        default: Box<GitConfig>,
        /// In the order in which they are tried.
        others: Vec<GitConfig>,
    },
    /// Folders.
    Native(NativeConfig),
}

/// Returns an address without the password or token that may be in it.
pub fn shown(uri: &str) -> String {
    crate::secret::without_credentials(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_passwords() {
        let cases = [
            ("https://u:p@h/x", "https://u:***@h/x"),
            ("https://token@h/x", "https://***@h/x"),
            ("ssh://git@h/x", "ssh://git@h/x"),
            ("https://h/x@y:z", "https://h/x@y:z"),
            ("git@h:x/y", "git@h:x/y"),
            ("https://u:p:q@h", "https://u:***@h"),
        ];
        for (uri, expected) in cases {
            assert_eq!(shown(uri), expected);
        }
        let config = GitConfig {
            uri: "https://u:secret@h/x".to_owned(),
            ..GitConfig::default()
        };
        assert!(!format!("{config:?}").contains("secret"));
    }
}

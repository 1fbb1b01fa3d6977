//! What is set of the databases that spans may be kept in. The engines read the texts of theirs.

use std::time::Duration;

use super::SettingError;
use super::sources::Texts;
use super::table;
use super::value::RetentionAge;

/// Texts of the settings of databases, and those of them that are ours.
#[derive(Clone)]
pub(crate) struct DatabaseSettings {
    texts: Vec<(&'static str, String)>,
    pub(crate) mysql_schema: bool,
    /// Whether texts in tables that are made are exact, not as Zipkin's.
    pub(crate) mysql_exact_texts: bool,
    pub(crate) mysql_links: bool,
    pub(crate) mysql_retention: Option<Duration>,
}

impl std::fmt::Debug for DatabaseSettings {
    /// Passwords are among the texts.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatabaseSettings").finish_non_exhaustive()
    }
}

impl DatabaseSettings {
    pub(super) fn parse(texts: &Texts) -> Result<Self, SettingError> {
        let names = table::all().map(|setting| setting.name);
        let ours = names.filter(|n| n.starts_with("MYSQL_") || n.starts_with("CLICKHOUSE_"));
        Ok(Self {
            texts: ours.map(|n| (n, texts.text(n).to_owned())).collect(),
            mysql_schema: texts.get("SPEARGUN_MYSQL_SCHEMA")?,
            mysql_exact_texts: texts.get_with(
                "SPEARGUN_MYSQL_TEXTS",
                "zipkin or exact",
                |text| match text {
                    "zipkin" => Some(false),
                    "exact" => Some(true),
                    _ => None,
                },
            )?,
            mysql_links: texts.get("SPEARGUN_MYSQL_LINKS")?,
            mysql_retention: match texts.text("SPEARGUN_MYSQL_RETENTION") {
                "" => None,
                _ => Some(texts.get::<RetentionAge>("SPEARGUN_MYSQL_RETENTION")?.0),
            },
        })
    }

    /// Returns the text of a setting, its default included.
    pub(crate) fn text(&self, name: &str) -> &str {
        let found = self.texts.iter().find(|(known, _)| *known == name);
        found.map_or("", |(_, text)| text)
    }
}

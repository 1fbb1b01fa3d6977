//! What concerns the configuration server that the backend asks. It asks nobody.

use std::time::Duration;

use super::value::Value;
use super::{SettingError, Texts};

/// Which configuration server is asked, and for what.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ConfigurationSettings {
    /// In the order in which they are asked.
    pub(crate) uris: Vec<String>,
    pub(crate) name: String,
    pub(crate) profiles: Vec<String>,
    pub(crate) label: Option<String>,
    pub(crate) interval: Duration,
}

impl std::fmt::Debug for ConfigurationSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The addresses may hold passwords.
        f.debug_struct("ConfigurationSettings")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl ConfigurationSettings {
    /// Reads the texts; `None` when no server is asked.
    pub(super) fn parse(texts: &Texts) -> Result<Option<Self>, SettingError> {
        let uris = texts.get_with(
            "SPEARGUN_CONFIGURATION_URI",
            "URLs as http://user:password@host:8888 with commas between",
            |_| {
                let uris = texts.list("SPEARGUN_CONFIGURATION_URI");
                let is_http =
                    |uri: &String| uri.starts_with("http://") || uri.starts_with("https://");
                uris.iter().all(is_http).then_some(uris)
            },
        )?;
        let interval = texts.get_with(
            "SPEARGUN_CONFIGURATION_INTERVAL",
            "a duration from 100ms to 1h",
            |text| {
                let allowed = Duration::from_millis(100)..=Duration::from_hours(1);
                Duration::parse(text).filter(|interval| allowed.contains(interval))
            },
        )?;
        let label = texts.text("SPEARGUN_CONFIGURATION_LABEL");
        Ok((!uris.is_empty()).then(|| Self {
            uris,
            name: texts.text("SPEARGUN_CONFIGURATION_NAME").to_owned(),
            profiles: texts.list("SPEARGUN_CONFIGURATION_PROFILES"),
            label: (!label.is_empty()).then(|| label.to_owned()),
            interval,
        }))
    }
}

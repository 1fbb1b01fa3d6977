//! Where settings come from and which source wins: texts by name, not yet values.

use std::collections::BTreeMap;
use std::path::Path;

use super::SettingError;
use super::table::{self, Setting, TABLE};
use super::value::{AtLeastOne, ByteCount, Value};

/// Where values come from, the strongest first.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// From the command line.
    pub(crate) flags: Vec<(&'static str, String)>,
    /// All variables.
    pub(crate) environment: Vec<(String, String)>,
    /// The text of the file, and its name.
    pub(crate) file: Option<(String, String)>,
}

impl Sources {
    /// Reads the process's environment and the file.
    pub(crate) fn read(
        flags: Vec<(&'static str, String)>,
        file: Option<&Path>,
    ) -> Result<Self, SettingError> {
        let file = file
            .map(|path| {
                let name = path.display().to_string();
                std::fs::read_to_string(path)
                    .map(|text| (text, name.clone()))
                    .map_err(|error| SettingError::File {
                        path: name,
                        error: error.to_string(),
                    })
            })
            .transpose()?;
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Ok(Self {
            flags,
            environment,
            file,
        })
    }
}

/// Every setting's text and where it was found.
#[derive(Debug)]
pub(crate) struct Texts(BTreeMap<&'static str, (String, String)>);

impl Texts {
    /// Merges the sources.
    pub(crate) fn merge(sources: Sources) -> Result<Self, SettingError> {
        let mut texts: BTreeMap<&'static str, (String, String)> = TABLE
            .iter()
            .map(|s| (s.name, (s.default.to_owned(), "the defaults".to_owned())))
            .collect();
        if let Some((text, place)) = sources.file {
            for (index, line) in text.lines().enumerate() {
                let line = line.trim();
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                let Some((name, value)) = line.split_once('=') else {
                    return Err(SettingError::Line {
                        place,
                        line: index + 1,
                    });
                };
                let Some(setting) = table::find(name.trim()) else {
                    return Err(SettingError::Unknown {
                        place,
                        name: name.trim().to_owned(),
                    });
                };
                texts.insert(setting.name, (value.trim().to_owned(), place.clone()));
            }
        }
        // An older name never overrules the present one, whatever order they come in.
        let mut environment = sources.environment;
        environment.sort_by_key(|(name, _)| TABLE.iter().any(|s| s.name == name));
        for (name, value) in environment {
            match table::find(&name) {
                // Container files pass variables on that nobody set, as empty ones.
                Some(_) if value.is_empty() => {}
                Some(setting) => {
                    let place = "the environment".to_owned();
                    texts.insert(setting.name, (value, place));
                }
                None if name.starts_with("SPEARGUN_") => {
                    return Err(SettingError::Unknown {
                        place: "the environment".to_owned(),
                        name,
                    });
                }
                None => {}
            }
        }
        for (name, value) in sources.flags {
            texts.insert(name, (value, "the command line".to_owned()));
        }
        Ok(Self(texts))
    }

    /// Returns every setting with its text and place; secrets are hidden.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (&'static Setting, &str, &str)> {
        TABLE.iter().filter_map(|setting| {
            let (value, place) = self.0.get(setting.name)?;
            Some((setting, hidden(setting, value), place.as_str()))
        })
    }

    pub(super) fn text(&self, name: &'static str) -> &str {
        debug_assert!(table::find(name).is_some(), "{name} is in the table");
        self.0.get(name).map_or("", |(value, _)| value)
    }

    pub(super) fn get<V: Value>(&self, name: &'static str) -> Result<V, SettingError> {
        V::parse(self.text(name)).ok_or_else(|| self.wrong(name, V::ALLOWED))
    }

    pub(super) fn get_with<V>(
        &self,
        name: &'static str,
        allowed: &'static str,
        parse: impl FnOnce(&str) -> Option<V>,
    ) -> Result<V, SettingError> {
        parse(self.text(name)).ok_or_else(|| self.wrong(name, allowed))
    }

    pub(super) fn count(&self, name: &'static str) -> Result<usize, SettingError> {
        self.get::<AtLeastOne>(name).map(|count| count.0)
    }

    /// Sizes of things in memory; a larger one could not be addressed in a batch.
    pub(super) fn memory(&self, name: &'static str) -> Result<usize, SettingError> {
        self.get_with(name, "a size from 1KB to 1GB, as in 64MB", |text| {
            let ByteCount(bytes) = ByteCount::parse(text)?;
            (1 << 10..=1 << 30)
                .contains(&bytes)
                .then_some(bytes as usize)
        })
    }

    pub(super) fn list(&self, name: &'static str) -> Vec<String> {
        self.text(name)
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    }

    fn wrong(&self, name: &'static str, allowed: &'static str) -> SettingError {
        let (value, place) = self.0.get(name).cloned().unwrap_or_default();
        let value = table::find(name)
            .map_or("", |setting| hidden(setting, &value))
            .to_owned();
        SettingError::Wrong {
            name,
            value,
            place,
            allowed,
        }
    }
}

fn hidden<'a>(setting: &Setting, value: &'a str) -> &'a str {
    if setting.secret && !value.is_empty() {
        "(hidden)"
    } else {
        value
    }
}

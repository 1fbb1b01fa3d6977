//! Where settings come from and which source wins: texts by name, not yet values.

use std::collections::BTreeMap;
use std::path::Path;

use speargun_runtime::environment;

use super::foreign::{self, Verdict};
use super::table::{self, Setting};
use super::value::{AtLeastOne, ByteCount, Value};
use super::{SettingError, names};

/// Where values come from, the strongest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    /// From the command line: settings and Zipkin's properties.
    pub(crate) flags: Vec<(String, String)>,
    /// All variables.
    pub(crate) environment: Vec<(String, String)>,
    /// The text of the file, and its name.
    pub(crate) file: Option<(String, String)>,
    /// What a configuration server says, stronger than the file.
    pub(crate) remote: Vec<(String, String)>,
    /// Files that Zipkin would read and that are left alone.
    pub(crate) unread: Vec<&'static str>,
}

/// Where Spring looks, of which nobody would know here that it does.
const FILES_OF_SPRING: [&str; 2] = ["zipkin-server.properties", "zipkin-server.yml"];

impl Sources {
    /// Reads the process's environment and the file.
    pub(crate) fn read(
        flags: Vec<(String, String)>,
        file: Option<&Path>,
    ) -> Result<Self, SettingError> {
        let file = file
            .map(|path| {
                let name = path.display().to_string();
                std::fs::read_to_string(path)
                    .map(|text| (without_mark(text), name.clone()))
                    .map_err(|error| SettingError::File {
                        path: name,
                        error: error.to_string(),
                    })
            })
            .transpose()?;
        let environment = environment::variables().collect();
        let unread = FILES_OF_SPRING.into_iter();
        Ok(Self {
            flags,
            environment,
            file,
            remote: Vec::new(),
            unread: unread.filter(|name| Path::new(name).exists()).collect(),
        })
    }
}

/// Some editors put a mark before the first name.
fn without_mark(text: String) -> String {
    text.strip_prefix('\u{feff}')
        .map(str::to_owned)
        .unwrap_or(text)
}

const ENVIRONMENT: &str = "the environment";

/// A text and where it was found.
#[derive(Clone, Debug, Default)]
struct Found {
    text: String,
    place: String,
}

/// Every setting's texts, the weakest first.
#[derive(Debug)]
pub(crate) struct Texts {
    found: BTreeMap<&'static str, Vec<Found>>,
    notes: Vec<String>,
}

impl Texts {
    /// Merges the sources.
    pub(crate) fn merge(sources: Sources) -> Result<Self, SettingError> {
        let mut texts = Self::defaults();
        let advice =
            "has no effect: --config names the file of settings, which may hold properties";
        let unread = sources.unread.iter();
        texts
            .notes
            .extend(unread.map(|name| format!("{name} {advice}")));
        if let Some((text, place)) = &sources.file {
            texts.add_file(text, place)?;
        }
        texts.add_remote(sources.remote);
        texts.add_environment(sources.environment)?;
        for (name, value) in sources.flags {
            texts.add_named(&name, value, "the command line")?;
        }
        Ok(texts)
    }

    fn defaults() -> Self {
        let found = table::all().map(|setting| {
            let default = Found {
                text: setting.default.to_owned(),
                place: "the defaults".to_owned(),
            };
            (setting.name, vec![default])
        });
        Self {
            found: found.collect(),
            notes: Vec::new(),
        }
    }

    fn add_file(&mut self, text: &str, place: &str) -> Result<(), SettingError> {
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((name, value)) = line.split_once('=') else {
                return Err(SettingError::Line {
                    place: place.to_owned(),
                    line: index + 1,
                });
            };
            self.add_named(name.trim(), value.trim().to_owned(), place)?;
        }
        Ok(())
    }

    /// Much of what a configuration server says is for others, and where it is to be asked it can't
    /// say itself.
    fn add_remote(&mut self, pairs: Vec<(String, String)>) {
        for (name, value) in pairs {
            let setting = names::anywhere(&name);
            let own = setting.filter(|one| !one.name.starts_with("SPEARGUN_CONFIGURATION_"));
            if let Some(setting) = own {
                self.add(setting, value.trim().to_owned(), "the configuration server");
            }
        }
    }

    /// Most variables of an environment are not for us, and container files pass variables on that
    /// nobody set, as empty ones.
    fn add_environment(&mut self, variables: Vec<(String, String)>) -> Result<(), SettingError> {
        let mut ours = Vec::new();
        for (name, value) in variables {
            let value = value.trim();
            if value.is_empty() || environment::is_service_link(&name, value) {
                continue;
            }
            if let Some((setting, rank)) = names::in_environment(&name, value) {
                ours.push((rank, setting, value.to_owned()));
            } else if name.starts_with("SPEARGUN_") {
                return Err(unknown(&name, ENVIRONMENT));
            } else {
                self.judge(&name, value, ENVIRONMENT)?;
            }
        }
        ours.sort_by_key(|(rank, ..)| *rank);
        for (_, setting, value) in ours {
            self.add(setting, value, ENVIRONMENT);
        }
        Ok(())
    }

    /// Adds what somebody wrote for us alone, so that a name that nobody knows is a mistake.
    fn add_named(&mut self, name: &str, value: String, place: &str) -> Result<(), SettingError> {
        if let Some(setting) = names::anywhere(name) {
            self.add(setting, value, place);
            Ok(())
        } else if self.judge(name, &value, place)? {
            Ok(())
        } else {
            Err(unknown(name, place))
        }
    }

    /// Stops at what only Zipkin knows, or notes that it has no effect. Returns whether Zipkin
    /// knows the name.
    fn judge(&mut self, name: &str, value: &str, place: &str) -> Result<bool, SettingError> {
        match foreign::judge(name, value) {
            Verdict::Unknown => return Ok(false),
            Verdict::Harmless => {}
            Verdict::Ignored(advice) => self.notes.push(format!("{name} has no effect: {advice}")),
            Verdict::Stops(advice) => {
                return Err(SettingError::Unsupported {
                    place: place.to_owned(),
                    name: name.to_owned(),
                    advice,
                });
            }
        }
        Ok(true)
    }

    fn add(&mut self, setting: &'static Setting, text: String, place: &str) {
        let place = place.to_owned();
        let found = self.found.entry(setting.name).or_default();
        found.push(Found { text, place });
    }

    /// Returns what the operator should know though it stops nothing.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns the texts that a stronger source overrules, each alone on top of the defaults: a
    /// mistake shows where it was made, not when the stronger source goes away.
    pub(super) fn overruled(&self) -> impl Iterator<Item = Self> {
        self.found.iter().flat_map(|(name, all)| {
            let set = all.get(1..).unwrap_or_default();
            let weaker = set.split_last().map_or(&[][..], |(_, weaker)| weaker);
            weaker.iter().map(|found| {
                let mut texts = Self::defaults();
                texts.found.entry(name).or_default().push(found.clone());
                texts
            })
        })
    }

    /// Returns every setting with its text and place; secrets are hidden.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (&'static Setting, &str, &str)> {
        table::all().filter_map(|setting| {
            let found = self.strongest(setting.name)?;
            Some((setting, hidden(setting, &found.text), found.place.as_str()))
        })
    }

    /// Returns every setting's text, secrets included.
    pub(crate) fn plain(&self) -> impl Iterator<Item = (&'static str, &str)> {
        table::all().map(|setting| (setting.name, self.text(setting.name)))
    }

    pub(super) fn text(&self, name: &'static str) -> &str {
        debug_assert!(table::find(name).is_some(), "{name} is in the table");
        self.strongest(name).map_or("", |found| &found.text)
    }

    fn strongest(&self, name: &str) -> Option<&Found> {
        self.found.get(name)?.last()
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
        let found = self.strongest(name).cloned().unwrap_or_default();
        let value = table::find(name)
            .map_or("", |setting| hidden(setting, &found.text))
            .to_owned();
        let place = found.place;
        SettingError::Wrong {
            name,
            value,
            place,
            allowed,
        }
    }
}

fn unknown(name: &str, place: &str) -> SettingError {
    SettingError::Unknown {
        place: place.to_owned(),
        name: name.to_owned(),
    }
}

fn hidden<'a>(setting: &Setting, value: &'a str) -> &'a str {
    if setting.secret && !value.is_empty() {
        "(hidden)"
    } else {
        value
    }
}

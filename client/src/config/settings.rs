//! What is set, by name and by type. Of several sources the first that has a name counts.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::names::{of_variable, uniform};
use super::{placeholder, typed};

/// Where settings come from.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    /// As Spring calls it, such as `systemEnvironment` or `configserver:...`.
    pub name: String,
    /// By uniform name: the name as it was spelt, and the value.
    values: BTreeMap<String, (String, String)>,
}

impl Source {
    /// Returns a source of these names and values; the last of equal names counts.
    pub fn new(name: &str, values: impl IntoIterator<Item = (String, String)>) -> Self {
        let values = values.into_iter();
        Self {
            name: name.to_owned(),
            values: values
                .map(|(key, value)| (uniform(&key), (key, value)))
                .collect(),
        }
    }

    /// Returns a source of variables.
    pub(super) fn of_variables(
        name: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let named = |(variable, value): (String, String)| (of_variable(&variable), value);
        Self::new(name, variables.into_iter().map(named))
    }
}

impl std::fmt::Debug for Source {
    /// Names without values: some are secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} values)", self.name, self.values.len())
    }
}

/// Why a setting can't be read. Values are not told: some are secrets.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("setting {name}: {why}")]
pub struct SettingError {
    /// Which.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

/// All that is set.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    sources: Vec<Source>,
}

impl Settings {
    /// Returns what these sources say, the strongest first.
    pub fn new(sources: Vec<Source>) -> Self {
        Self { sources }
    }

    /// Returns the names of the sources, the strongest first.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(|source| &*source.name)
    }

    /// Returns the value as it stands, in any spelling of the name.
    pub(super) fn raw(&self, name: &str) -> Option<&str> {
        let uniform = uniform(name);
        let mut sources = self.sources.iter();
        sources.find_map(|source| source.values.get(&uniform).map(|(_, value)| &**value))
    }

    /// Returns the text, with the values that it mentions; `None` when it is not set.
    pub fn text(&self, name: &str) -> Result<Option<String>, SettingError> {
        let Some(raw) = self.raw(name) else {
            return Ok(None);
        };
        let find = |name: &str| self.raw(name);
        let resolved = placeholder::resolve(raw, &find);
        resolved.map(Some).map_err(|error| SettingError {
            name: name.to_owned(),
            why: error.to_string(),
        })
    }

    /// Returns the value, or `default` when it is not set.
    pub fn get_or<T>(&self, name: &str, default: T) -> Result<T, SettingError>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        let Some(text) = self.text(name)? else {
            return Ok(default);
        };
        text.trim().parse().map_err(|error: T::Err| SettingError {
            name: name.to_owned(),
            why: error.to_string(),
        })
    }

    /// Returns whether it is set to `true`, `on`, `yes` or `1`.
    pub fn flag_or(&self, name: &str, default: bool) -> Result<bool, SettingError> {
        let Some(text) = self.text(name)? else {
            return Ok(default);
        };
        typed::read_bool(&text).ok_or_else(|| SettingError {
            name: name.to_owned(),
            why: "neither true nor false".into(),
        })
    }

    /// Returns a duration: `500ms`, `5s`, `PT5S`, or milliseconds as a number.
    pub fn duration_or(&self, name: &str, default: Duration) -> Result<Duration, SettingError> {
        let Some(text) = self.text(name)? else {
            return Ok(default);
        };
        typed::read_duration(&text).ok_or_else(|| SettingError {
            name: name.to_owned(),
            why: "no duration such as 500ms, 5s or PT5S".into(),
        })
    }

    /// Returns a list: `name[0]` and so on, or one value with commas.
    pub fn list(&self, name: &str) -> Result<Vec<String>, SettingError> {
        let mut all = Vec::new();
        for index in 0..LIST_MAX {
            let Some(value) = self.text(&format!("{name}[{index}]"))? else {
                break;
            };
            all.push(value);
        }
        if all.is_empty() {
            let text = self.text(name)?.unwrap_or_default();
            let parts = text.split(',').map(str::trim);
            all.extend(parts.filter(|part| !part.is_empty()).map(str::to_owned));
        }
        Ok(all)
    }

    /// Returns a struct of all that is set below a prefix. Fields that are not set need a default.
    pub fn read<T: DeserializeOwned>(&self, prefix: &str) -> Result<T, SettingError> {
        typed::read(self, prefix)
    }

    /// Returns the names of all that is set, as the strongest source spells them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.spellings().into_values()
    }

    fn spellings(&self) -> BTreeMap<&str, &str> {
        let sources = self.sources.iter().rev();
        let values = sources.flat_map(|source| &source.values);
        values
            .map(|(uniform, (name, _))| (&**uniform, &**name))
            .collect()
    }

    /// Returns the names directly below a prefix, as they are spelt.
    pub(crate) fn below(&self, prefix: &str) -> Vec<String> {
        let prefix = uniform(prefix);
        let mut seen = BTreeSet::new();
        let mut names = Vec::new();
        for (uniform, name) in self.spellings() {
            let Some(rest) = part_below(uniform, &prefix) else {
                continue;
            };
            if seen.insert(rest.to_owned()) {
                names.push(spelt(name, rest));
            }
        }
        names
    }

    /// Returns whether something is set at a name or below it.
    pub(crate) fn has(&self, name: &str) -> bool {
        let uniform = uniform(name);
        let begins = |key: &str| {
            let rest = key.strip_prefix(&uniform);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let within = |source: &Source| {
            let from = source.values.range(uniform.clone()..);
            let mut keys = from
                .map(|(key, _)| key)
                .take_while(|key| key.starts_with(&uniform));
            keys.any(|key| begins(key))
        };
        self.sources.iter().any(within)
    }

    /// Returns the names whose values differ between the two, in order.
    pub(super) fn difference(&self, other: &Self) -> Vec<String> {
        let (mine, theirs) = (self.spellings(), other.spellings());
        let all: BTreeMap<&str, &str> = theirs.into_iter().chain(mine).collect();
        let differs = |name: &&str| self.raw(name) != other.raw(name);
        let mut names: Vec<String> = all
            .into_values()
            .filter(differs)
            .map(str::to_owned)
            .collect();
        names.sort_unstable();
        names
    }
}

/// Elements of a list.
const LIST_MAX: usize = 10_000;

/// Returns the first part of a name behind a prefix.
fn part_below<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let rest = if prefix.is_empty() {
        name
    } else {
        name.strip_prefix(prefix)?.strip_prefix('.')?
    };
    rest.split(['.', '['])
        .next()
        .filter(|part| !part.is_empty())
}

/// Returns the part of a spelt name whose uniform spelling this is.
fn spelt(name: &str, part: &str) -> String {
    let mut parts = name.split(['.', '[']);
    let found = parts.find(|spelt| uniform(spelt) == part);
    found.unwrap_or(part).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(sources: &[&[(&str, &str)]]) -> Settings {
        let own = |pairs: &&[(&str, &str)]| {
            let pairs = pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            Source::new("test", pairs.collect::<Vec<_>>())
        };
        Settings::new(sources.iter().map(own).collect())
    }

    #[test]
    fn the_first_source_counts_in_any_spelling() {
        let settings = settings(&[&[("a.base-url", "1")], &[("a.baseUrl", "2"), ("b", "3")]]);
        assert_eq!(settings.text("a.base_url").unwrap().unwrap(), "1");
        assert_eq!(settings.get_or("b", 0).unwrap(), 3);
        assert_eq!(settings.get_or("c", 7).unwrap(), 7);
        assert_eq!(settings.names().collect::<Vec<_>>(), ["a.base-url", "b"]);
    }

    #[test]
    fn values_mention_those_of_other_sources() {
        let settings = settings(&[&[("host", "db")], &[("url", "http://${host}:${port:80}/")]]);
        assert_eq!(settings.text("url").unwrap().unwrap(), "http://db:80/");
    }

    #[test]
    fn what_can_not_be_read_is_named_but_not_told() {
        let settings = settings(&[&[("n", "secret"), ("p", "${none}")]]);
        let error = settings.get_or("n", 0).unwrap_err().to_string();
        assert!(error.starts_with("setting n: ") && !error.contains("secret"));
        assert!(settings.flag_or("n", false).is_err());
        assert!(settings.duration_or("n", Duration::ZERO).is_err());
        let error = settings.text("p").unwrap_err().to_string();
        assert_eq!(error, "setting p: there is no value for ${none}");
    }

    #[test]
    fn lists_are_indexed_or_have_commas() {
        let settings = settings(&[&[("a[0]", "x,y"), ("a[1]", "z"), ("b", "x, y,,")]]);
        assert_eq!(settings.list("a").unwrap(), ["x,y", "z"]);
        assert_eq!(settings.list("b").unwrap(), ["x", "y"]);
        assert!(settings.list("c").unwrap().is_empty());
    }

    #[test]
    fn differences_have_their_names() {
        let before = settings(&[&[("a", "1"), ("b", "2"), ("gone", "x")]]);
        let after = settings(&[&[("b", "3")], &[("a", "1"), ("b", "2"), ("new", "y")]]);
        assert_eq!(after.difference(&before), ["b", "gone", "new"]);
        assert!(after.difference(&after).is_empty());
    }
}

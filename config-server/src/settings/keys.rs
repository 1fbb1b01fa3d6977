//! Texts by name. Spring takes a name in several spellings (`default-label`, `defaultLabel`,
//! `SPRING_..._DEFAULT_LABEL`), so all are brought to one before they are compared.

use std::time::Duration;

use indexmap::IndexMap;

use super::SettingError;
use super::texts;
use super::variables::{Variables, spellings, without_links};
use crate::document::Document;
use crate::profile;

/// Where settings come from, the strongest first.
#[derive(Clone, Default)]
pub struct Sources {
    /// Names and values of the command line.
    pub flags: Vec<(String, String)>,
    /// All variables of the environment.
    pub environment: Vec<(String, String)>,
    /// The name of the file and its bytes.
    pub file: Option<(String, Vec<u8>)>,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sources")
    }
}

/// Names below which every one must be known.
const OURS: [&str; 3] = [
    "spring.cloud.config.server.",
    "encrypt.",
    "speargun.config.",
];
/// Those of Spring's names that are honoured nowhere but known.
const HARMLESS: [&str; 20] = [
    "clone-on-start",
    "force-pull",
    "delete-untracked-branches",
    "clone-submodules",
    "order",
    "ignore-local-ssh-settings",
    "host-key",
    "host-key-algorithm",
    "preferred-authentications",
    "strip-document-from-yaml",
    "default-application-name",
    "default-profile",
    "bootstrap",
    "enabled",
    "fail-on-error",
    "load-balanced",
    "passphrase",
    "order-by-name",
    "http-client",
    "last-label-wins",
];

/// A setting that was given.
#[derive(Debug)]
struct Given {
    /// As it was spelt.
    name: String,
    text: String,
    used: bool,
    /// Whether it was given on the command line, which is stronger than the environment.
    is_flag: bool,
}

/// All settings that were given.
#[derive(Debug)]
pub struct Keys {
    /// By the name in one spelling.
    given: IndexMap<String, Given>,
    variables: Variables,
    /// Variables by which Kubernetes says where services are, of those that look like settings.
    links: Vec<String>,
}

/// Returns a name in one spelling: lower case, without hyphens and underscores.
fn one_spelling(name: &str) -> String {
    let kept = name.chars().filter(|c| !matches!(c, '-' | '_'));
    kept.flat_map(char::to_lowercase).collect()
}

impl Keys {
    /// Reads what was given. Documents of the file that are for some profiles count with those that
    /// the rest makes active, as in Boot.
    pub fn read(sources: &Sources) -> Result<Self, SettingError> {
        let documents = texts::documents(sources)?;
        let always = documents
            .iter()
            .filter(|one| one.activation.is_unconditional());
        let mut keys = Self::of(sources, always)?;
        let profiles = profile::requested(&keys.list("spring.profiles.active").join(","));
        let counting = documents
            .iter()
            .filter(|one| one.activation.holds(&profiles));
        Self::of(sources, counting)
    }

    fn of<'a>(
        sources: &Sources,
        documents: impl Iterator<Item = &'a Document>,
    ) -> Result<Self, SettingError> {
        let (links, environment) = without_links(&sources.environment);
        let (texts, variables) = texts::read(sources, (documents, environment))?;
        let flags: Vec<String> = sources
            .flags
            .iter()
            .map(|(name, _)| one_spelling(name))
            .collect();
        let given = texts.into_iter().map(|(name, text)| {
            let spelling = one_spelling(&name);
            let given = Given {
                name,
                text,
                used: false,
                is_flag: flags.contains(&spelling),
            };
            (spelling, given)
        });
        Ok(Self {
            given: given.collect(),
            variables: Variables::new(&variables),
            links,
        })
    }

    /// Returns a setting.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let of_variable = self.variables.text(name).filter(|text| !text.is_empty());
        let Some(given) = self.given.get_mut(&one_spelling(name)) else {
            return of_variable;
        };
        given.used = true;
        let of_file = given.text.trim().to_owned();
        if given.is_flag {
            return Some(of_file);
        }
        of_variable.or(Some(of_file))
    }

    /// Returns a setting that keeps others out, and so must not be empty: a variable that is not
    /// set must not open the door.
    pub fn secret(&mut self, name: &str) -> Result<Option<String>, SettingError> {
        let text = self.text(name);
        if text.is_none() {
            self.refuse_file(name)?;
        }
        if text
            .as_ref()
            .map_or_else(|| self.has(name), String::is_empty)
        {
            return Err(SettingError::Empty(name.to_owned()));
        }
        Ok(text)
    }

    /// Refuses a variable that names a file in place of a secret, as images of databases have it:
    /// without the secret everybody would be let in.
    fn refuse_file(&self, name: &str) -> Result<(), SettingError> {
        let mut files = spellings(name).into_iter().map(|one| format!("{one}_FILE"));
        let Some(name) = files.find(|name| self.variables.is_given(name)) else {
            return Ok(());
        };
        Err(SettingError::Unsupported {
            name,
            advice: "no file is read in place of a secret: set the variable without _FILE, or the \
                     setting in the file of --config",
        })
    }

    /// Returns a list of such settings.
    pub fn secrets(&mut self, name: &str) -> Result<Vec<String>, SettingError> {
        let items = self.list(name);
        if items.is_empty() {
            self.refuse_file(name)?;
        }
        let is_open = items.is_empty() && self.has(name) || items.iter().any(String::is_empty);
        if is_open {
            return Err(SettingError::Empty(name.to_owned()));
        }
        Ok(items)
    }

    /// Returns whether a setting or any below it was given.
    pub fn has(&self, name: &str) -> bool {
        let start = one_spelling(name);
        let below = |key: &String| {
            key.strip_prefix(&start)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.given.keys().any(below) || self.variables.has(name)
    }

    /// Returns a list: elements of their own, or one text with commas between.
    pub fn list(&mut self, name: &str) -> Vec<String> {
        let mut items = Vec::new();
        while let Some(item) = self.text(&format!("{name}[{}]", items.len())) {
            items.push(item);
        }
        if items.is_empty()
            && let Some(text) = self.text(name)
        {
            let parts = text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty());
            items.extend(parts.map(str::to_owned));
        }
        items
    }

    /// Returns all settings below a name, by the rest of theirs as it was spelt.
    pub fn below(&mut self, name: &str) -> Vec<(String, String)> {
        let start = format!("{}.", one_spelling(name));
        let depth = name.matches('.').count() + 1;
        let mut found: Vec<(String, String)> = Vec::new();
        let mut of_variables = self.variables.below(name);
        for (key, given) in &mut self.given {
            let Some(spelling) = key.strip_prefix(&start) else {
                continue;
            };
            given.used = true;
            let is_same = |(other, _): &(String, String)| one_spelling(other) == spelling;
            let at = of_variables.iter().position(is_same);
            let of_variable = at.map(|at| of_variables.swap_remove(at).1);
            let rest = given.name.splitn(depth + 1, '.').last().unwrap_or_default();
            let text = of_variable.filter(|_| !given.is_flag);
            found.push((rest.to_owned(), text.unwrap_or_else(|| given.text.clone())));
        }
        of_variables.sort();
        found.extend(of_variables);
        found
    }

    /// Returns the names right below a name, as they were spelt.
    pub fn children(&self, name: &str) -> Vec<String> {
        let start = format!("{}.", one_spelling(name));
        let depth = name.matches('.').count() + 1;
        let mut names: Vec<String> = Vec::new();
        for (key, given) in &self.given {
            if key.starts_with(&start) {
                let rest = given.name.splitn(depth + 1, '.').last().unwrap_or_default();
                let child = rest.split(['.', '[']).next().unwrap_or_default().to_owned();
                if !names.contains(&child) {
                    names.push(child);
                }
            }
        }
        let of_variables = self.variables.children(name, &names);
        names.extend(of_variables);
        names
    }

    /// Returns a setting as something else than a text.
    pub fn parsed<T>(
        &mut self,
        name: &str,
        allowed: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, SettingError> {
        let Some(text) = self.text(name).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        match parse(&text) {
            Some(value) => Ok(Some(value)),
            None => Err(SettingError::Wrong {
                name: name.to_owned(),
                value: text,
                allowed,
            }),
        }
    }

    /// Returns a switch.
    pub fn switch(&mut self, name: &str) -> Result<Option<bool>, SettingError> {
        self.parsed(name, "true or false", |text| {
            match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" => Some(true),
                "false" | "no" | "off" => Some(false),
                _ => None,
            }
        })
    }

    /// Returns a count of at least one.
    pub fn count(&mut self, name: &str, default: usize) -> Result<usize, SettingError> {
        let allowed = "a whole number of at least 1";
        let count = self.parsed(name, allowed, |text| {
            text.parse().ok().filter(|count| *count > 0)
        })?;
        Ok(count.unwrap_or(default))
    }

    /// Returns a duration: a whole number of seconds, or with `ms`, `s` or `m` behind.
    pub fn duration(&mut self, name: &str) -> Result<Option<Duration>, SettingError> {
        self.parsed(name, "a duration as 500ms, 5s or 1m", duration)
    }

    /// Returns notes about what was given and means nothing, or what is wrong with it.
    pub(super) fn finish(self) -> Result<Vec<String>, SettingError> {
        let mut notes = Vec::new();
        if !self.links.is_empty() {
            let names = self.links.join(", ");
            notes.push(format!(
                "where Kubernetes says that services are is no setting: {names}"
            ));
        }
        for (key, given) in self.given.iter().filter(|(_, given)| !given.used) {
            let last = key.rsplit('.').next().unwrap_or(key);
            let last = last.split('[').next().unwrap_or(last);
            let harmless = HARMLESS.iter().any(|name| one_spelling(name) == last)
                || key.contains(".proxy.")
                || key.contains(".server.health.")
                || key.contains(".server.monitor.");
            let is_ours = OURS
                .iter()
                .any(|start| key.starts_with(&one_spelling(start)));
            if is_ours && !harmless {
                return Err(SettingError::Unknown(given.name.clone()));
            }
            notes.push(note_of(&given.name));
        }
        for name in self.variables.unused() {
            if !is_harmless_variable(name) {
                return Err(SettingError::Unknown(name.to_owned()));
            }
            notes.push(note_of(name));
        }
        Ok(notes)
    }
}

/// Returns what is said of a name that means nothing here.
fn note_of(name: &str) -> String {
    let is_proxy = name.contains(".proxy.") || name.contains("_PROXY_");
    let advice = if is_proxy {
        ": HTTPS_PROXY and HTTP_PROXY say which proxy there is"
    } else {
        ""
    };
    format!("{name} has no effect here{advice}")
}

/// Returns whether a variable is one of those that mean nothing here, by its whole last name.
fn is_harmless_variable(name: &str) -> bool {
    let ends = |known: &str| {
        let ends = spellings(known).map(|known| format!("_{known}"));
        ends.iter().any(|end| name.ends_with(end))
    };
    let groups = ["_PROXY_", "_SERVER_HEALTH_", "_SERVER_MONITOR_"];
    HARMLESS.iter().any(|known| ends(known)) || groups.iter().any(|group| name.contains(group))
}

/// Reads a duration.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let number: u64 = digits.parse().ok()?;
    match unit.trim() {
        "ms" => Some(Duration::from_millis(number)),
        "" | "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        _ => None,
    }
}

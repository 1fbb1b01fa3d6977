//! All sources of an environment as one document. Of a list the strongest source gives the whole;
//! lists come last. `spring.profiles` is left out.

use std::borrow::Cow;
use std::collections::HashSet;

use indexmap::IndexMap;

use crate::document::Secrecy;
use crate::value::Value;

use super::placeholder::{Resolver, Unresolvable, Values};
use super::tree::Tree;
use super::yaml_text;
use super::{Environment, Source};

/// Keys with their values, none twice, in order.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Merged {
    entries: Vec<(String, Value)>,
    /// The places of texts with placeholders that YAML had not quoted before they were resolved.
    plain: HashSet<usize>,
}

impl Merged {
    /// Merges the sources of an environment.
    pub fn of(environment: &Environment) -> Self {
        let mut plain: IndexMap<String, Value> = IndexMap::new();
        let mut lists: IndexMap<String, Vec<(String, Value)>> = IndexMap::new();
        for source in environment.sources.iter().rev() {
            let mut of_source: IndexMap<String, Vec<(String, Value)>> = IndexMap::new();
            for (key, value) in entries(source) {
                let (key, value) = (key.into_owned(), value.into_owned());
                match key
                    .find('[')
                    .and_then(|at| key.get(..at))
                    .map(str::to_owned)
                {
                    Some(list) => of_source.entry(list).or_default().push((key, value)),
                    None => {
                        plain.insert(key, value);
                    }
                }
            }
            lists.extend(of_source);
        }
        let all = plain.into_iter().chain(lists.into_values().flatten());
        let kept = all.filter(|(key, _)| key != "spring.profiles");
        Self {
            entries: kept.collect(),
            plain: HashSet::new(),
        }
    }

    /// Resolves the placeholders of all values against those of the sources that were merged.
    pub fn resolved(mut self, of: &Environment) -> Result<Self, Unresolvable> {
        let has_any = |value: &Value| value.as_text().is_some_and(|text| text.contains("${"));
        if !self.entries.iter().any(|(_, value)| has_any(value)) {
            return Ok(self);
        }
        let values = values(of);
        let mut resolver = Resolver::new(&values);
        for (index, (_, value)) in self.entries.iter_mut().enumerate() {
            let Some(text) = value.as_text().filter(|text| text.contains("${")) else {
                continue;
            };
            let whole = resolver.resolve(text)?;
            if yaml_text::is_plain(text) {
                self.plain.insert(index);
            }
            *value = Value::text(&whole);
        }
        Ok(self)
    }

    /// Returns all keys with their values.
    pub fn entries(&self) -> &[(String, Value)] {
        &self.entries
    }

    /// Returns a line for each key.
    pub fn to_properties(&self) -> String {
        let lines = self
            .entries
            .iter()
            .map(|(key, value)| format!("{key}: {value}"));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Returns the values nested, as YAML. Spring resolves placeholders in the text, so that
    /// `${port}` becomes a number there: a text is quoted when it had to be before. A
    /// document that was no mapping is given as it was.
    pub fn to_yaml(&self) -> String {
        yaml_text::write(&self.tree().without_document())
    }

    /// Returns the values nested, as JSON.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.tree().to_json(&mut out);
        out
    }

    fn tree(&self) -> Tree {
        let mut root = Tree::default();
        for (index, (key, value)) in self.entries.iter().enumerate() {
            let leaf = if self.plain.contains(&index) {
                Tree::Resolved
            } else {
                Tree::Leaf
            };
            root.put(key, leaf(value.clone()));
        }
        root.settled()
    }
}

/// Returns the texts of all values of the sources: of a list that a stronger source has also those
/// elements that only weaker ones have, as Spring finds them.
pub fn values(environment: &Environment) -> Values<'_> {
    let mut values = Values::new();
    for (key, value) in environment.sources.iter().flat_map(entries) {
        values.entry(key).or_insert_with(|| value.to_string());
    }
    values
}

/// Returns the keys and values of a source as clients are told them.
fn entries(source: &Source) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, Value>)> {
    source.told().map(|entry| match entry.secrecy {
        Secrecy::Undecryptable(_) => {
            let value = Cow::Owned(Value::text("<n/a>"));
            (Cow::Owned(format!("invalid.{}", entry.key)), value)
        }
        _ => (Cow::Borrowed(&*entry.key), Cow::Borrowed(&entry.value)),
    })
}

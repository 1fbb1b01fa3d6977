//! All sources of an environment as one document. Of a list the strongest source gives the whole;
//! lists come last. `spring.profiles` is left out.

use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;

use crate::document::Secrecy;
use crate::value::Value;

use super::placeholder::{Resolver, Unresolvable};
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

    /// Resolves the placeholders of all values, against themselves.
    pub fn resolved(mut self) -> Result<Self, Unresolvable> {
        let texts: Vec<(usize, String)> = {
            let values = self.values();
            let mut resolver = Resolver::new(&values);
            let with = self
                .entries
                .iter()
                .enumerate()
                .filter_map(|(index, (_, value))| {
                    let text = value.as_text().filter(|text| text.contains("${"))?;
                    Some((index, text))
                });
            with.map(|(index, text)| Ok((index, resolver.resolve(text)?)))
                .collect::<Result<_, _>>()?
        };
        for (index, text) in texts {
            if let Some((_, value)) = self.entries.get_mut(index) {
                if value.as_text().is_some_and(yaml_text::is_plain) {
                    self.plain.insert(index);
                }
                *value = Value::text(&text);
            }
        }
        Ok(self)
    }

    /// Returns the texts of all values.
    pub fn values(&self) -> HashMap<&str, String> {
        let entries = self.entries.iter();
        entries
            .map(|(key, value)| (key.as_str(), value.to_string()))
            .collect()
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

fn entries(source: &Source) -> impl Iterator<Item = (String, Value)> {
    source.told().map(|entry| match entry.secrecy {
        Secrecy::Undecryptable(_) => (format!("invalid.{}", entry.key), Value::text("<n/a>")),
        _ => (entry.key.to_string(), entry.value.clone()),
    })
}

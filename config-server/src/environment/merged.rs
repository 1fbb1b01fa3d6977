//! All sources of an environment as one document. Of a list the strongest source gives the whole;
//! lists come last. `spring.profiles` is left out.

use std::collections::HashMap;

use indexmap::IndexMap;

use crate::document::Secrecy;
use crate::value::{Value, json_text};

use super::placeholder::{Resolver, Unresolvable};
use super::yaml_text;
use super::{Environment, Source};

/// Keys with their values, none twice, in order.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Merged {
    entries: Vec<(String, Value)>,
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

    /// Returns the values nested, as YAML.
    pub fn to_yaml(&self) -> String {
        yaml_text::write(&self.tree())
    }

    /// Returns the values nested, as JSON.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.tree().to_json(&mut out);
        out
    }

    /// Nests the values. A document that was no mapping is given as it was.
    fn tree(&self) -> Tree {
        let mut root = Tree::default();
        for (key, value) in &self.entries {
            root.put(&steps(key), value);
        }
        match root {
            Tree::Map(mut entries) if entries.len() == 1 => {
                let document = entries.shift_remove("document");
                document.unwrap_or(Tree::Map(entries))
            }
            other => other,
        }
    }
}

fn entries(source: &Source) -> impl Iterator<Item = (String, Value)> {
    source.told().map(|entry| match entry.secrecy {
        Secrecy::Undecryptable(_) => (format!("invalid.{}", entry.key), Value::text("<n/a>")),
        _ => (entry.key.to_string(), entry.value.clone()),
    })
}

/// Values nested.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Tree {
    Leaf(Value),
    Map(IndexMap<String, Tree>),
    List(Vec<Tree>),
}

impl Default for Tree {
    fn default() -> Self {
        Self::Map(IndexMap::new())
    }
}

#[derive(Debug)]
enum Step {
    Key(String),
    Index(usize),
}

/// Elements of a list: an index beyond is a key, so that no index asks for memory.
const INDEX_MAX: usize = 100_000;
/// Levels of nesting; what is deeper stays one key.
const STEPS_MAX: usize = 128;

/// Splits a flat key: `a.b[0].c` or `a[key]`.
fn steps(key: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = key;
    while !rest.is_empty() {
        if steps.len() >= STEPS_MAX {
            steps.push(Step::Key(rest.to_owned()));
            break;
        }
        if let Some((inner, behind)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'))
        {
            let index = inner.parse().ok().filter(|index| *index < INDEX_MAX);
            steps.push(index.map_or_else(|| Step::Key(inner.to_owned()), Step::Index));
            rest = behind.strip_prefix('.').unwrap_or(behind);
            continue;
        }
        let end = rest
            .char_indices()
            .skip(1)
            .find(|(_, c)| matches!(c, '.' | '['));
        let (name, behind) = end.map_or((rest, ""), |(at, _)| rest.split_at(at));
        steps.push(Step::Key(name.to_owned()));
        rest = behind
            .strip_prefix('.')
            .filter(|rest| !rest.is_empty())
            .unwrap_or(behind);
    }
    steps
}

impl Tree {
    fn put(&mut self, steps: &[Step], value: &Value) {
        let Some((step, rest)) = steps.split_first() else {
            *self = Self::Leaf(value.clone());
            return;
        };
        match step {
            Step::Index(index) => self.element(*index).put(rest, value),
            Step::Key(key) => self.child(key).put(rest, value),
        }
    }

    /// Returns an element; a list is as long as its elements come in order.
    fn element(&mut self, index: usize) -> &mut Self {
        let fits = matches!(self, Self::List(items) if index <= items.len())
            || index == 0 && matches!(self, Self::Map(entries) if entries.is_empty());
        if !fits {
            return self.child(&index.to_string());
        }
        if !matches!(self, Self::List(_)) {
            *self = Self::List(Vec::new());
        }
        match self {
            Self::List(items) => {
                if index == items.len() {
                    items.push(Self::default());
                }
                &mut items[index]
            }
            other => other,
        }
    }

    fn child(&mut self, key: &str) -> &mut Self {
        if let Self::List(items) = self {
            let items = std::mem::take(items).into_iter().enumerate();
            *self = Self::Map(
                items
                    .map(|(index, item)| (index.to_string(), item))
                    .collect(),
            );
        } else if let Self::Leaf(_) = self {
            *self = Self::default();
        }
        match self {
            Self::Map(entries) => entries.entry(key.to_owned()).or_default(),
            other => other,
        }
    }

    fn to_json(&self, out: &mut String) {
        match self {
            Self::Leaf(value) => value.to_json(out),
            Self::Map(entries) => {
                out.push('{');
                for (index, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { "," });
                    json_text(key, out);
                    out.push(':');
                    value.to_json(out);
                }
                out.push('}');
            }
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { "," });
                    item.to_json(out);
                }
                out.push(']');
            }
        }
    }
}

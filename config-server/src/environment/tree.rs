//! Flat keys nested again: `a.b` is a mapping in a mapping, `a[0]` an element of a list. In which
//! order elements come does not matter, and those that nobody gives are null, as Spring has it.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use crate::value::{Value, json_text};

/// Values nested.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Tree {
    /// An element that nobody gives.
    Nothing,
    Leaf(Value),
    /// A text with its placeholders resolved, which YAML need not quote for what it looks like.
    Resolved(Value),
    Map(IndexMap<String, Tree>),
    /// By their index. There are gaps until the tree is settled.
    List(BTreeMap<usize, Tree>),
}

impl Default for Tree {
    fn default() -> Self {
        Self::Map(IndexMap::new())
    }
}

/// A part of a flat key.
#[derive(Debug)]
enum Step {
    Key(String),
    Index(usize),
}

/// Elements that nobody gives, of all lists together: what few keys ask for must not take the
/// memory of many. A list with more gaps stays a mapping of its indexes.
const GAPS_MAX: usize = 10_000;
/// Levels of nesting; what is deeper stays one key.
const STEPS_MAX: usize = 128;

/// Splits a flat key: `a.b[0].c` or `a[key]`. A name may be empty, as that of `""` and behind a
/// point at the end.
fn steps(key: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let (mut rest, mut name_is_due) = (key, true);
    while name_is_due || !rest.is_empty() {
        if steps.len() >= STEPS_MAX {
            steps.push(Step::Key(rest.to_owned()));
            break;
        }
        let bracketed = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        if let Some((inner, behind)) = bracketed {
            let index = index(inner);
            steps.push(index.map_or_else(|| Step::Key(inner.to_owned()), Step::Index));
            rest = behind;
        } else {
            // A bracket that is never closed is a part of the name.
            let end = rest
                .char_indices()
                .find(|(at, c)| *c == '.' || *c == '[' && *at > 0);
            let (name, behind) = end.map_or((rest, ""), |(at, _)| rest.split_at(at));
            steps.push(Step::Key(name.to_owned()));
            rest = behind;
        }
        let behind_point = rest.strip_prefix('.');
        name_is_due = behind_point.is_some();
        rest = behind_point.unwrap_or(rest);
    }
    steps
}

fn index(inner: &str) -> Option<usize> {
    let is_number = inner.bytes().all(|byte| byte.is_ascii_digit());
    inner.parse().ok().filter(|_| is_number)
}

impl Tree {
    /// Puts what a flat key has into its place.
    pub(super) fn put(&mut self, key: &str, leaf: Tree) {
        let mut place = self;
        for step in steps(key) {
            place = match step {
                Step::Index(index) => place.element(index),
                Step::Key(key) => place.child(key),
            };
        }
        *place = leaf;
    }

    /// Returns an element of what is a list, or becomes one when it is nothing else yet.
    fn element(&mut self, index: usize) -> &mut Self {
        let is_other = matches!(self, Self::Map(entries) if !entries.is_empty());
        if is_other {
            return self.child(index.to_string());
        }
        if !matches!(self, Self::List(_)) {
            *self = Self::List(BTreeMap::new());
        }
        match self {
            Self::List(items) => items.entry(index).or_default(),
            other => other,
        }
    }

    fn child(&mut self, key: String) -> &mut Self {
        if let Self::List(items) = self {
            *self = by_name(std::mem::take(items));
        } else if !matches!(self, Self::Map(_)) {
            *self = Self::default();
        }
        match self {
            Self::Map(entries) => entries.entry(key).or_default(),
            other => other,
        }
    }

    /// Returns the tree with nothing missing in its lists.
    pub(super) fn settled(mut self) -> Self {
        let mut gaps_left = GAPS_MAX;
        self.settle(&mut gaps_left);
        self
    }

    fn settle(&mut self, gaps_left: &mut usize) {
        match self {
            Self::Nothing | Self::Leaf(_) | Self::Resolved(_) => {}
            Self::Map(entries) => {
                for value in entries.values_mut() {
                    value.settle(gaps_left);
                }
            }
            Self::List(items) => {
                for item in items.values_mut() {
                    item.settle(gaps_left);
                }
                let last = items.last_key_value().map_or(0, |(last, _)| *last);
                let gaps = last.saturating_add(1).saturating_sub(items.len());
                match gaps_left.checked_sub(gaps) {
                    Some(left) => {
                        *gaps_left = left;
                        for index in 0..last {
                            items.entry(index).or_insert(Self::Nothing);
                        }
                    }
                    None => *self = by_name(std::mem::take(items)),
                }
            }
        }
    }

    /// Returns the document that was no mapping, when the tree is one.
    pub(super) fn without_document(self) -> Self {
        match self {
            Self::Map(mut entries) if entries.len() == 1 => {
                let document = entries.shift_remove("document");
                document.unwrap_or(Self::Map(entries))
            }
            other => other,
        }
    }

    pub(super) fn to_json(&self, out: &mut String) {
        match self {
            Self::Nothing => out.push_str("null"),
            Self::Leaf(value) | Self::Resolved(value) => value.to_json(out),
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
                for (index, item) in items.values().enumerate() {
                    out.push_str(if index == 0 { "" } else { "," });
                    item.to_json(out);
                }
                out.push(']');
            }
        }
    }
}

/// Returns the mapping of the elements of a list that is none after all.
fn by_name(items: BTreeMap<usize, Tree>) -> Tree {
    let items = items.into_iter();
    Tree::Map(
        items
            .map(|(index, item)| (index.to_string(), item))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(keys: &[&str]) -> String {
        let mut tree = Tree::default();
        for (number, key) in keys.iter().enumerate() {
            tree.put(key, Tree::Leaf(Value::Integer(number.to_string().into())));
        }
        let mut out = String::new();
        tree.settled().to_json(&mut out);
        out
    }

    #[test]
    fn elements_come_in_any_order_and_may_be_missing() {
        assert_eq!(nested(&["a[1]", "a[0]"]), r#"{"a":[1,0]}"#);
        assert_eq!(nested(&["a[2]", "a[0]"]), r#"{"a":[1,null,0]}"#);
        assert_eq!(nested(&["a[1].b"]), r#"{"a":[null,{"b":0}]}"#);
        assert_eq!(nested(&["a[1][1]"]), r#"{"a":[null,[null,0]]}"#);
        assert_eq!(nested(&["a", "a[0]"]), r#"{"a":[1]}"#);
    }

    #[test]
    fn names_may_be_empty() {
        assert_eq!(nested(&["a", "", "b"]), r#"{"a":0,"":1,"b":2}"#);
        assert_eq!(
            nested(&["a.", ".b", "c..d"]),
            r#"{"a":{"":0},"":{"b":1},"c":{"":{"d":2}}}"#
        );
    }

    #[test]
    fn what_is_no_index_is_a_key() {
        assert_eq!(nested(&["a[+1]", "a[x.y]"]), r#"{"a":{"+1":0,"x.y":1}}"#);
        assert_eq!(nested(&["a[1]", "a.b"]), r#"{"a":{"1":0,"b":1}}"#);
        assert_eq!(nested(&["a[1", "[b"]), r#"{"a":{"[1":0},"[b":1}"#);
    }

    #[test]
    fn no_index_asks_for_memory() {
        assert_eq!(nested(&["a[10001]"]), r#"{"a":{"10001":0}}"#);
        let largest = format!("a[{}]", usize::MAX);
        assert_eq!(
            nested(&[&largest]),
            format!(r#"{{"a":{{"{}":0}}}}"#, usize::MAX)
        );
        let keys: Vec<String> = (0..100).map(|list| format!("l{list}[9999]")).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        assert!(nested(&keys).len() < 100_000);
    }
}

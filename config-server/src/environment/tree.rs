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

/// Splits a flat key: `a.b[0].c`. A name may be empty, as that of `""` and behind a point at the
/// end. Brackets around something else than an index are part of a name, as in Spring.
fn steps(key: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let (mut rest, mut name_is_due) = (key, true);
    while name_is_due || !rest.is_empty() {
        if steps.len() >= STEPS_MAX {
            steps.push(Step::Key(rest.to_owned()));
            break;
        }
        if let Some((index, behind)) = leading_index(rest) {
            steps.push(Step::Index(index));
            rest = behind;
        } else {
            let (name, behind) = rest.split_at(name_end(rest));
            steps.push(Step::Key(name.to_owned()));
            rest = behind;
        }
        let behind_point = rest.strip_prefix('.');
        name_is_due = behind_point.is_some();
        rest = behind_point.unwrap_or(rest);
    }
    steps
}

/// Returns where the name ends that a text begins with.
fn name_end(text: &str) -> usize {
    let ends = |(at, c): &(usize, char)| match c {
        '.' => true,
        '[' => text.get(*at..).and_then(leading_index).is_some(),
        _ => false,
    };
    text.char_indices()
        .find(ends)
        .map_or(text.len(), |(at, _)| at)
}

/// Returns the index in brackets that a text begins with, and what is behind it.
fn leading_index(text: &str) -> Option<(usize, &str)> {
    let inner = text.strip_prefix('[')?;
    let end = inner.bytes().position(|byte| !byte.is_ascii_digit())?;
    let (digits, behind) = inner.split_at(end);
    Some((digits.parse().ok()?, behind.strip_prefix(']')?))
}

impl Tree {
    /// Puts what a flat key has into its place. Below what is a value already there is no place:
    /// as in Spring the names are joined then, so that levels of `org.x` and `org.x.y` both stay.
    pub(super) fn put(&mut self, key: &str, leaf: Tree) {
        let mut place = self;
        let mut prefix = String::new();
        let mut steps = steps(key).into_iter().peekable();
        while let Some(step) = steps.next() {
            let name = match step {
                Step::Index(index) => {
                    place = place.element(index);
                    continue;
                }
                Step::Key(key) => std::mem::take(&mut prefix) + &key,
            };
            match steps.peek() {
                None => return place.set(&name, leaf),
                Some(Step::Key(_)) if place.has_value(&name) => prefix = name + ".",
                Some(_) => place = place.child(name),
            }
        }
        *place = leaf;
    }

    /// Returns whether a name of a mapping has a value, and nothing that has names of its own.
    fn has_value(&mut self, name: &str) -> bool {
        self.become_map();
        let is_value = |tree: &Self| matches!(tree, Self::Leaf(_) | Self::Resolved(_));
        matches!(self, Self::Map(entries) if entries.get(name).is_some_and(is_value))
    }

    /// Gives a name of a mapping a value. What is below the name stays, under longer ones.
    fn set(&mut self, name: &str, leaf: Tree) {
        self.become_map();
        let Self::Map(entries) = self else {
            return;
        };
        let before = entries.insert(name.to_owned(), leaf);
        if let Some(Self::Map(below)) = before {
            let below = below.into_iter();
            entries.extend(below.map(|(key, value)| (format!("{name}.{key}"), value)));
        }
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
        self.become_map();
        match self {
            Self::Map(entries) => entries.entry(key).or_default(),
            other => other,
        }
    }

    fn become_map(&mut self) {
        if let Self::List(items) = self {
            *self = by_name(std::mem::take(items));
        } else if !matches!(self, Self::Map(_)) {
            *self = Self::default();
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
        assert_eq!(
            nested(&["a[+1]", "a[x.y]"]),
            r#"{"a[+1]":0,"a[x":{"y]":1}}"#
        );
        assert_eq!(
            nested(&["m[/k]", "m[x][0]", "[y]", "e[]"]),
            r#"{"m[/k]":0,"m[x]":[1],"[y]":2,"e[]":3}"#
        );
        assert_eq!(nested(&["a[1]", "a.b"]), r#"{"a":{"1":0,"b":1}}"#);
        assert_eq!(nested(&["a[1", "[b"]), r#"{"a[1":0,"[b":1}"#);
        let open = "[".repeat(1 << 20);
        assert!(nested(&[&open]).len() > open.len());
    }

    #[test]
    fn a_key_that_is_the_beginning_of_another_keeps_its_value() {
        let levels = ["l.org.spring", "l.org.spring.cloud", "l.org.spring.a.b"];
        let both = r#"{"l":{"org":{"spring":0,"spring.cloud":1,"spring.a":{"b":2}}}}"#;
        assert_eq!(nested(&levels), both);
        // In whatever order they come.
        assert_eq!(
            nested(&["a.b.c", "a.d", "a"]),
            r#"{"a":2,"a.b":{"c":0},"a.d":1}"#
        );
        assert_eq!(
            nested(&["a", "a.b", "a.b.c"]),
            r#"{"a":0,"a.b":1,"a.b.c":2}"#
        );
        assert_eq!(nested(&["a", "a.l[0]"]), r#"{"a":0,"a.l":[1]}"#);
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

//! The tree of a document. Aliases share the node they name; keys are checked and merge keys
//! replaced when a mapping is complete, since both need its keys' meaning.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use granit_parser::{Event, ScalarStyle, Tag};

use super::events::Events;
use super::key::Key;
use super::room::{self, Room};
use super::scalar::{self, Plain};
use super::tagged;
use crate::document::{Broken, Place};
use crate::value::Value;

/// Levels of nesting. Spring's loader allows 50 with aliases and any number without.
pub(super) const DEPTH_MAX: usize = 100;

/// What the names of YAML's own tags begin with.
const YAML: &str = "tag:yaml.org,2002:";

/// A node.
#[derive(Debug)]
pub(super) enum Node {
    Null(Place),
    Scalar(Value, Place),
    List(Vec<Rc<Node>>, Trunk),
    Map(Vec<Pair>, Trunk),
}

/// A key and its value.
type Pair = (Key, Rc<Node>);

/// Where a node with others in it begins, and how many levels are below it, those behind aliases
/// included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trunk {
    pub(super) at: Place,
    height: usize,
}

impl Trunk {
    /// Refuses what is so deep that going through it could take more than a thread's stack.
    fn new<'a>(at: Place, inner: impl Iterator<Item = &'a Rc<Node>>) -> Result<Self, Broken> {
        let height = 1 + inner.map(|node| node.height()).max().unwrap_or(0);
        if height > DEPTH_MAX {
            return Err(Broken::new(at, "nested too deep"));
        }
        Ok(Self { at, height })
    }
}

/// Reads the document that has just begun.
pub(super) fn read(
    events: &mut Events<'_>,
    nodes_max: usize,
    room: &mut Room,
) -> Result<Rc<Node>, Broken> {
    let mut reader = Reader {
        anchors: HashMap::new(),
        nodes_left: nodes_max.saturating_mul(2),
        room,
    };
    let node = reader.next(events)?;
    match node {
        Item::Node(node) => Ok(node),
        Item::Merge(at) => Ok(Rc::new(Node::Scalar(Value::text("<<"), at))),
        Item::End => Ok(Rc::new(Node::Null(Place::default()))),
    }
}

struct Reader<'a> {
    anchors: HashMap<usize, Rc<Node>>,
    nodes_left: usize,
    room: &'a mut Room,
}

enum Item {
    Node(Rc<Node>),
    Merge(Place),
    /// Of the mapping, the sequence or the document.
    End,
}

/// What stands in front of a value of a mapping.
enum Name {
    Own(Key),
    /// The key that merges.
    Merge(Place),
}

impl Reader<'_> {
    fn next(&mut self, events: &mut Events<'_>) -> Result<Item, Broken> {
        let Some((event, at)) = events.next()? else {
            return Ok(Item::End);
        };
        self.nodes_left = room::take(self.nodes_left, 1, at)?;
        let (node, anchor) = match event {
            Event::Alias(id) => {
                let node = self.anchors.get(&id).cloned();
                let node = node.ok_or_else(|| Broken::new(at, "an alias within its own anchor"))?;
                return Ok(Item::Node(node));
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                match scalar_node((&text, plain), tag.as_deref(), at)? {
                    Some(node) => (node, anchor),
                    None => return Ok(Item::Merge(at)),
                }
            }
            Event::SequenceStart(_, anchor, tag) => {
                let tag = suffix(tag.as_deref(), &["seq", "omap", "pairs"], at)?;
                let list = self.list(events, at)?;
                let node = match (tag, &list) {
                    ("omap", _) => tagged::ordered(list, self.room)?,
                    // What Spring's server makes of pairs it can't answer with.
                    ("pairs", Node::List(items, _)) if !items.is_empty() => {
                        return Err(unknown(at));
                    }
                    _ => list,
                };
                (node, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                let node = match suffix(tag.as_deref(), &["map", "set"], at)? {
                    "set" => self.set(events, at)?,
                    _ => self.map(events, at)?,
                };
                (node, anchor)
            }
            _ => return Ok(Item::End),
        };
        let node = Rc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        Ok(Item::Node(node))
    }

    fn list(&mut self, events: &mut Events<'_>, at: Place) -> Result<Node, Broken> {
        let mut items = Vec::new();
        loop {
            match self.next(events)? {
                Item::Node(node) => items.push(node),
                Item::Merge(at) => items.push(Rc::new(Node::Scalar(Value::text("<<"), at))),
                Item::End => {
                    let trunk = Trunk::new(at, items.iter())?;
                    return Ok(Node::List(items, trunk));
                }
            }
        }
    }

    /// Reads a mapping of which the keys alone count: a list of them, in which none is twice.
    fn set(&mut self, events: &mut Events<'_>, at: Place) -> Result<Node, Broken> {
        let mut items: Vec<Rc<Node>> = Vec::new();
        let mut seen = HashSet::new();
        loop {
            let key = match self.next(events)? {
                Item::Node(key) => key,
                Item::Merge(at) => return Err(unknown(at)),
                Item::End => break,
            };
            let name = match &*key {
                Node::Null(_) => None,
                key => Some(self.key(key)?),
            };
            if !seen.insert(name) {
                return Err(Broken::new(key.place(), "the set has it twice"));
            }
            items.push(key);
            if let Item::End = self.next(events)? {
                return Err(Broken::new(at, "a mapping ends behind a key"));
            }
        }
        let trunk = Trunk::new(at, items.iter())?;
        Ok(Node::List(items, trunk))
    }

    fn map(&mut self, events: &mut Events<'_>, at: Place) -> Result<Node, Broken> {
        let mut own: Vec<(Name, Rc<Node>)> = Vec::new();
        let mut seen = HashSet::new();
        loop {
            let name = match self.next(events)? {
                Item::Node(node) => {
                    let key = self.key(&node)?;
                    if !seen.insert(key.clone()) {
                        let what = format!("the key {} is there twice", key.text());
                        return Err(Broken::new(node.place(), what));
                    }
                    Name::Own(key)
                }
                Item::Merge(at) => Name::Merge(at),
                Item::End => break,
            };
            let value = match self.next(events)? {
                Item::Node(value) => value,
                Item::Merge(at) => Rc::new(Node::Scalar(Value::text("<<"), at)),
                Item::End => return Err(Broken::new(at, "a mapping ends behind a key")),
            };
            own.push((name, value));
        }
        let entries = self.merge(own)?;
        let trunk = Trunk::new(at, entries.iter().map(|(_, value)| value))?;
        Ok(Node::Map(entries, trunk))
    }

    fn key(&mut self, node: &Node) -> Result<Key, Broken> {
        let key = Key::of(node)?;
        self.room.key(key.text(), node.place())?;
        Ok(key)
    }

    /// Own keys win over merged ones, and of those the first; each stays where it came first.
    fn merge(&mut self, own: Vec<(Name, Rc<Node>)>) -> Result<Vec<Pair>, Broken> {
        let mut merged: Vec<Pair> = Vec::with_capacity(own.len());
        let mut index: HashMap<Key, usize> = HashMap::new();
        for (name, value) in own {
            let name = match name {
                Name::Own(name) => name,
                Name::Merge(at) => {
                    for inner in mappings(&value)? {
                        self.room.merge(1 + inner.len(), at)?;
                        for (key, one) in inner {
                            self.room.key(key.text(), at)?;
                            if let Entry::Vacant(vacant) = index.entry(key.clone()) {
                                vacant.insert(merged.len());
                                merged.push((key.clone(), Rc::clone(one)));
                            }
                        }
                    }
                    continue;
                }
            };
            match index.get(&name).and_then(|at| merged.get_mut(*at)) {
                Some(entry) => entry.1 = value,
                None => {
                    index.insert(name.clone(), merged.len());
                    merged.push((name, value));
                }
            }
        }
        Ok(merged)
    }
}

/// Returns the entries of what a merge key merges: of a mapping, or of each of a list.
fn mappings(value: &Node) -> Result<Vec<&[Pair]>, Broken> {
    match value {
        Node::List(items, _) => items.iter().map(|item| entries(item)).collect(),
        one => Ok(vec![entries(one)?]),
    }
}

fn entries(node: &Node) -> Result<&[Pair], Broken> {
    match node {
        Node::Map(entries, _) => Ok(entries),
        other => {
            let what = "<< needs a mapping or a list of mappings";
            Err(Broken::new(other.place(), what))
        }
    }
}

/// Returns `None` for the key that merges.
fn scalar_node(
    (text, plain): (&str, bool),
    tag: Option<&Tag>,
    at: Place,
) -> Result<Option<Node>, Broken> {
    let Some(tag) = tag.filter(|tag| !is_bare(tag)) else {
        if !plain {
            return Ok(Some(Node::Scalar(Value::text(text), at)));
        }
        return Ok(match scalar::resolve(text) {
            Plain::Null => Some(Node::Null(at)),
            Plain::Merge => None,
            Plain::Value(value) => Some(Node::Scalar(value, at)),
        });
    };
    // What is wrong may be a secret, so it is not quoted.
    let wrong = |kind: &str| Broken::new(at, format!("the value is no {kind}, as its tag says"));
    let name = tag.suffix_in_namespace(YAML);
    let value = match name.as_deref() {
        Some("str") => Value::text(text),
        Some("bool") => {
            let lower = text.to_ascii_lowercase();
            Value::Bool(scalar::boolean(&lower).ok_or_else(|| wrong("boolean"))?)
        }
        Some("int") => Value::Integer(scalar::integer(text).ok_or_else(|| wrong("whole number"))?),
        Some("float") => {
            let number = scalar::float(text).or_else(|| scalar::integer(text)?.parse().ok());
            Value::Float(number.ok_or_else(|| wrong("number"))?)
        }
        Some("null") => return Ok(Some(Node::Null(at))),
        Some("binary") => Value::text(&tagged::binary(text).ok_or_else(|| wrong("Base64"))?),
        Some("timestamp") => Value::text(&tagged::timestamp(text).ok_or_else(|| wrong("time"))?),
        _ => return Err(unknown(at)),
    };
    Ok(Some(Node::Scalar(value, at)))
}

/// Returns whether a tag is `!` alone, which says nothing to `SnakeYAML`.
fn is_bare(tag: &Tag) -> bool {
    tag.parts() == ("!", "") || tag.parts() == ("", "!")
}

/// A password may begin with the sign of a tag, so the tag is not quoted.
fn unknown(at: Place) -> Broken {
    Broken::new(at, "nothing can be made of the tag")
}

/// Returns which of the allowed tags a node has; the first when it has none.
fn suffix(tag: Option<&Tag>, allowed: &[&'static str], at: Place) -> Result<&'static str, Broken> {
    let known = |tag: &Tag| {
        let name = tag.suffix_in_namespace(YAML)?;
        allowed.iter().find(|one| **one == name)
    };
    let found = match tag {
        None => allowed.first(),
        Some(tag) => known(tag),
    };
    found.copied().ok_or_else(|| unknown(at))
}

impl Node {
    pub(super) fn place(&self) -> Place {
        match self {
            Self::Null(at) | Self::Scalar(_, at) => *at,
            Self::List(_, trunk) | Self::Map(_, trunk) => trunk.at,
        }
    }

    fn height(&self) -> usize {
        match self {
            Self::Null(_) | Self::Scalar(..) => 0,
            Self::List(_, trunk) | Self::Map(_, trunk) => trunk.height,
        }
    }
}

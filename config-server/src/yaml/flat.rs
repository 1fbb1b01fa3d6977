//! A tree made flat, as Spring does it: `a.b`, `a[0]`, `a[true]`.

use super::key::Key;
use super::node::Node;
use crate::document::{Broken, Entries, Place};
use crate::value::{Value, push};

/// Longer keys are nobody's.
const KEY_BYTES_MAX: usize = 64 << 10;

/// Makes a document flat; says whether it held anything.
pub(super) fn flatten(root: &Node, entries: &mut Entries<'_>) -> Result<bool, Broken> {
    let mut key = String::new();
    match root {
        Node::Null(_) => return Ok(false),
        Node::Map(..) => put(root, &mut key, entries)?,
        Node::Scalar(..) | Node::List(..) => {
            key.push_str("document");
            put(root, &mut key, entries)?;
        }
    }
    Ok(true)
}

fn put(node: &Node, key: &mut String, entries: &mut Entries<'_>) -> Result<(), Broken> {
    if key.len() > KEY_BYTES_MAX {
        return Err(Broken::new(node.place(), "the key is too long"));
    }
    let empty = |at: Place| (Value::text(""), at);
    let (value, at) = match node {
        Node::Map(inner, trunk) => {
            if inner.is_empty() {
                return entries.pass(trunk.at);
            }
            for (name, value) in inner {
                let length = key.len();
                append(key, name);
                put(value, key, entries)?;
                key.truncate(length);
            }
            return Ok(());
        }
        Node::List(items, _) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                let length = key.len();
                push(key, format_args!("[{index}]"));
                put(item, key, entries)?;
                key.truncate(length);
            }
            return Ok(());
        }
        Node::List(_, trunk) => empty(trunk.at),
        Node::Null(at) => empty(*at),
        Node::Scalar(value, at) => (value.clone(), *at),
    };
    entries.put(key, value, at)
}

fn append(key: &mut String, name: &Key) {
    match name {
        Key::Other(text) => {
            key.push('[');
            key.push_str(text);
            key.push(']');
        }
        Key::Text(text) => {
            if !key.is_empty() && !text.starts_with('[') {
                key.push('.');
            }
            key.push_str(text);
        }
    }
}

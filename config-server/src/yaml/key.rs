//! Keys of mappings: most are texts, the others are made one as Java does it.

use super::node::Node;
use crate::document::Broken;
use crate::value::Value;

/// A key, as it is written behind its mapping's own key.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Key {
    /// A text.
    Text(String),
    /// Java's text of anything else.
    Other(String),
}

/// Bytes of a key that is no text.
const KEY_BYTES_MAX: usize = 64 << 10;

impl Key {
    pub(super) fn of(node: &Node) -> Result<Self, Broken> {
        match node {
            Node::Null(at) => Err(Broken::new(*at, "a key is null")),
            Node::Scalar(Value::Text(text), _) => Ok(Self::Text(text.to_string())),
            other => {
                let mut text = String::new();
                text_of(other, &mut text);
                if text.len() > KEY_BYTES_MAX {
                    return Err(Broken::new(other.place(), "the key is too long"));
                }
                Ok(Self::Other(text))
            }
        }
    }

    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Other(text) => text,
        }
    }
}

/// Returns Java's text of a value within a key.
fn text_of(node: &Node, out: &mut String) {
    if out.len() > KEY_BYTES_MAX {
        return;
    }
    match node {
        Node::Null(_) => out.push_str("null"),
        Node::Scalar(value, _) => out.push_str(&value.to_string()),
        Node::List(items, _) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                text_of(item, out);
            }
            out.push(']');
        }
        Node::Map(entries, _) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                out.push_str(key.text());
                out.push('=');
                text_of(value, out);
            }
            out.push('}');
        }
    }
}

//! YAML files as Spring Boot reads them: syntax by a parser of events, meaning by YAML 1.1, nesting
//! made flat. A key twice in one mapping, an unknown tag or a key that is null is an error. It
//! knows nothing of profiles.
//!
//! # Layout
//!
//! - [`events`]: what the parser says, and what it lets pass that `SnakeYAML` does not.
//! - [`scalar`]: what a plain scalar means.
//! - [`key`]: what a key is.
//! - [`node`]: the tree of a document, with aliases and merge keys.
//! - [`room`]: how much a file may make of them.
//! - [`tagged`]: what rare tags make of a node.
//! - [`flat`]: the tree made flat.

mod events;
mod flat;
mod key;
mod node;
mod room;
mod scalar;
mod tagged;

use std::borrow::Cow;

use granit_parser::{Event, Options, Parser};

use events::Events;
use room::Room;

use crate::document::{Bounds, Broken, Budget, Document, Entries, Place};

/// Reads all documents that hold anything.
pub(crate) fn read(bytes: &[u8], bounds: &Bounds) -> Result<Vec<Document>, Broken> {
    let decoded = decoded(bytes)?;
    let text = text(&decoded)?;
    let mut options = Options::default();
    options.set_emit_comments(false);
    // `SnakeYAML` adds no line feed that the file lacks.
    options.block_scalar_eof_without_line_feed = true;
    options.flow_nesting_limit = node::DEPTH_MAX;
    options.block_nesting_limit = node::DEPTH_MAX;
    let mut events = Events::new(Parser::new_from_str_with_options(text, options), text);
    let mut documents = Vec::new();
    let mut budget = Budget::new(bounds);
    let mut left = Room::new(bounds);
    while let Some((event, _)) = events.next()? {
        if let Event::DocumentStart(..) = event {
            let root = node::read(&mut events, bounds.entries_max, &mut left)?;
            let mut entries = Entries::new(&mut budget);
            if flat::flatten(&root, &mut entries)? {
                documents.push(entries.finish()?);
            }
        }
    }
    Ok(documents)
}

/// Returns whether a plain scalar of this text would be no text, also for readers that know dates.
pub(crate) fn means_more_than_text(text: &str) -> bool {
    let is_text = match scalar::resolve(text) {
        scalar::Plain::Value(value) => value.as_text().is_some(),
        scalar::Plain::Null | scalar::Plain::Merge => false,
    };
    !is_text || scalar::is_date(text)
}

fn broken(error: &granit_parser::ScanError) -> Broken {
    Broken::new(place(error.marker()), error.info())
}

fn place(mark: &granit_parser::Marker) -> Place {
    Place {
        line: mark.line() as u32,
        column: mark.col() as u32 + 1,
    }
}

/// Returns the bytes as UTF-8 when their mark says that they are UTF-16, as shells of Windows
/// write.
fn decoded(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Broken> {
    let (unit, rest): (fn([u8; 2]) -> u16, _) = match bytes {
        [0xff, 0xfe, rest @ ..] => (u16::from_le_bytes, rest),
        [0xfe, 0xff, rest @ ..] => (u16::from_be_bytes, rest),
        _ => return Ok(Cow::Borrowed(bytes)),
    };
    let (pairs, odd) = rest.as_chunks::<2>();
    let mut text = String::new();
    for c in char::decode_utf16(pairs.iter().copied().map(unit)) {
        text.push(c.map_err(|_| Broken::new(end_of(text.as_bytes()), "not UTF-16"))?);
    }
    if !odd.is_empty() {
        return Err(Broken::new(end_of(text.as_bytes()), "not UTF-16"));
    }
    Ok(Cow::Owned(text.into_bytes()))
}

/// YAML is Unicode; `SnakeYAML` refuses what can't be printed.
fn text(bytes: &[u8]) -> Result<&str, Broken> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        Broken::new(end_of(good), "not UTF-8")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let printable = |c: char| {
        matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}')
            || c >= '\u{10000}'
    };
    if let Some((at, c)) = text.char_indices().find(|(_, c)| !printable(*c)) {
        let good = text.as_bytes().get(..at).unwrap_or_default();
        return Err(Broken::new(
            end_of(good),
            format!("the character {c:?} is not allowed"),
        ));
    }
    Ok(text)
}

/// Returns the place right behind valid UTF-8.
fn end_of(good: &[u8]) -> Place {
    let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
    let last = good
        .rsplit(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let column = 1 + last.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
    Place {
        line: line as u32,
        column: column as u32,
    }
}

#[cfg(test)]
mod tests;

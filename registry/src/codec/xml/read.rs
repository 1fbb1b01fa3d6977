//! Reading XML into the form of JSON, as far as Eureka needs it.

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Value};

use crate::codec::{ReadError, value};
use crate::model::Instance;

/// Deeper documents are refused.
const DEPTH_MAX: usize = 16;

/// Returns the key that was written as such a name; other names are their own keys.
fn unescaped_name(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((plain, behind)) = rest.split_once('_') {
        key.push_str(plain);
        let hex = behind.strip_prefix('.').and_then(|hex| hex.get(..4));
        let named = hex.and_then(|hex| u32::from_str_radix(hex, 16).ok());
        rest = if let Some(behind) = behind.strip_prefix('_') {
            key.push('_');
            behind
        } else if let Some(behind) = behind.strip_prefix('-') {
            key.push('$');
            behind
        } else if let Some(c) = named.and_then(char::from_u32) {
            key.push(c);
            behind.get(5..).unwrap_or_default()
        } else {
            key.push('_');
            behind
        };
    }
    key.push_str(rest);
    key
}

/// Reads an instance, which is the root.
pub fn read_instance(bytes: &[u8]) -> Result<Instance, ReadError> {
    let (name, value) = parse(bytes)?;
    if name != "instance" {
        return Err(ReadError::Root("instance"));
    }
    value::instance(&value)
}

/// Reads all instances of a list of applications.
pub fn read_applications(bytes: &[u8]) -> Result<Vec<Instance>, ReadError> {
    let (name, value) = parse(bytes)?;
    if name != "applications" {
        return Err(ReadError::Root("applications"));
    }
    let apps = many(value.get("application"));
    let instances = apps.iter().flat_map(|app| many(app.get("instance")));
    instances.map(value::instance).collect()
}

fn many(value: Option<&Value>) -> &[Value] {
    match value {
        None => &[],
        Some(Value::Array(all)) => all,
        Some(one) => std::slice::from_ref(one),
    }
}

const SYNTAX: ReadError = ReadError::Syntax("XML");

/// An element on its way.
struct Open {
    name: String,
    fields: Map<String, Value>,
    text: String,
}

/// Returns the root's name and content, in the form of JSON.
fn parse(bytes: &[u8]) -> Result<(String, Value), ReadError> {
    let text = std::str::from_utf8(bytes).map_err(|_| SYNTAX)?;
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Open> = Vec::new();
    loop {
        let done = match reader.read_event().map_err(|_| SYNTAX)? {
            Event::Start(tag) => {
                if open.len() >= DEPTH_MAX {
                    return Err(SYNTAX);
                }
                open.push(Open::new(&tag)?);
                None
            }
            Event::Empty(tag) => Some(Open::new(&tag)?),
            // The reader has compared the names.
            Event::End(_) => Some(open.pop().ok_or(SYNTAX)?),
            Event::Text(text) => {
                add_text(&mut open, &text.xml10_content());
                None
            }
            Event::CData(text) => {
                add_text(&mut open, &text.xml10_content());
                None
            }
            Event::GeneralRef(reference) => {
                let reference = format!("&{};", reference.xml10_content());
                // Only those that XML itself has: no document can bring its own.
                let text = quick_xml::escape::unescape(&reference).map_err(|_| SYNTAX)?;
                add_text(&mut open, &text);
                None
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => None,
            Event::DocType(_) | Event::Eof => return Err(SYNTAX),
        };
        let Some(done) = done else { continue };
        let (name, value) = done.finish();
        match open.last_mut() {
            Some(parent) => add_field(&mut parent.fields, name, value),
            None => return Ok((name, value)),
        }
    }
}

fn add_text(open: &mut [Open], text: &str) {
    // Text outside the root is white space or nothing that matters.
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn add_field(fields: &mut Map<String, Value>, name: String, value: Value) {
    match fields.get_mut(&name) {
        None => drop(fields.insert(name, value)),
        Some(Value::Array(all)) => all.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
    }
}

impl Open {
    fn new(tag: &BytesStart<'_>) -> Result<Self, ReadError> {
        let mut fields = Map::new();
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|_| SYNTAX)?;
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|_| SYNTAX)?;
            fields.insert(format!("@{}", attribute.key.0), value.into_owned().into());
        }
        Ok(Self {
            name: unescaped_name(tag.name().0),
            fields,
            text: String::new(),
        })
    }

    fn finish(mut self) -> (String, Value) {
        if self.fields.is_empty() {
            return (self.name, self.text.into());
        }
        let text = self.text.trim();
        if !text.is_empty() {
            self.fields.insert("$".to_owned(), text.into());
        }
        (self.name, self.fields.into())
    }
}

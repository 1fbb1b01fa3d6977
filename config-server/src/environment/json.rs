//! The environment as JSON, keys in the order of Spring's class. The second version of the media
//! type gives each value with its origin, `line:column`, or that it is an override; a value that
//! was decrypted has none.

use crate::document::{Entry, Secrecy};
use crate::value::{json_text, push};

use super::{Environment, Source};

/// The origin of what settings say, in Spring's words.
const OF_OVERRIDES: &str = "Config server overrides";

/// The forms of the answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Version {
    /// Values alone.
    V1,
    /// Values with their origins.
    V2,
}

/// Returns the answer.
pub fn environment(environment: &Environment, version: Version) -> String {
    let mut out = String::with_capacity(1024);
    out.push_str("{\"name\":");
    json_text(&environment.name, &mut out);
    out.push_str(",\"profiles\":[");
    json_text(&environment.profiles, &mut out);
    out.push_str("],\"label\":");
    nullable(environment.label.as_deref(), &mut out);
    out.push_str(",\"version\":");
    nullable(environment.version.as_deref(), &mut out);
    out.push_str(",\"state\":");
    nullable(environment.state.as_deref(), &mut out);
    out.push_str(",\"propertySources\":[");
    for (index, source) in environment.sources.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        property_source(source, version, &mut out);
    }
    out.push_str("]}");
    out
}

fn nullable(text: Option<&str>, out: &mut String) {
    match text {
        Some(text) => json_text(text, out),
        None => out.push_str("null"),
    }
}

fn property_source(source: &Source, version: Version, out: &mut String) {
    out.push_str("{\"name\":");
    json_text(&source.name, out);
    out.push_str(",\"source\":{");
    let origin = match version {
        Version::V1 => Origin::Untold,
        Version::V2 if source.has_places() => Origin::Place,
        Version::V2 => Origin::Overrides,
    };
    let mut first = true;
    let mut comma = |out: &mut String| {
        if !std::mem::take(&mut first) {
            out.push(',');
        }
    };
    for entry in source.told() {
        comma(out);
        if let Secrecy::Undecryptable(_) = entry.secrecy {
            json_text(&format!("invalid.{}", entry.key), out);
            out.push_str(":\"<n/a>\"");
        } else {
            json_text(&entry.key, out);
            out.push(':');
            value(entry, origin, out);
        }
    }
    out.push_str("}}");
}

/// What is said of where values come from.
#[derive(Clone, Copy)]
enum Origin {
    Untold,
    Place,
    Overrides,
}

fn value(entry: &Entry, origin: Origin, out: &mut String) {
    if matches!(origin, Origin::Untold) || entry.secrecy != Secrecy::Open {
        entry.value.to_json(out);
        return;
    }
    out.push_str("{\"value\":");
    entry.value.to_json(out);
    out.push_str(",\"origin\":\"");
    match origin {
        Origin::Overrides => out.push_str(OF_OVERRIDES),
        _ => push(out, format_args!("{}", entry.place)),
    }
    out.push_str("\"}");
}

//! How answers are made: overrides, and the switches of Spring's server that change them.

use std::sync::Arc;

use super::{Keys, SettingError};
use crate::document::{Document, Entry, Place, Secrecy};
use crate::environment::assemble::Request;
use crate::value::Value;

const SERVER: &str = "spring.cloud.config.server";
/// Environments that health asks for; more are not read.
const HEALTH_MAX: usize = 64;

/// The switches.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Answers {
    /// Whether one of several sources that fails is left out.
    pub leaves_out_failing: bool,
    /// Whether encrypted values of files that are given as they are get decrypted.
    pub decrypts_files: bool,
    /// Whether of files that are given as they are the last location counts.
    pub last_location_counts: bool,
    /// The environments without which the server is down.
    pub health: Vec<Request>,
}

pub(super) fn read(keys: &mut Keys) -> Result<Answers, SettingError> {
    let mut switch = |name: &str| keys.switch(&format!("{SERVER}.{name}"));
    let fails = switch("fail-on-composite-error")?.unwrap_or(true);
    let decrypts = switch("encrypt.enabled")?.unwrap_or(true);
    let decrypts_files = switch("encrypt.plain-text-encrypt")?.unwrap_or(false);
    Ok(Answers {
        leaves_out_failing: !fails,
        decrypts_files: decrypts && decrypts_files,
        last_location_counts: switch("reverse-location-order")?.unwrap_or(false),
        health: health(keys),
    })
}

fn health(keys: &mut Keys) -> Vec<Request> {
    let repositories = format!("{SERVER}.health.repositories");
    let names = keys.children(&repositories).into_iter().take(HEALTH_MAX);
    let request = |name: String| {
        let mut text = |part: &str| {
            let text = keys.text(&format!("{repositories}.{name}.{part}"));
            text.filter(|text| !text.is_empty())
        };
        Request {
            profiles: text("profiles").unwrap_or_else(|| "default".to_owned()),
            label: text("label"),
            application: text("name").unwrap_or(name),
        }
    };
    names.map(request).collect()
}

/// Returns what is stronger than all files. Placeholders are resolved by now.
pub(super) fn overrides(keys: &mut Keys) -> Option<Arc<Document>> {
    let entries = keys.below(&format!("{SERVER}.overrides"));
    if entries.is_empty() {
        return None;
    }
    let entry = |(key, text): (String, String)| Entry {
        key: key.into(),
        // A brace may be escaped, so that clients resolve what is around it.
        value: Value::text(&text.replace("\\{", "{")),
        place: Place::default(),
        secrecy: Secrecy::Open,
    };
    Some(Arc::new(Document {
        entries: entries.into_iter().map(entry).collect(),
        ..Document::default()
    }))
}

//! The server's answer: property sources, the strongest first, in either version of the form.
//!
//! ```text
//! {"name":..,"profiles":[..],"label":..,"version":..,"state":..,
//!  "propertySources":[{"name":..,"source":{"a.b":1                            (version 1)
//!                                          "a.b":{"value":1,"origin":"3:9"}   (version 2)
//! ```

use serde::Deserialize;
use serde_json::{Map, Value};

use super::settings::Source;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Environment {
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    property_sources: Vec<PropertySource>,
}

#[derive(Deserialize)]
struct PropertySource {
    name: String,
    #[serde(default)]
    source: Map<String, Value>,
}

/// Reads an answer. What the client knows besides, the version, is a source of its own, as in
/// Spring's client.
pub(super) fn decode(body: &[u8]) -> Result<Vec<Source>, String> {
    let environment: Environment =
        serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let state = [
        ("config.client.version", environment.version),
        ("config.client.state", environment.state),
    ];
    let state = state.into_iter().filter_map(|(name, value)| {
        let value = value.filter(|value| !value.is_empty())?;
        Some((name.to_owned(), value))
    });
    let own = Source::new("configClient", state);
    let fetched = environment.property_sources.into_iter().map(|source| {
        let values = source.source.into_iter();
        let values = values.map(|(name, value)| (name, text(value)));
        Source::new(&format!("configserver:{}", source.name), values)
    });
    Ok(std::iter::once(own).chain(fetched).collect())
}

/// Returns a value as a text; what is traced is unwrapped. Lists and maps do not stand here: the
/// server flattens them, but for empty ones.
fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Object(mut traced) if traced.len() == 2 && traced.contains_key("origin") => {
            traced.remove("value").map_or_else(String::new, text)
        }
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

//! What was given as texts by name: documents of the file, the command line, variables, with their
//! placeholders resolved. It does not know what the names mean.

use indexmap::IndexMap;

use super::variables::{Pairs, overrides};
use super::{SettingError, Sources};
use crate::document::{Bounds, Document, Format};
use crate::environment::placeholder::{Resolver, Values};

/// Names by which a document says when it counts, which are no settings.
const WHEN: [&str; 2] = ["spring.config.activate.", "spring.profiles"];

/// Reads the documents of the file.
pub(super) fn documents(sources: &Sources) -> Result<Vec<Document>, SettingError> {
    let Some((name, bytes)) = &sources.file else {
        return Ok(Vec::new());
    };
    let format = Format::of(name).ok_or_else(|| {
        SettingError::File(format!("{name}: its name must end in .yml or .properties"))
    })?;
    let documents = format.read(bytes, &Bounds::default());
    documents.map_err(|broken| SettingError::File(format!("{name}: {broken}")))
}

/// Returns the texts of documents and of the command line by name, and the variables that may be
/// settings, all of them resolved. Of variables only overrides are: others are as they stand.
pub(super) fn read<'a>(
    sources: &Sources,
    (documents, mut variables): (impl Iterator<Item = &'a Document>, Pairs),
) -> Result<(IndexMap<String, String>, Pairs), SettingError> {
    let mut texts: IndexMap<String, String> = IndexMap::new();
    for document in documents {
        let is_conditional = !document.activation.is_unconditional();
        for entry in &document.entries {
            if !(is_conditional && says_when(&entry.key)) {
                texts.insert(entry.key.to_string(), entry.value.to_string());
            }
        }
    }
    texts.extend(sources.flags.iter().cloned());
    // Placeholders may well ask where a service is.
    let named = |(name, text): (&String, &String)| (name.clone().into(), text.clone());
    let mut values: Values<'_> = texts.iter().map(named).collect();
    let environment = sources.environment.iter();
    values.extend(environment.map(|(name, text)| named((name, text))));
    let mut resolver = Resolver::new(&values);
    let mut resolve = |name: &str, text: &mut String| {
        let whole = resolver.resolve(text);
        *text = whole.map_err(|error| SettingError::File(format!("{name}: {error}")))?;
        Ok(())
    };
    for (name, text) in &mut texts {
        resolve(name, text)?;
    }
    for (name, text) in variables.iter_mut().filter(|(name, _)| overrides(name)) {
        resolve(name, text)?;
    }
    Ok((texts, variables))
}

fn says_when(key: &str) -> bool {
    let name = key.split('[').next().unwrap_or(key);
    name.starts_with(WHEN[0]) || name == WHEN[1]
}

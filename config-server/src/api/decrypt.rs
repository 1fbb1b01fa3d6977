//! Encrypted values within files that are given as they are: as in Spring, found by reading the
//! file and replaced in its text. It knows no file but those of configuration and JSON.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use crate::cipher::{Cipher, MARK, without_prefixes};
use crate::document::{Bounds, Format};

/// Returns a file's text with its values decrypted, or why that can't be.
pub(super) fn decrypted(cipher: &Cipher, path: &str, text: &str) -> Result<String, String> {
    let mut plain: HashMap<String, String> = HashMap::new();
    for (key, value) in marked(path, text)? {
        let hidden = value.strip_prefix(MARK).map(|text| text.trim().to_owned());
        if let Some(hidden) = hidden
            && let Entry::Vacant(vacant) = plain.entry(value)
        {
            let found = cipher.decrypt(without_prefixes(&hidden));
            vacant.insert(
                found.map_err(|why| {
                    format!("the value of {key} ({path}) can't be decrypted: {why}")
                })?,
            );
        }
    }
    Ok(replaced(text, &plain))
}

/// Returns the keys and texts of a file, of which some may be encrypted.
fn marked(path: &str, text: &str) -> Result<Vec<(String, String)>, String> {
    if !text.contains(MARK) {
        return Ok(Vec::new());
    }
    let name = path.to_ascii_lowercase();
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    if ending == Some("json") {
        let value = serde_json::from_str(text).map_err(|error| format!("{path}: {error}"))?;
        let mut all = Vec::new();
        strings(("", &value), &mut all);
        return Ok(all);
    }
    let Some(format) = Format::of(&name) else {
        return Ok(Vec::new());
    };
    let bounds = Bounds {
        bytes_max: text.len(),
        ..Bounds::default()
    };
    let documents = format.read(text.as_bytes(), &bounds);
    let documents = documents.map_err(|broken| format!("{path}: {broken}"))?;
    let entries = documents.into_iter().flat_map(|document| document.entries);
    Ok(entries
        .map(|entry| (entry.key.to_string(), entry.value.to_string()))
        .collect())
}

/// Collects the texts of a value of JSON, by the last name above them. The parser bounds the depth.
fn strings((key, value): (&str, &serde_json::Value), all: &mut Vec<(String, String)>) {
    match value {
        serde_json::Value::String(text) => all.push((key.to_owned(), text.clone())),
        serde_json::Value::Array(items) => {
            for item in items {
                strings((key, item), all);
            }
        }
        serde_json::Value::Object(entries) => {
            for (key, value) in entries {
                strings((key, value), all);
            }
        }
        _ => {}
    }
}

/// Returns a text with encrypted values replaced, in one pass: there may be many.
fn replaced(text: &str, plain: &HashMap<String, String>) -> String {
    let lengths: BTreeSet<usize> = plain.keys().map(String::len).collect();
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(MARK) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let mut candidates = lengths
            .iter()
            .rev()
            .filter_map(|length| from.get(..*length));
        let found = candidates.find_map(|value| Some((value, plain.get(value)?)));
        let (taken, given) = found.map_or((MARK, MARK), |(value, text)| (value, text));
        out.push_str(given);
        rest = from.get(taken.len()..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cipher::{Key, Symmetric};

    #[test]
    fn values_are_decrypted_where_they_stand() {
        let cipher = Cipher::new(Some(Key::Symmetric(Symmetric::new("k", "deadbeef"))));
        let hide = |text: &str| format!("{{cipher}}{}", cipher.encrypt(text).unwrap());
        let (one, two) = (hide("one"), hide("the second of them"));
        let yaml = format!("# {one}x {{cipher}}\na: '{one}'\nb: [\"{two}\", '{one}']\n");
        let expected = "# onex {cipher}\na: 'one'\nb: [\"the second of them\", 'one']\n";
        assert_eq!(
            decrypted(&cipher, "x/a.yml", &yaml).as_deref(),
            Ok(expected)
        );
        let json = format!("{{\t\"a\": [{{\"b\": \"{two}\"}}]}}");
        let expected = "{\t\"a\": [{\"b\": \"the second of them\"}]}";
        assert_eq!(decrypted(&cipher, "a.json", &json).as_deref(), Ok(expected));
        let lines = format!("a={one}\n! {two}\n");
        let expected = format!("a=one\n! {two}\n");
        let told = decrypted(&cipher, "a.properties", &lines);
        assert_eq!(told.as_deref(), Ok(&*expected));
        // What is no configuration stays, and what is none after all is told.
        assert_eq!(decrypted(&cipher, "a.txt", &lines).as_deref(), Ok(&*lines));
        let wrong = decrypted(&cipher, "a.yml", "k: '{cipher}00'\n").unwrap_err();
        assert!(
            wrong.starts_with("the value of k (a.yml) can't be"),
            "{wrong}"
        );
        let broken = decrypted(&cipher, "a.yml", "k: [{cipher}\n").unwrap_err();
        assert!(broken.starts_with("a.yml: line "), "{broken}");
    }
}

//! Search locations of this machine: as absolute paths, and the folders that they stand for in a
//! request. It reads none of them.

use std::path::PathBuf;

use crate::environment::assemble::Request;
use crate::snapshot::Snapshot;
use crate::source::location;

/// A search location.
#[derive(Debug)]
pub(super) struct Location {
    /// An absolute path, placeholders left in.
    pub(super) path: String,
    pub(super) is_optional: bool,
}

impl Location {
    /// Reads a location as it is set.
    pub(super) fn new(text: &str) -> Self {
        let rest = text.strip_prefix("optional:");
        Self {
            path: absolute(rest.unwrap_or(text)),
            is_optional: rest.is_some(),
        }
    }
}

/// Returns the folders that a location stands for in a request.
pub(super) fn folders(
    location: &str,
    snapshot: &Snapshot,
    request: &Request,
) -> impl Iterator<Item = String> {
    let mut all = Vec::new();
    for path in location::filled(location, request) {
        let Some(path) = location::normal(&path) else {
            continue;
        };
        let path = format!("/{path}");
        if location::has_stars(&path) {
            all.extend(location::matching(snapshot, &path));
        } else {
            all.push(path);
        }
    }
    all.into_iter()
}

/// Returns whether the label may be a folder within a location: as in Spring, not when it has
/// placeholders, since it says itself where the label stands.
pub(super) fn takes_label(location: &str) -> bool {
    !location.contains('{')
}

/// Returns a location as an absolute path, with a slash behind and no `..` within, as Spring
/// has it: `..` takes the folder before it away, whatever that is.
fn absolute(location: &str) -> String {
    let path = location.strip_prefix("file:").unwrap_or(location);
    let path = path.strip_prefix("//").unwrap_or(path);
    let whole = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
    let text = whole.display().to_string();
    let mut parts = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() {
        return "/".to_owned();
    }
    format!("/{}/", parts.join("/"))
}

/// Returns the part of a location in front of placeholders and stars.
pub(super) fn root(location: &str) -> PathBuf {
    let parts = location.split('/');
    let plain = parts.take_while(|part| !part.contains(['{', '*', '?']));
    let plain = plain.collect::<Vec<_>>().join("/");
    PathBuf::from(format!("{}/", plain.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_lead_upwards_too() {
        let here = std::env::current_dir().unwrap();
        let above = here.parent().unwrap().display().to_string();
        assert_eq!(absolute("../conf"), format!("{above}/conf/"));
        assert_eq!(absolute("file:///a/./b/../c/"), "/a/c/");
        assert_eq!(absolute("/a/{application}/"), "/a/{application}/");
        assert_eq!(absolute("/.."), "/");
        let optional = Location::new("optional:file:/a");
        assert_eq!((&*optional.path, optional.is_optional), ("/a/", true));
    }
}

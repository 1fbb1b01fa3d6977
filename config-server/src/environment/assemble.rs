//! Which documents of a snapshot count for a request. Highest first: profiles from the last to the
//! first and then none, within one the locations from the last to the first, there the
//! application's files before `application`'s, `.properties` before `.yml` before `.yaml`, and the
//! documents of a file from the last to the first.

use crate::document::{Broken, Format};
use crate::profile;
use crate::snapshot::Snapshot;

use super::Source;
use crate::value::push;

/// What is asked for, its parts valid.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Request {
    /// One name, or several with commas between.
    pub application: String,
    /// One name, or several with commas between; may be empty.
    pub profiles: String,
    /// A branch, a tag or a commit; `None` for the default.
    pub label: Option<String>,
}

/// A file that counts and can't be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{path}: {broken}")]
pub struct BrokenFile {
    /// Its path in the repository.
    pub path: String,
    /// What is wrong with it.
    pub broken: Broken,
}

/// What files are called that everybody gets.
pub(crate) const EVERYBODY: &str = "application";

/// More applications in one request are nobody's.
const APPLICATIONS_MAX: usize = 64;

impl Request {
    /// Returns the applications, the weakest first: everybody's before those that are asked for,
    /// unless what is asked for begins so, as Spring has it.
    pub fn applications(&self) -> Vec<&str> {
        let everybody = (!self.application.starts_with(EVERYBODY)).then_some(EVERYBODY);
        self.with_own(everybody.into_iter().collect())
    }

    /// Returns the applications that are asked for.
    pub fn own_applications(&self) -> Vec<&str> {
        self.with_own(Vec::new())
    }

    fn with_own<'a>(&'a self, mut names: Vec<&'a str>) -> Vec<&'a str> {
        let parts = self.application.split(',').map(str::trim);
        for part in parts.filter(|part| !part.is_empty()).take(APPLICATIONS_MAX) {
            if !names.contains(&part) {
                names.push(part);
            }
        }
        names
    }
}

/// Collects the sources of a snapshot. Locations are folders with a slash behind each, the weakest
/// first; `name_of` makes the name of a source from a path.
pub(crate) fn collect(
    snapshot: &Snapshot,
    request: &Request,
    locations: &[String],
    name_of: impl Fn(&str) -> String,
) -> Result<Vec<Source>, BrokenFile> {
    let profiles = profile::requested(&request.profiles);
    let applications = request.applications();
    let mut sources = Vec::new();
    let of_profiles = profiles.iter().rev().map(|profile| format!("-{profile}"));
    for suffix in of_profiles.chain([String::new()]) {
        for location in locations.iter().rev() {
            for application in applications.iter().rev() {
                for format in Format::ALL {
                    let ending = format.ending();
                    let path = format!("{location}{application}{suffix}.{ending}");
                    add(snapshot, path, (&profiles, &name_of, &mut sources))?;
                }
            }
        }
    }
    Ok(sources)
}

/// Adds the documents of a file that count, when there is such a file.
fn add(
    snapshot: &Snapshot,
    path: String,
    (profiles, name_of, sources): (&[String], &impl Fn(&str) -> String, &mut Vec<Source>),
) -> Result<(), BrokenFile> {
    let Some(file) = snapshot.file(&path) else {
        return Ok(());
    };
    let documents = match file.documents() {
        Ok(documents) => documents,
        Err(broken) => {
            let broken = broken.clone();
            return Err(BrokenFile { path, broken });
        }
    };
    for (index, document) in documents.iter().enumerate().rev() {
        if !document.activation.holds(profiles) {
            continue;
        }
        let mut name = name_of(&path);
        if documents.len() > 1 {
            push(&mut name, format_args!(" (document #{index})"));
        }
        sources.push(Source::of_file(name, path.clone(), (file.clone(), index)));
    }
    Ok(())
}

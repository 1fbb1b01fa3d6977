//! Files as they are: which one a request means, among locations and the variants that profiles may
//! have.

use std::time::SystemTime;

use bytes::Bytes;

use super::sources::{Live, Sources};
use super::{SourceError, location};
use crate::environment::assemble::{BrokenFile, Request};
use crate::profile;
use crate::snapshot::Snapshot;

/// A file as it is, found.
#[derive(Clone, Debug)]
pub struct Plain {
    /// Its bytes.
    pub bytes: Bytes,
    /// When it may have changed last.
    pub changed: Option<SystemTime>,
}

impl Sources {
    /// Returns a file as it is; profiles may have a variant of it.
    pub async fn plain(&self, request: &Request, path: &str) -> Result<Option<Plain>, SourceError> {
        let variants = variants(path, &request.profiles);
        for live in self.in_order_of_files() {
            let found = match self.look(live, (request, &variants)).await {
                Err(error) if self.is_left_out(&error) => continue,
                found => found?,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Returns what one source has.
    async fn look(
        &self,
        live: &Live,
        (request, variants): (&Request, &[String]),
    ) -> Result<Option<Plain>, SourceError> {
        let (snapshot, locations) = match live {
            Live::Git { default, others } => {
                let (repository, served) = self.find(default, others, request).await?;
                let config = repository.config();
                let paths = (&*config.search_paths, &*config.default_label);
                let locations = location::of_request(&served.snapshot, paths, request);
                (served.snapshot, locations)
            }
            Live::Native(folder) => {
                let snapshot = folder.snapshot();
                let locations = folder.locations(&snapshot, request);
                (snapshot, locations)
            }
        };
        first(&snapshot, &self.ordered(locations), variants)
    }
}

/// Returns what the first location has: unlike values, files of the root hide those of search
/// paths.
fn first(
    snapshot: &Snapshot,
    locations: &[String],
    variants: &[String],
) -> Result<Option<Plain>, SourceError> {
    for location in locations {
        for variant in variants {
            let path = format!("{location}{variant}");
            let Some(file) = snapshot.file(&path) else {
                continue;
            };
            if let Some(broken) = file.lacks() {
                let broken = broken.clone();
                return Err(BrokenFile { path, broken }.into());
            }
            return Ok(Some(Plain {
                bytes: file.bytes().clone(),
                changed: snapshot.changed,
            }));
        }
    }
    Ok(None)
}

/// Returns the names under which a file is looked for: `name-profile.ending`, then `name.ending`.
fn variants(path: &str, profiles: &str) -> Vec<String> {
    let name_at = path.rfind('/').map_or(0, |at| at + 1);
    let ending_at = path
        .rfind('.')
        .filter(|at| *at >= name_at)
        .unwrap_or(path.len());
    let (stem, ending) = path.split_at(ending_at);
    let mut variants = Vec::new();
    for profile in profile::requested(profiles) {
        if profile == "default" {
            variants.push(path.to_owned());
        } else {
            variants.push(format!("{stem}-{profile}{ending}"));
        }
    }
    variants.push(path.to_owned());
    variants
}

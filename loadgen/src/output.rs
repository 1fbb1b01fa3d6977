//! The files that a report goes to. They are opened before the load, so that an hour of it is not
//! lost to a name that can't be written, and each is written whatever became of the other.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result};

use crate::options::OutputOptions;
use crate::report::{Report, page};

/// A file, open for writing.
#[derive(Debug)]
struct Output {
    path: PathBuf,
    file: File,
    /// Whether it was not there before.
    is_new: bool,
}

impl Output {
    fn open(path: &Path) -> Result<Self> {
        let mut options = OpenOptions::new();
        let about = || format!("write {}", path.display());
        let new = options.write(true).create_new(true).open(path);
        let is_new = new.is_ok();
        // What was in it stays until there is something better.
        let file = match new {
            Ok(file) => file,
            Err(_) => options.create_new(false).open(path).with_context(about)?,
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            is_new,
        })
    }

    fn write(mut self, bytes: &[u8]) -> Result<()> {
        let about = || format!("write {}", self.path.display());
        // Only what has a length can be cut: pipes and terminals are written as they are.
        if self.file.metadata().with_context(about)?.is_file() {
            self.file.set_len(0).with_context(about)?;
        }
        self.file.write_all(bytes).with_context(about)
    }

    fn discard(self) {
        if self.is_new {
            // An empty file that stays does no harm.
            let _removed = std::fs::remove_file(&self.path);
        }
    }
}

/// The files of a report.
#[derive(Debug)]
pub struct Outputs {
    json: Option<Output>,
    html: Option<Output>,
}

impl Outputs {
    /// Opens what was asked for.
    pub fn open(options: &OutputOptions) -> Result<Self> {
        let open = |path: &Option<PathBuf>| path.as_deref().map(Output::open).transpose();
        let json = open(&options.json)?;
        match open(&options.html) {
            Ok(html) => Ok(Self { json, html }),
            Err(error) => {
                Self { json, html: None }.discard();
                Err(error)
            }
        }
    }

    /// Writes a report; returns what went wrong.
    pub fn write(self, report: &Report) -> Vec<Error> {
        let json = self.json.map(|output| {
            let json = serde_json::to_vec_pretty(report)?;
            output.write(&json)
        });
        let html = self
            .html
            .map(|output| output.write(page::text(report).as_bytes()));
        let done = json.into_iter().chain(html);
        done.filter_map(Result::err).collect()
    }

    /// Takes back files that were made for nothing.
    pub fn discard(self) {
        for output in [self.json, self.html].into_iter().flatten() {
            output.discard();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(json: &Path, html: &Path) -> OutputOptions {
        OutputOptions {
            json: Some(json.to_owned()),
            html: Some(html.to_owned()),
            quiet: true,
        }
    }

    #[test]
    fn what_cannot_be_written_is_known_before_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (good, bad) = (folder.path().join("a"), folder.path().join("x/b"));
        let error = Outputs::open(&options(&good, &bad)).unwrap_err();
        assert!(format!("{error:#}").contains("x/b"), "{error:#}");
        assert!(!good.exists());
        std::fs::write(&good, "older").unwrap();
        Outputs::open(&options(&good, &folder.path().join("c")))
            .unwrap()
            .discard();
        assert_eq!(std::fs::read(&good).unwrap(), b"older");
        assert!(!folder.path().join("c").exists());
    }

    #[test]
    fn one_file_is_written_though_the_other_cannot() {
        let folder = tempfile::tempdir().unwrap();
        let good = folder.path().join("a");
        std::fs::write(&good, "x".repeat(1 << 20)).unwrap();
        let outputs = Outputs::open(&options(Path::new("/dev/full"), &good)).unwrap();
        let errors = outputs.write(&Report::default());
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(format!("{:#}", errors[0]).contains("/dev/full"));
        assert!(
            std::fs::read_to_string(&good)
                .unwrap()
                .ends_with("</html>\n")
        );
    }
}

//! All leases in one text: what a registry of ours tells another, and what it leaves on disk for
//! its next life.
//!
//! ```text
//! {"format":"speargun-leases","version":1,"wall_ms":1700000000000}
//! {"silent_ms":1200,"override_ms":0,"instance":{ … Eureka's JSON, full … }}
//! …
//! {"end":2}
//! ```
//!
//! A line an instance, the number of them at the end: a text without it is not whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::book::{Book, Known, Lease, Now};
use crate::codec::{Shape, json, value};

const FORMAT: &str = "speargun-leases";
const VERSION: u64 = 1;
/// A larger file is none of ours.
const FILE_BYTES_MAX: u64 = 512 << 20;

/// Why a text is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The disk says no.
    #[error("{0}")]
    Disk(#[from] io::Error),
    /// It is not whole, or something else.
    #[error("line {0} is not what it should be")]
    Line(usize),
    /// It is of a later version than this one.
    #[error("it has version {0}, known is {VERSION}")]
    Version(u64),
}

/// What was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leases {
    /// When it was written, in milliseconds since the epoch.
    pub wall_ms: u64,
    /// The instances.
    pub known: Vec<Known>,
}

/// Takes all leases out of the book, to be written without holding it.
pub fn leases(book: &Book) -> Vec<Lease> {
    book.leases().cloned().collect()
}

/// Returns the lines, each with its end.
pub fn lines(leases: &[Lease], now: Now) -> impl Iterator<Item = String> {
    let first = format!(
        "{{\"format\":\"{FORMAT}\",\"version\":{VERSION},\"wall_ms\":{}}}\n",
        now.wall_ms
    );
    let last = format!("{{\"end\":{}}}\n", leases.len());
    let each = leases.iter().map(move |lease| {
        let silent_ms = now.steady_ms.saturating_sub(lease.renewed_ms);
        let override_ms = lease.override_ms;
        let mut line =
            format!("{{\"silent_ms\":{silent_ms},\"override_ms\":{override_ms},\"instance\":");
        json::write_instance(&mut line, Shape::Full, &lease.fresh());
        line.push_str("}\n");
        line
    });
    std::iter::once(first)
        .chain(each)
        .chain(std::iter::once(last))
}

/// Reads a snapshot.
pub fn read(bytes: &[u8]) -> Result<Leases, SnapshotError> {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').enumerate();
    let parsed = |index: usize, line: &[u8]| -> Result<Value, SnapshotError> {
        serde_json::from_slice(line).map_err(|_| SnapshotError::Line(index + 1))
    };
    let (_, first) = lines.next().ok_or(SnapshotError::Line(1))?;
    let first = parsed(0, first)?;
    let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_u64);
    if first.get("format").and_then(Value::as_str) != Some(FORMAT) {
        return Err(SnapshotError::Line(1));
    }
    match number(&first, "version") {
        Some(VERSION) => {}
        Some(other) => return Err(SnapshotError::Version(other)),
        None => return Err(SnapshotError::Line(1)),
    }
    let wall_ms = number(&first, "wall_ms").ok_or(SnapshotError::Line(1))?;
    let mut known = Vec::new();
    for (index, line) in lines {
        let wrong = || SnapshotError::Line(index + 1);
        let line = parsed(index, line)?;
        if let Some(count) = number(&line, "end") {
            let is_whole = count == known.len() as u64;
            return is_whole
                .then_some(Leases { wall_ms, known })
                .ok_or_else(wrong);
        }
        let instance = line.get("instance").ok_or_else(wrong)?;
        known.push(Known {
            instance: value::instance(instance).map_err(|_| wrong())?,
            silent_ms: number(&line, "silent_ms").ok_or_else(wrong)?,
            override_ms: number(&line, "override_ms").ok_or_else(wrong)?,
        });
    }
    Err(SnapshotError::Line(known.len() + 2))
}

/// Where a registry leaves its snapshot. Registries of one machine do not share it: the port is in
/// its name.
pub fn path(folder: &Path, port: u16) -> PathBuf {
    folder.join(format!("registry-{port}.leases"))
}

/// Writes a snapshot in place of the last one: a crash leaves either, whole.
pub fn write(path: &Path, leases: &[Lease], now: Now) -> Result<(), SnapshotError> {
    let new = path.with_extension("new");
    let mut file = BufWriter::new(File::create(&new)?);
    for line in lines(leases, now) {
        file.write_all(line.as_bytes())?;
    }
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Reads the snapshot on disk; `None` when there is none.
pub fn load(path: &Path) -> Result<Option<Leases>, SnapshotError> {
    let bytes = match fs::metadata(path) {
        Ok(data) if data.len() > FILE_BYTES_MAX => return Err(SnapshotError::Line(1)),
        Ok(_) => fs::read(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    read(&bytes).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::{Origin, Rules};
    use crate::model::Instance;

    fn book() -> Book {
        let mut book = Book::new(Rules::default());
        for number in 0..3_u64 {
            let mut it = Instance::new("shop");
            it.instance_id = Some(format!("host-{number}"));
            it.metadata = vec![("a\nb".into(), "ü\"".into())];
            it.dirty_ms = number + 1;
            book.register(it, Origin::Client, at(number * 100));
        }
        book
    }

    fn at(steady_ms: u64) -> Now {
        Now {
            wall_ms: 1000 + steady_ms,
            steady_ms,
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path(), 8761);
        assert!(load(&path).unwrap().is_none());
        let book = book();
        write(&path, &leases(&book), at(500)).unwrap();
        let read = load(&path).unwrap().unwrap();
        assert_eq!(read.wall_ms, 1500);
        let mut silent: Vec<u64> = read.known.iter().map(|known| known.silent_ms).collect();
        silent.sort_unstable();
        assert_eq!(silent, [300, 400, 500]);
        for known in &read.known {
            let lease = book.lease("SHOP", known.instance.id()).unwrap();
            assert_eq!(known.instance, lease.fresh());
        }
    }

    #[test]
    fn a_text_cut_off_anywhere_is_no_snapshot() {
        let text: String = lines(&leases(&book()), at(500)).collect();
        let bytes = text.trim_end().as_bytes();
        assert!(read(bytes).is_ok());
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn a_snapshot_of_a_later_version_is_left_alone() {
        let text = "{\"format\":\"speargun-leases\",\"version\":2,\"wall_ms\":0}\n{\"end\":0}\n";
        assert!(matches!(
            read(text.as_bytes()),
            Err(SnapshotError::Version(2))
        ));
        let text = text.replace('2', "1");
        assert_eq!(read(text.as_bytes()).unwrap().known, []);
    }
}

//! The list of live segments, swapped as a whole. Segments that it does not name are leftovers of a
//! crash. Should it be damaged, the list is found again from the names and contents of the
//! segments.
//!
//! ```text
//! 8 magic "SPEARMAN" | 4 version | 4 checksum of version and body | body to the end
//! body: durable journal position, number of segments, first and last head of each
//! ```

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use speargun_runtime::Disk;

use crate::bytes::{Reader, Writer};
use crate::error::Corrupt;
use crate::format::{checksum, u32_le};

const MAGIC: &[u8; 8] = b"SPEARMAN";
pub(crate) const VERSION: u32 = 1;
const NAME: &str = "MANIFEST";
const SUFFIX: &str = ".segment";
/// A manifest longer than this is not one: 20 bytes for each of three million segments.
const BYTES_MAX: u64 = 64 << 20;

/// What the manifest says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Manifest {
    /// The journal position up to which segments hold everything.
    pub(crate) durable: u64,
    /// First and last head of each segment, ascending.
    pub(crate) segments: Vec<(u64, u64)>,
}

/// What reading the manifest found.
#[derive(Debug)]
pub(crate) enum Found {
    Manifest(Manifest),
    /// There is none: a new store, or one whose manifest was lost.
    Missing,
    Damaged(Corrupt),
    /// Its version is newer than this program.
    TooNew(u32),
}

/// Returns the file of a segment.
pub(crate) fn segment_path(dir: &Path, first: u64, last: u64) -> PathBuf {
    dir.join(format!("{first:012}-{last:012}{SUFFIX}"))
}

/// Returns first and last head in the name of a segment file; `None` for another file.
pub(crate) fn parse_segment_path(path: &Path) -> Option<(u64, u64)> {
    let (first, last) = path
        .file_name()?
        .to_str()?
        .strip_suffix(SUFFIX)?
        .split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// Returns the manifest's file.
pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

impl Manifest {
    fn encode(&self) -> Vec<u8> {
        let mut body = Writer::default();
        body.number(self.durable);
        body.number(self.segments.len() as u64);
        for (first, last) in &self.segments {
            body.number(*first);
            body.number(*last);
        }
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&sum(VERSION, &body.out).to_le_bytes());
        out.extend_from_slice(&body.out);
        out
    }

    fn decode(bytes: &[u8]) -> Result<Found, Corrupt> {
        let mut reader = Reader::new(bytes);
        if reader.take(8)? != MAGIC {
            return Err(Corrupt("the manifest is not one"));
        }
        let version = u32_le(reader.take(4)?);
        let expected = u32_le(reader.take(4)?);
        let body = reader.take(reader.remaining())?;
        if sum(version, body) != expected {
            return Err(Corrupt("the manifest's checksum is wrong"));
        }
        if version > VERSION {
            return Ok(Found::TooNew(version));
        }
        let mut reader = Reader::new(body);
        let durable = reader.number()?;
        let count = reader.count(2)?;
        let mut segments = Vec::with_capacity(count);
        for _ in 0..count {
            segments.push((reader.number()?, reader.number()?));
        }
        Ok(Found::Manifest(Self { durable, segments }))
    }

    /// Reads the manifest of a folder.
    pub(crate) fn read(disk: &dyn Disk, dir: &Path) -> io::Result<Found> {
        let file = match disk.open(&path(dir)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Missing),
            file => file?,
        };
        let len = file.len()?;
        if len > BYTES_MAX {
            return Ok(Found::Damaged(Corrupt("the manifest is too long")));
        }
        let mut bytes = vec![0; len as usize];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(Self::decode(&bytes).unwrap_or_else(Found::Damaged))
    }

    /// Replaces the manifest of a folder. After an error either one may stand.
    pub(crate) fn write(&self, disk: &dyn Disk, dir: &Path) -> io::Result<()> {
        write_file(disk, &path(dir), &self.encode())
    }
}

fn sum(version: u32, body: &[u8]) -> u32 {
    checksum(body) ^ checksum(&version.to_le_bytes())
}

/// Writes a file as one step: whole under its name, or not at all, also when the machine stops.
pub(crate) fn write_file(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let written = write_temporary(disk, &temporary, bytes);
    if let Err(error) = written {
        // What is left of it only takes space until the next start; the first error matters.
        disk.remove(&temporary).ok();
        return Err(error);
    }
    disk.rename(&temporary, path)?;
    let dir = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    disk.sync_dir(dir)
}

fn write_temporary(disk: &dyn Disk, temporary: &Path, bytes: &[u8]) -> io::Result<()> {
    match disk.remove(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.create(temporary)?;
    file.write_all_at(&[IoSlice::new(bytes)], 0)?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;
    use speargun_runtime::RealDisk;

    #[test]
    fn a_manifest_replaces_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let found = |dir: &Path| match Manifest::read(&RealDisk, dir).unwrap() {
            Found::Manifest(manifest) => Some(manifest),
            _ => None,
        };
        assert_eq!(found(dir.path()), None);
        for durable in [7, 8] {
            let manifest = Manifest {
                durable,
                segments: vec![(1, 4), (5, 5)],
            };
            manifest.write(&RealDisk, dir.path()).unwrap();
            assert_eq!(found(dir.path()), Some(manifest));
        }
    }

    #[test]
    fn any_flipped_bit_is_seen() {
        let bytes = Manifest {
            durable: 300,
            segments: vec![(1, 4)],
        }
        .encode();
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let same = matches!(Manifest::decode(&bad), Ok(Found::Manifest(_)));
            assert!(!same, "bit {bit}");
        }
    }

    #[test]
    fn segment_names_come_back() {
        let path = segment_path(Path::new("d"), 3, 77);
        assert_eq!(parse_segment_path(&path), Some((3, 77)));
        assert_eq!(parse_segment_path(Path::new("d/MANIFEST")), None);
    }
}

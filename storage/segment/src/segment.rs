//! A sealed segment: opened by its footer, read part by part through the cache. It never changes
//! and answers no query by itself. Of a fresh one the bytes may be in memory instead of in a file.

mod ids;
mod place;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use speargun_runtime::Disk;

use crate::cache::{Cache, Item, Key, Part};
use crate::dictionary::{Meta, Strings};
use crate::error::{Corrupt, SegmentError};
use crate::filter::Filters;
use crate::format::{
    CHUNK_VALUES, Directory, Extent, FOOTER_BYTES, Facts, Footer, HEADER_BYTES, Section,
    SectionKind, VERSION, checksum,
};
use crate::links::LinkSets;
use crate::pack::unpack;
use crate::page::Page;
use place::{BEYOND, Place};

pub(crate) use ids::Highs;

/// How what is read of segments gets along with the cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reading {
    /// What was read stays there: for a few parts, which may be wanted again.
    Keeping,
    /// What is there is used, and nothing is added: for many parts, each wanted once, which would
    /// push out what others need.
    Passing,
}

/// A segment of the store.
#[derive(Debug)]
pub(crate) struct Segment {
    /// Distinguishes segments in the cache for the life of the process.
    number: u64,
    /// Its file, or what will be.
    pub(crate) path: PathBuf,
    pub(crate) facts: Facts,
    pub(crate) bytes: u64,
    /// Whether a merge met damage in it: it is served as it is and not merged again.
    pub(crate) damaged: AtomicBool,
    directory: Extent,
    place: Place,
    cache: Arc<Cache>,
}

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

impl Segment {
    /// Opens the segment file; its footer and directory are checked, its pages when they are read.
    pub(crate) fn open(
        disk: &dyn Disk,
        path: &Path,
        cache: Arc<Cache>,
    ) -> Result<Self, SegmentError> {
        Self::at(Place::File(disk.open(path)?), path, cache)
    }

    /// Returns the segment of these bytes, which are on no disk; `path` is where they would be.
    /// They were a head that took `head_bytes`.
    pub(crate) fn in_memory(
        bytes: Vec<u8>,
        head_bytes: u64,
        path: &Path,
        cache: Arc<Cache>,
    ) -> Result<Self, SegmentError> {
        Self::at(Place::Memory { bytes, head_bytes }, path, cache)
    }

    fn at(place: Place, path: &Path, cache: Arc<Cache>) -> Result<Self, SegmentError> {
        let bytes = place.len()?;
        if bytes < (HEADER_BYTES + FOOTER_BYTES) as u64 {
            return Err(Corrupt("the file is shorter than a segment").into());
        }
        let mut segment = Self {
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            path: path.to_owned(),
            facts: Facts::default(),
            bytes,
            damaged: AtomicBool::new(false),
            directory: Extent::default(),
            place,
            cache,
        };
        let footer = segment
            .place
            .read(bytes - FOOTER_BYTES as u64, FOOTER_BYTES)?;
        let footer = footer.as_ref().try_into().map_err(|_| BEYOND)?;
        let footer = Footer::decode(footer)?;
        if footer.version > VERSION {
            return Err(SegmentError::TooNew(footer.version));
        }
        segment.directory = footer.directory;
        segment.facts = segment.directory()?.facts;
        Ok(segment)
    }

    /// Returns whether the segment is in memory alone.
    pub(crate) fn is_in_memory(&self) -> bool {
        self.place.head_bytes().is_some()
    }

    /// Returns the bytes of the head that the segment was, while it is in memory alone.
    pub(crate) fn head_bytes(&self) -> u64 {
        self.place.head_bytes().unwrap_or_default()
    }

    /// Writes the file of a segment that is in memory alone; returns the segment as it is then.
    /// What was read of it before stays known.
    pub(crate) fn to_disk(&self, disk: &dyn Disk) -> Result<Self, SegmentError> {
        Ok(Self {
            number: self.number,
            path: self.path.clone(),
            facts: self.facts,
            bytes: self.bytes,
            damaged: AtomicBool::new(self.damaged.load(Ordering::Relaxed)),
            directory: self.directory,
            place: self.place.to_disk(disk, &self.path)?,
            cache: self.cache.clone(),
        })
    }

    fn cached(
        &self,
        part: Part,
        load: impl FnOnce() -> Result<Item, SegmentError>,
    ) -> Result<Item, SegmentError> {
        self.cache.get(
            Key {
                segment: self.number,
                part,
            },
            load,
        )
    }

    /// Returns the part, read by `load` when the cache does not have it.
    fn part(
        &self,
        part: Part,
        reading: Reading,
        load: impl FnOnce() -> Result<Item, SegmentError>,
    ) -> Result<Item, SegmentError> {
        if reading == Reading::Keeping {
            return self.cached(part, load);
        }
        let segment = self.number;
        self.cache
            .peek(&Key { segment, part })
            .map_or_else(load, Ok)
    }

    /// Returns stored bytes whose checksum is right; those in memory are trusted.
    fn stored(&self, extent: &Extent) -> Result<Cow<'_, [u8]>, SegmentError> {
        if extent.offset.saturating_add(u64::from(extent.stored)) > self.bytes {
            return Err(BEYOND.into());
        }
        let stored = self.place.read(extent.offset, extent.stored as usize)?;
        if self.is_in_memory() || checksum(&stored) == extent.checksum {
            Ok(stored)
        } else {
            Err(Corrupt("a checksum is wrong").into())
        }
    }

    fn raw(&self, extent: &Extent) -> Result<Vec<u8>, SegmentError> {
        Ok(unpack(
            self.stored(extent)?,
            extent.raw as usize,
            extent.compressed,
        )?)
    }

    pub(crate) fn directory(&self) -> Result<Arc<Directory>, SegmentError> {
        let load = || {
            let raw = self.raw(&self.directory)?;
            Ok(Item::Directory(Arc::new(Directory::decode(&raw)?)))
        };
        match self.cached(Part::Directory, load)? {
            Item::Directory(directory) => Ok(directory),
            _ => Err(Corrupt("the cache holds another part").into()),
        }
    }

    fn section(directory: &Directory, kind: SectionKind) -> Result<&Section, Corrupt> {
        let section = directory
            .sections
            .iter()
            .find(|section| section.kind == kind);
        section.ok_or(Corrupt("a section is missing"))
    }

    pub(crate) fn meta(&self) -> Result<Arc<Meta>, SegmentError> {
        let load = || {
            let directory = self.directory()?;
            let raw = self.raw(&Self::section(&directory, SectionKind::Meta)?.extent)?;
            Ok(Item::Meta(Arc::new(Meta::decode(&raw)?)))
        };
        match self.cached(Part::Meta, load)? {
            Item::Meta(meta) => Ok(meta),
            _ => Err(Corrupt("the cache holds another part").into()),
        }
    }

    /// Returns the page with this index.
    pub(crate) fn page(&self, index: usize) -> Result<Arc<Page>, SegmentError> {
        self.page_by(index, Reading::Keeping)
    }

    /// Returns the page with this index, read in this way.
    pub(crate) fn page_by(
        &self,
        index: usize,
        reading: Reading,
    ) -> Result<Arc<Page>, SegmentError> {
        let load = || {
            let page = self.read_page(index)?;
            Ok(Item::Page(Arc::new(page)))
        };
        match self.part(Part::Page(index as u32), reading, load)? {
            Item::Page(page) => Ok(page),
            _ => Err(Corrupt("the cache holds another part").into()),
        }
    }

    /// Reads the page with this index past the cache: for who reads all pages once.
    pub(crate) fn read_page(&self, index: usize) -> Result<Page, SegmentError> {
        let directory = self.directory()?;
        let entry = directory.pages.get(index);
        let entry = entry.ok_or(Corrupt("a page is missing"))?;
        let stored = self.stored(&entry.extent)?.into_owned();
        let page = Page::open(stored, entry.rows as usize, entry.traces as usize)?;
        Ok(page)
    }

    /// Returns the chunks of a column's dictionary as indexes of sections.
    pub(crate) fn value_sections(directory: &Directory, column: u32) -> Vec<usize> {
        let sections = directory.sections.iter().enumerate();
        sections
            .filter(|(_, s)| s.kind == SectionKind::Values && s.column == column)
            .map(|(index, _)| index)
            .collect()
    }

    /// Returns a chunk of a column's dictionary.
    pub(crate) fn values(&self, section: usize) -> Result<Arc<Strings>, SegmentError> {
        self.values_by(section, Reading::Keeping)
    }

    /// Returns a chunk of a column's dictionary, read in this way.
    pub(crate) fn values_by(
        &self,
        section: usize,
        reading: Reading,
    ) -> Result<Arc<Strings>, SegmentError> {
        let load = || Ok(Item::Values(Arc::new(self.read_values(section)?)));
        match self.part(Part::Values(section as u32), reading, load)? {
            Item::Values(values) => Ok(values),
            _ => Err(Corrupt("the cache holds another part").into()),
        }
    }

    /// Reads a chunk of a column's dictionary past the cache.
    pub(crate) fn read_values(&self, section: usize) -> Result<Strings, SegmentError> {
        let directory = self.directory()?;
        let section = directory.sections.get(section);
        let section = section.ok_or(Corrupt("a section is missing"))?;
        let strings = Strings::read_chunk(&self.raw(&section.extent)?)?;
        if strings.len() > CHUNK_VALUES {
            return Err(Corrupt("a dictionary has too many strings").into());
        }
        Ok(strings)
    }

    /// Returns the summary of the segment's links. `make` makes the bytes of one that the file
    /// lacks.
    pub(crate) fn links(
        &self,
        make: impl FnOnce() -> Result<Vec<u8>, SegmentError>,
    ) -> Result<Arc<LinkSets>, SegmentError> {
        let load = || {
            let directory = self.directory()?;
            let raw = match Self::section(&directory, SectionKind::Links) {
                Ok(section) => self.raw(&section.extent)?,
                Err(_) => make()?,
            };
            let services = self.meta()?.services.len();
            let links = LinkSets::decode(raw, self.facts.traces as usize, services)?;
            Ok(Item::Links(Arc::new(links)))
        };
        match self.cached(Part::Links, load)? {
            Item::Links(links) => Ok(links),
            _ => Err(Corrupt("the cache holds another part").into()),
        }
    }

    /// Returns whether the file has a summary of the segment's links.
    pub(crate) fn has_links(&self) -> bool {
        let directory = self.directory();
        directory.is_ok_and(|it| Self::section(&it, SectionKind::Links).is_ok())
    }

    /// Returns which pages may hold a value of a column, if that is known.
    pub(crate) fn page_filters(&self, column: u32) -> Result<Option<Arc<Filters>>, SegmentError> {
        self.filters((SectionKind::PageFilters, column), Directory::page_count)
    }

    /// Returns which lower halves of trace ids there may be, as one filter, if that is known.
    pub(crate) fn id_filter(&self) -> Result<Option<Arc<Filters>>, SegmentError> {
        self.filters((SectionKind::IdFilter, 0), |_| 1)
    }

    fn filters(
        &self,
        what: (SectionKind, u32),
        parts: impl FnOnce(&Directory) -> usize,
    ) -> Result<Option<Arc<Filters>>, SegmentError> {
        let directory = self.directory()?;
        let mut sections = directory.sections.iter();
        let Some(index) = sections.position(|it| (it.kind, it.column) == what) else {
            return Ok(None);
        };
        let load = || {
            let section = directory.sections.get(index);
            let section = section.ok_or(Corrupt("a section is missing"))?;
            let filters = Filters::decode(&self.raw(&section.extent)?, parts(&directory))?;
            Ok(Item::Filters(Arc::new(filters)))
        };
        match self.cached(Part::Filters(index as u32), load)? {
            Item::Filters(filters) => Ok(Some(filters)),
            _ => Err(Corrupt("the cache holds another part").into()),
        }
    }

    /// Returns what distinguishes the segment for the life of the process.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Returns the page that holds a trace, and the trace's index in it.
    pub(crate) fn page_of(&self, trace: u32) -> Result<(usize, usize), SegmentError> {
        let directory = self.directory()?;
        let behind = directory
            .pages
            .partition_point(|page| page.first_trace <= trace);
        let index = behind
            .checked_sub(1)
            .ok_or(Corrupt("a trace has no page"))?;
        let first = directory
            .pages
            .get(index)
            .map_or(0, |page| page.first_trace);
        Ok((index, (trace - first) as usize))
    }
}

//! The bounded cache of what queries read from segments: directories, dictionaries, pages. It is
//! the only memory that reading keeps, however much is stored.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache as QuickCache;

use crate::dictionary::{Meta, Strings};
use crate::error::SegmentError;
use crate::filter::Filters;
use crate::format::Directory;
use crate::links::LinkSets;
use crate::page::Page;

/// Names a cached thing: the segment's number in this process, and the thing's in the segment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Key {
    pub(crate) segment: u64,
    pub(crate) part: Part,
}

/// A part of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Part {
    Directory,
    Meta,
    Highs,
    Links,
    Page(u32),
    /// Index in the directory's sections.
    Values(u32),
    /// Index in the directory's sections.
    Filters(u32),
}

/// A cached part.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Directory(Arc<Directory>),
    Meta(Arc<Meta>),
    Highs(Arc<Vec<u8>>),
    Links(Arc<LinkSets>),
    Page(Arc<Page>),
    Values(Arc<Strings>),
    Filters(Arc<Filters>),
}

#[derive(Clone, Debug)]
struct ByMemory;

impl Weighter<Key, Item> for ByMemory {
    fn weight(&self, _key: &Key, item: &Item) -> u64 {
        let bytes = match item {
            Item::Directory(directory) => {
                directory.pages.len() * 56
                    + directory.sections.len() * 48
                    + directory.fences.len() * 8
            }
            Item::Meta(meta) => meta.memory_bytes(),
            Item::Highs(bytes) => bytes.len(),
            Item::Links(links) => links.memory_bytes(),
            Item::Page(page) => page.memory_bytes(),
            Item::Values(strings) => strings.memory_bytes(),
            Item::Filters(filters) => filters.memory_bytes(),
        };
        bytes as u64 + 128
    }
}

/// The cache, shared by all segments of a store.
#[derive(Debug)]
pub(crate) struct Cache {
    items: QuickCache<Key, Item, ByMemory>,
}

impl Cache {
    pub(crate) fn new(bytes_max: u64) -> Self {
        // A page of ordinary spans takes about a megabyte unpacked.
        let items = (bytes_max >> 16).clamp(64, 1 << 20) as usize;
        Self {
            items: QuickCache::with_weighter(items, bytes_max, ByMemory),
        }
    }

    /// Returns the part, read by `load` when it is not there. Two queries that miss at once read
    /// once.
    pub(crate) fn get(
        &self,
        key: Key,
        load: impl FnOnce() -> Result<Item, SegmentError>,
    ) -> Result<Item, SegmentError> {
        self.items.get_or_insert_with(&key, load)
    }

    /// Returns the part if it is there.
    pub(crate) fn peek(&self, key: &Key) -> Option<Item> {
        self.items.peek(key)
    }

    /// Returns the bytes that the cached parts take.
    pub(crate) fn bytes(&self) -> u64 {
        self.items.weight()
    }
}

//! Lists of instances in pages that are written once and kept: a change rewrites one page, not the
//! list. Pages never change; a change puts another in its place, so that answers are put together
//! without holding anything.
//!
//! ```text
//! list ─▶ application ─▶ page ─▶ up to 64 instances
//!                          └──▶ their bytes, in each encoding that was asked for: plain, packed
//! ```

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::codec::{Encoding, Heading, list_writer};
use crate::gzip::{self, Packed, Stream};
use crate::model::Instance;

/// Instances of one page. Packing one page takes well under a millisecond.
const PAGE_ITEMS_MAX: usize = 64;

/// Instances of one application that are written together.
#[derive(Debug)]
pub struct Page {
    instances: Vec<Arc<Instance>>,
    written: [Written; Encoding::ALL.len()],
}

#[derive(Debug, Default)]
struct Written {
    plain: OnceLock<Bytes>,
    packed: OnceLock<Packed>,
}

// === impl Page ===

impl Page {
    fn new(instances: Vec<Arc<Instance>>) -> Self {
        Self {
            instances,
            written: Default::default(),
        }
    }

    /// Returns the instances.
    pub fn instances(&self) -> &[Arc<Instance>] {
        &self.instances
    }

    fn write(&self, encoding: Encoding) -> Bytes {
        let mut out = String::new();
        let them: Vec<&Instance> = self.instances.iter().map(AsRef::as_ref).collect();
        list_writer(encoding).instances(&mut out, &them);
        out.into()
    }

    fn plain(&self, encoding: Encoding) -> Bytes {
        let written = &self.written[encoding.index()];
        written.plain.get_or_init(|| self.write(encoding)).clone()
    }

    fn packed(&self, encoding: Encoding) -> &Packed {
        let written = &self.written[encoding.index()];
        written.packed.get_or_init(|| match written.plain.get() {
            Some(plain) => gzip::pack(plain),
            None => gzip::pack(&self.write(encoding)),
        })
    }
}

/// The pages of one application.
#[derive(Debug, Default)]
struct Pages {
    pages: Vec<Arc<Page>>,
    /// By id, the page it is on.
    places: HashMap<String, usize>,
}

// === impl Pages ===

impl Pages {
    fn put(&mut self, instance: Arc<Instance>) {
        let id = instance.id();
        if let Some(&at) = self.places.get(id) {
            self.edit(at, |them| {
                let old = them.iter_mut().find(|it| it.id() == instance.id());
                debug_assert!(old.is_some(), "the place of an id is its page");
                if let Some(old) = old {
                    *old = Arc::clone(&instance);
                }
            });
            return;
        }
        let has_room = |page: &Arc<Page>| page.instances.len() < PAGE_ITEMS_MAX;
        let at = self.pages.iter().rposition(has_room);
        let at = at.unwrap_or_else(|| {
            self.pages.push(Arc::new(Page::new(Vec::new())));
            self.pages.len() - 1
        });
        self.places.insert(id.to_owned(), at);
        self.edit(at, |them| them.push(instance));
    }

    fn remove(&mut self, id: &str) {
        let Some(at) = self.places.remove(id) else {
            return;
        };
        self.edit(at, |them| them.retain(|it| it.id() != id));
        if self.pages[at].instances.is_empty() {
            self.pages.swap_remove(at);
            // The last page took its place.
            if let Some(moved) = self.pages.get(at) {
                for it in &moved.instances {
                    if let Some(place) = self.places.get_mut(it.id()) {
                        *place = at;
                    }
                }
            }
        }
    }

    fn edit(&mut self, at: usize, change: impl FnOnce(&mut Vec<Arc<Instance>>)) {
        let mut instances = self.pages[at].instances.clone();
        change(&mut instances);
        self.pages[at] = Arc::new(Page::new(instances));
    }
}

/// All applications of a list.
#[derive(Debug, Default)]
pub struct Catalogue {
    apps: BTreeMap<Arc<str>, Pages>,
}

// === impl Catalogue ===

impl Catalogue {
    /// Puts an instance into the list, in place of one with the same id.
    pub fn put(&mut self, instance: Arc<Instance>) {
        if let Some(pages) = self.apps.get_mut(instance.app.as_str()) {
            return pages.put(instance);
        }
        let app: Arc<str> = instance.app.as_str().into();
        self.apps.entry(app).or_default().put(instance);
    }

    /// Takes an instance off the list.
    pub fn remove(&mut self, app: &str, id: &str) {
        let Some(pages) = self.apps.get_mut(app) else {
            return;
        };
        pages.remove(id);
        if pages.pages.is_empty() {
            self.apps.remove(app);
        }
    }

    /// Returns the list as it is now.
    pub fn view(&self, version: u64, hash: &str) -> View {
        let app = |(name, pages): (&Arc<str>, &Pages)| (Arc::clone(name), pages.pages.clone());
        View {
            version,
            hash: hash.to_owned(),
            apps: self.apps.iter().map(app).collect(),
        }
    }

    /// Returns an application's instances.
    pub fn app(&self, name: &str) -> Option<Vec<Arc<Instance>>> {
        let pages = self.apps.get(name)?.pages.iter();
        Some(
            pages
                .flat_map(|page| page.instances.iter().cloned())
                .collect(),
        )
    }
}

/// A list as it was at a moment.
#[derive(Debug, Default)]
pub struct View {
    /// Counts changes.
    pub version: u64,
    /// The hash code of the whole registry.
    pub hash: String,
    /// By name.
    pub apps: Vec<(Arc<str>, Vec<Arc<Page>>)>,
}

/// A body in pieces that others use too.
#[derive(Clone, Debug, Default)]
pub struct Chunks {
    /// In order.
    pub parts: Vec<Bytes>,
    /// Bytes of all of them.
    pub bytes: u64,
}

// === impl View ===

impl View {
    /// Returns all instances.
    pub fn instances(&self) -> impl Iterator<Item = &Arc<Instance>> {
        let pages = self.apps.iter().flat_map(|(_, pages)| pages);
        pages.flat_map(|page| page.instances())
    }

    /// Returns the body. `version` is what stands in it as `versions__delta`.
    pub fn plain(&self, encoding: Encoding, version: i64) -> Chunks {
        let mut chunks = Chunks::default();
        self.walk(encoding, version, |piece| {
            let bytes = match piece {
                Piece::Glue(text) => Bytes::copy_from_slice(text.as_bytes()),
                Piece::Page(page) => page.plain(encoding),
            };
            chunks.bytes += bytes.len() as u64;
            chunks.parts.push(bytes);
        });
        chunks
    }

    /// Returns the body as gzip.
    pub fn packed(&self, encoding: Encoding, version: i64) -> Chunks {
        let mut stream = Stream::begin();
        self.walk(encoding, version, |piece| match piece {
            Piece::Glue(text) => stream.push_plain(text.as_bytes()),
            Piece::Page(page) => stream.push(page.packed(encoding)),
        });
        let parts = stream.end();
        let bytes = parts.iter().map(|part| part.len() as u64).sum();
        Chunks { parts, bytes }
    }

    fn walk(&self, encoding: Encoding, version: i64, mut each: impl FnMut(Piece<'_>)) {
        let writer = list_writer(encoding);
        let hash = &self.hash;
        let heading = Heading { version, hash };
        let mut glue = String::new();
        writer.begin(&mut glue, heading);
        for (index, (name, pages)) in self.apps.iter().enumerate() {
            writer.begin_app(&mut glue, name, index == 0);
            for (index, page) in pages.iter().enumerate() {
                if index > 0 {
                    writer.between(&mut glue);
                }
                if !glue.is_empty() {
                    each(Piece::Glue(&glue));
                    glue.clear();
                }
                each(Piece::Page(page));
            }
            writer.end_app(&mut glue);
        }
        writer.end(&mut glue, heading);
        each(Piece::Glue(&glue));
    }
}

enum Piece<'a> {
    Glue(&'a str),
    Page(&'a Page),
}

#[cfg(test)]
mod tests;

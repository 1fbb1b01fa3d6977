//! Lists: everything, what changed, one application, one virtual name. The first two are kept as
//! they were written until something changes.

use std::sync::Arc;

use http::header::{ACCEPT, ACCEPT_ENCODING};
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;

use super::App;
use super::reply::{self, Reply};
use crate::codec::{self, Encoding, Format, Shape};
use crate::model::{Instance, Vip};
use crate::pages::{Chunks, View};

/// Which of the kept lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Everything.
    All,
    /// What changed lately.
    Delta,
}

/// Everything under these is told as version 1, as Eureka's servers do.
const VERSION_OF_ALL: i64 = 1;
/// Lists of virtual names have none.
const NO_VERSION: i64 = -1;
const SLOTS: usize = 2 * 2 * Encoding::ALL.len();

/// Answers as they were put together last.
#[derive(Debug, Default)]
pub struct Shelf([Mutex<Option<Kept>>; SLOTS]);

#[derive(Debug)]
struct Kept {
    version: u64,
    chunks: Chunks,
}

// === impl Shelf ===

impl Shelf {
    fn get(&self, view: &View, wanted: (Kind, Encoding, Packing)) -> Chunks {
        let (kind, encoding, packing) = wanted;
        let slot = encoding.index() * 4
            + usize::from(kind == Kind::Delta) * 2
            + usize::from(packing == Packing::Gzip);
        let slot = &self.0[slot];
        if let Some(kept) = slot
            .lock()
            .as_ref()
            .filter(|kept| kept.version == view.version)
        {
            return kept.chunks.clone();
        }
        let version = match kind {
            Kind::All => VERSION_OF_ALL,
            Kind::Delta => i64::try_from(view.version).unwrap_or(0).saturating_add(1),
        };
        let chunks = match packing {
            Packing::Gzip => view.packed(encoding, version),
            Packing::Plain => view.plain(encoding, version),
        };
        let kept = Kept {
            version: view.version,
            chunks: chunks.clone(),
        };
        let mut slot = slot.lock();
        if slot
            .as_ref()
            .is_none_or(|other| other.version < kept.version)
        {
            *slot = Some(kept);
        }
        chunks
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Packing {
    Plain,
    Gzip,
}

/// Returns how a client wants its answer: JSON only where the word stands in what it accepts.
pub fn wanted(headers: &HeaderMap) -> Encoding {
    let says = |name: &str, word: &str| {
        let values = headers.get_all(name).iter();
        values
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.to_ascii_lowercase().contains(word))
    };
    let format = if says(ACCEPT.as_str(), "json") {
        Format::Json
    } else {
        Format::Xml
    };
    let shape = if says("x-eureka-accept", "compact") {
        Shape::Compact
    } else {
        Shape::Full
    };
    Encoding::new(format, shape)
}

/// Answers a kept list.
pub fn kept(app: &App, headers: &HeaderMap, kind: Kind) -> Reply {
    if !app.is_ready() {
        return reply::empty(StatusCode::FORBIDDEN);
    }
    let encoding = wanted(headers);
    let takes_gzip = headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .any(|value| value.to_str().is_ok_and(|value| value.contains("gzip")));
    let packing = if takes_gzip {
        Packing::Gzip
    } else {
        Packing::Plain
    };
    let view = match kind {
        Kind::All => app.desk.book().list(),
        Kind::Delta => app.desk.book().delta(),
    };
    // Writing pages that nobody asked for yet may take a while in a large registry.
    let chunks = tokio::task::block_in_place(|| app.shelf.get(&view, (kind, encoding, packing)));
    reply::list(encoding.content_type(), chunks, takes_gzip)
}

/// Answers one application.
pub fn application(app: &App, headers: &HeaderMap, name: &str) -> Reply {
    if !app.is_ready() {
        return reply::empty(StatusCode::FORBIDDEN);
    }
    let Some(instances) = app.desk.book().app(name) else {
        return reply::empty(StatusCode::NOT_FOUND);
    };
    let encoding = wanted(headers);
    let them: Vec<&Instance> = instances.iter().map(Arc::as_ref).collect();
    let mut out = String::new();
    codec::write_application(&mut out, encoding, name, &them);
    reply::with_body(StatusCode::OK, encoding.content_type(), out)
}

/// Answers those that have a virtual name.
pub fn virtual_name(app: &App, headers: &HeaderMap, name: &str, which: Vip) -> Reply {
    if !app.is_ready() {
        return reply::empty(StatusCode::FORBIDDEN);
    }
    let encoding = wanted(headers);
    let view = app.desk.book().by_vip(name, which);
    reply::list(
        encoding.content_type(),
        view.plain(encoding, NO_VERSION),
        false,
    )
}

/// Answers one instance.
pub fn instance(headers: &HeaderMap, status: StatusCode, instance: &Instance) -> Reply {
    let encoding = wanted(headers);
    let mut out = String::new();
    codec::write_instance(&mut out, encoding, instance);
    reply::with_body(status, encoding.content_type(), out)
}

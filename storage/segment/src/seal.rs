//! Turns a frozen head into a segment: in memory until it is merged, or a file that is on disk
//! before the list names it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::compact::discard;
use crate::encode::{Encoded, encode};
use crate::format::Facts;
use crate::head::Head;
use crate::manifest::{segment_path, write_file};
use crate::pack::Packer;
use crate::rows::Rows;
use crate::segment::Segment;
use crate::store::{Change, Shared};
use crate::unwritten;

/// Seals the head, which must be the oldest that waits.
pub(crate) fn seal(shared: &Shared, head: &Head) -> io::Result<()> {
    let mut rows = Rows::with_room(head.rows);
    head.views().for_each(|view| rows.push(&view));
    let facts = Facts {
        first: head.number,
        last: head.number,
        end_position: head.end.0,
        arrived_min_ms: head.arrived_min_ms,
        arrived_max_ms: head.arrived_max_ms,
        ..Facts::default()
    };
    // Merged within minutes, or within seconds under load: packing would cost more than it saves.
    let encoded = encode(&rows, facts, &mut Packer::idle());
    let segment = place(shared, encoded, head.bytes as u64)?;
    let change = Change {
        add: Some(segment.clone()),
        sealed: true,
        ..Change::default()
    };
    if let Err(error) = shared.commit(&change) {
        if !segment.is_in_memory() {
            // The next attempt may find room in memory.
            discard(shared, &segment);
        }
        return Err(error);
    }
    shared
        .counters
        .sealed_rows
        .fetch_add(head.rows as u64, Ordering::Relaxed);
    Ok(())
}

/// Opens a fresh segment, in memory where there is room.
fn place(shared: &Shared, encoded: Encoded, head_bytes: u64) -> io::Result<Arc<Segment>> {
    if !unwritten::make_room(shared, encoded.bytes.len() as u64, head_bytes)? {
        return write(shared, &encoded);
    }
    let facts = encoded.directory.facts;
    let path = segment_path(&shared.config.dir, facts.first, facts.last);
    let mut bytes = encoded.bytes;
    bytes.shrink_to_fit();
    let segment = Segment::in_memory(bytes, head_bytes, &path, shared.cache.clone())?;
    Ok(Arc::new(segment))
}

/// Writes a segment file and opens it.
pub(crate) fn write(shared: &Shared, encoded: &Encoded) -> io::Result<Arc<Segment>> {
    let facts = encoded.directory.facts;
    let path = segment_path(&shared.config.dir, facts.first, facts.last);
    write_file(&*shared.disk, &path, &encoded.bytes)?;
    let segment = Segment::open(&*shared.disk, &path, shared.cache.clone())?;
    Ok(Arc::new(segment))
}

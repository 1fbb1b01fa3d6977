//! Makes a fixture of the segment format: `cargo run -p speargun-segment --example make_testdata
//! -- <folder>`. It is run once a version; what it made stays as it is. `tests/format.rs` reads it.
//!
//! Two segments, each merged from two: one of few rows, and one with everything, several pages, and
//! values in dictionaries of several chunks, plain and loose. (Version 1 had the latter two apart.)

#![expect(
    clippy::unwrap_used,
    reason = "a tool for developers, with helpers of tests"
)]

#[path = "../tests/support/text.rs"]
mod text;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use speargun_memory::MemoryStore;
use speargun_model::span::java_order;
use speargun_model::{Kind, Span, SpanId};
use speargun_runtime::{ManualClock, RealDisk};
use speargun_segment::{Config, SegmentStore};
use speargun_storage::contract::spans::full_span;
use speargun_storage::contract::{NOW_MS, Sketch, batch_of, span};
use speargun_storage::{Position, SpanWriter};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).ok_or("which folder?")?;
    let folder = PathBuf::from(folder);
    let merged = [tagged(2001, "left"), tagged(2002, "right")];
    seal(&folder, NOW_MS, 1, &merged)?;
    // An hour later those two are merged whatever their size.
    let hour = 3_600_000;
    let store = open(&folder, NOW_MS + 2 * hour)?;
    store.compact()?;
    store.close()?;
    let rest = [everything(), several_pages()];
    seal(&folder, NOW_MS + 2 * hour, 3, &rest)?;
    let store = open(&folder, NOW_MS + 4 * hour)?;
    store.compact()?;
    store.close()?;
    let model = MemoryStore::new(&speargun_memory::Config::default());
    for group in merged.iter().chain(&rest) {
        model.write(&[Arc::new(batch_of(group))], Position(0))?;
    }
    std::fs::write(folder.join("spans.txt"), text::text(&model))?;
    Ok(())
}

fn open(folder: &Path, now_ms: u64) -> Result<Arc<SegmentStore>, Box<dyn Error>> {
    let config = Config {
        retention_age_ms: None,
        seal_age_ms: u64::MAX,
        ..Config::new(folder)
    };
    let clock = Arc::new(ManualClock::new(now_ms));
    Ok(SegmentStore::open(config, Arc::new(RealDisk), clock)?)
}

/// Writes and seals each group; the first ends at position `first`.
fn seal(
    folder: &Path,
    now_ms: u64,
    first: u64,
    groups: &[Vec<Span>],
) -> Result<(), Box<dyn Error>> {
    let store = open(folder, now_ms)?;
    for (group, position) in groups.iter().zip(first..) {
        store.write(&[Arc::new(batch_of(group))], Position(position))?;
        store.seal()?;
    }
    store.close()?;
    Ok(())
}

fn tagged(trace_id: u128, side: &str) -> Vec<Span> {
    let spans = (1..=3).map(|id| {
        span(trace_id, id)
            .by(side)
            .tag("side", side)
            .tag(side, "own")
    });
    // Both sides have spans of one more trace.
    spans.chain([span(2000, 9).by(side)]).collect()
}

/// All fields, kinds, flags and forms of ids.
fn everything() -> Vec<Span> {
    let mut spans = vec![
        full_span(1, 1),
        full_span(1 << 64 | 1, 2),
        full_span(u128::MAX, 3),
        span(4, 4),
        span(4, 4).timeless(),
        span(4, 5).under(4).at(-1),
        span(4, 6).under(7).lasting(i64::MAX.unsigned_abs()),
        span(4, 7).under(u64::MAX).at(86_400_000_000),
        span(5, 0).note(-5, "before the epoch").note(i64::MAX, ""),
        span(6, u64::MAX).named("n").sharing(),
    ];
    for kind in [Kind::Client, Kind::Server, Kind::Producer, Kind::Consumer] {
        spans.push(span(7, 8).kind(kind).by("a").to("b"));
    }
    let mut latest = span(8, 8);
    latest.timestamp_us = i64::MAX.unsigned_abs();
    spans.push(latest);
    // Too many keys for a shape.
    let mut loose = span(9, 9);
    loose.tags = (0..257)
        .map(|n| (format!("loose {n}"), format!("{n}")))
        .collect();
    loose.tags.sort_by(|a, b| java_order(&a.0, &b.0));
    spans.push(loose);
    spans
}

/// More rows than a page, a trace longer than ids are looked back for, a dictionary of two chunks,
/// and a column that turns plain.
fn several_pages() -> Vec<Span> {
    let long = (1..=250).map(|id| Span {
        parent_id: (id > 1).then_some(SpanId(1)),
        ..span(10_000, id)
    });
    let many = (1..=8_500_u64).map(|n| {
        // Each number twice: half of what the column sees is new, which keeps it a dictionary.
        let one = span(10_000 + u128::from(n) / 2, 1_000 + n % 7)
            .at(n.cast_signed())
            .tag("numbered", &format!("{}", n / 2));
        match n % 3 {
            0 => one
                .by("pages")
                .tag("repeated", &format!("{}", n % 1_000 / 3)),
            1 if n < 8_400 => one.tag("distinct", &format!("{n}")),
            1 => one.tag("distinct", ""),
            _ => one.note(n.cast_signed(), "noted"),
        }
    });
    long.chain(many).collect()
}

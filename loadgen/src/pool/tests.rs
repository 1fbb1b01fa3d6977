//! Tests of renewed bodies.

use std::collections::HashSet;

use bytes::Bytes;
use speargun_model::codec::{self, Format as Codec};
use speargun_model::{Bounds, SpanBatch};

use super::*;

fn recipe(format: Format) -> Recipe {
    Recipe {
        knobs: Knobs::default(),
        spans: 600,
        window_us: 1_000_000,
        batch: 50,
        format,
        gzip: None,
    }
}

fn decode(format: Format, body: &[u8]) -> Vec<speargun_model::Span> {
    let codec = match format {
        Format::Json => Codec::JsonV2,
        Format::Proto => Codec::Proto3,
        Format::JsonV1 => Codec::JsonV1,
    };
    let mut batch = SpanBatch::default();
    let body = Bytes::copy_from_slice(body);
    codec::decode(codec, body, &Bounds::default(), &mut batch).unwrap();
    batch.views().map(|view| view.to_span()).collect()
}

fn filled(pool: &Pool, number: u64) -> Filled {
    let mut filled = Filled::default();
    pool.fill(number, &mut filled);
    filled
}

#[test]
fn a_later_round_is_the_first_with_other_ids_and_times() {
    for format in [Format::Json, Format::Proto, Format::JsonV1] {
        let pool = Pool::new(&recipe(format)).unwrap();
        for body in 0..pool.len() {
            let first = decode(format, &filled(&pool, body).bytes);
            let later = decode(format, &filled(&pool, body + 3 * pool.len()).bytes);
            let later_by = pool.shift_us(3) - pool.shift_us(0);
            assert_eq!(first.len() as u32, pool.spans_of(body));
            for (mut old, new) in first.into_iter().zip(later) {
                assert_ne!(old.trace_id, new.trace_id);
                assert_ne!(old.id, new.id);
                assert_eq!(old.parent_id.is_some(), new.parent_id.is_some());
                old.trace_id = new.trace_id;
                old.id = new.id;
                old.parent_id = new.parent_id;
                old.timestamp_us += later_by;
                for annotation in &mut old.annotations {
                    annotation.timestamp_us += later_by.cast_signed();
                }
                assert_eq!(old, new, "{format:?}");
            }
        }
    }
}

#[test]
fn ids_in_bodies_are_those_to_be_read_back() {
    let pool = Pool::new(&recipe(Format::Json)).unwrap();
    let sent: HashSet<String> = (2 * pool.len()..3 * pool.len())
        .flat_map(|number| decode(Format::Json, &filled(&pool, number).bytes))
        .map(|span| span.trace_id.to_string())
        .collect();
    assert_eq!(sent.len(), pool.traces().len());
    for index in 0..pool.traces().len() {
        let (id, _) = pool.traces().get(index).unwrap();
        let id = format!("{:032x}", pool.round(2).trace_id(id));
        assert!(sent.contains(&id), "{id}");
    }
}

#[test]
fn every_span_is_expected_from_the_body_that_carries_it() {
    let pool = Pool::new(&recipe(Format::Proto)).unwrap();
    let mut counted = vec![0; pool.len() as usize];
    for index in 0..pool.traces().len() {
        for part in pool.traces().get(index).unwrap().1 {
            counted[part.body as usize] += 1;
        }
    }
    for (body, count) in counted.into_iter().enumerate() {
        assert_eq!(count, pool.spans_of(body as u64));
    }
}

#[test]
fn packed_bodies_hold_the_renewed_ones_and_repeat() {
    let plain = Pool::new(&recipe(Format::Json)).unwrap();
    let packed = Pool::new(&Recipe {
        gzip: Some(plain.len() + 2),
        ..recipe(Format::Json)
    })
    .unwrap();
    let number = plain.len() + 1;
    let gzip = filled(&packed, number).bytes;
    let mut inflated = vec![0; 1 << 20];
    let size = libdeflater::Decompressor::new()
        .gzip_decompress(&gzip, &mut inflated)
        .unwrap();
    let ids = |body: &[u8]| -> Vec<String> {
        let spans = decode(Format::Json, body).into_iter();
        spans.map(|span| span.trace_id.to_string()).collect()
    };
    assert_eq!(ids(&inflated[..size]), ids(&filled(&plain, number).bytes));
    assert_eq!(packed.distinct(), Some(plain.len() + 2));
    assert_eq!(
        filled(&packed, plain.len() + 2).bytes,
        filled(&packed, 0).bytes
    );
}

#[test]
fn the_same_seed_makes_the_same_bodies() {
    let body = |seed| {
        let mut recipe = recipe(Format::Proto);
        recipe.knobs.seed = seed;
        Pool::new(&recipe).unwrap().bodies[0].bytes.clone()
    };
    assert_eq!(body(4), body(4));
    assert_ne!(body(4), body(5));
}

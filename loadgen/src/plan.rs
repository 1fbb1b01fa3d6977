//! What the options mean: which bodies are made, which rates are held, and all of it in words.

use anyhow::Result;

use crate::options::{BodyOptions, FormatName, Options};
use crate::pool::{Pool, Recipe};
use crate::replay;
use crate::workload::{Format, Knobs, Shape, Tree};

/// The rate by which times are spread when none is held.
const CLOSED_RATE: f64 = 100_000.0;
/// Packed bodies of a run whose length is not known hold so many spans.
const PACKED_SPANS: f64 = 2_000_000.0;

/// Returns how bodies of a format are written.
pub fn format(name: FormatName) -> Format {
    match name {
        FormatName::Json => Format::Json,
        FormatName::JsonV1 => Format::JsonV1,
        FormatName::Proto | FormatName::Grpc => Format::Proto,
    }
}

/// Returns the rates to hold, spans a second.
pub fn rates(options: &Options) -> Vec<f64> {
    let pace = &options.pace;
    if pace.steps.is_empty() {
        vec![pace.rate]
    } else {
        pace.steps.clone()
    }
}

/// Makes the bodies; returns also what is odd about them, in words.
pub fn pool(options: &Options) -> Result<(Pool, Option<String>)> {
    let body = &options.body;
    let mut recipe = Recipe {
        knobs: knobs(body),
        spans: body.pool as usize,
        window_us: window_us(options),
        batch: body.batch as usize,
        format: format(body.format),
        gzip: body.gzip.then(|| packed(options)),
    };
    match &body.replay {
        None => Ok((Pool::new(&recipe)?, None)),
        Some(path) => {
            let mut recording = replay::read(path)?;
            recipe.window_us = recording.window_us;
            recipe.knobs.dress(&mut recording.spans);
            let odd = (recording.odd > 0).then(|| {
                format!(
                    "{} recorded spans are years from the others: they were moved to them",
                    recording.odd
                )
            });
            Ok((Pool::of(recording.spans, &recipe)?, odd))
        }
    }
}

/// Returns the spans a second of the warm-up: those of the first step.
pub fn warmup_rate(options: &Options) -> f64 {
    let first = rates(options).first().copied();
    first.unwrap_or(options.pace.rate)
}

/// The time that the pool's spans take at the first rate.
#[expect(clippy::cast_sign_loss, reason = "rates are positive")]
fn window_us(options: &Options) -> u64 {
    let rate = match rates(options).first() {
        Some(rate) if !options.pace.closed => *rate,
        _ => CLOSED_RATE,
    };
    let us = f64::from(options.body.pool) / rate * 1e6;
    (us as u64).clamp(10_000, 3_600_000_000)
}

/// How many packed bodies a run needs.
#[expect(clippy::cast_sign_loss, reason = "rates and times are positive")]
fn packed(options: &Options) -> u64 {
    let pace = &options.pace;
    let seconds = pace.duration.as_secs_f64();
    let spans = if pace.closed || pace.find {
        PACKED_SPANS
    } else {
        let held: f64 = rates(options).into_iter().map(|rate| rate * seconds).sum();
        held + warmup_rate(options) * pace.warmup.as_secs_f64()
    };
    // Bodies are often smaller than they may be.
    (spans * 2.0 / f64::from(options.body.batch)).ceil() as u64
}

fn knobs(body: &BodyOptions) -> Knobs {
    Knobs {
        seed: body.seed,
        shape: shape(body),
        extra_tags: usize::from(body.tags),
        cardinality: body.cardinality,
        errors_per_mille: body.errors,
        skew_us: body.skew.as_micros() as u64,
        late_per_mille: body.late,
        late_us: body.late_by.as_micros() as u64,
        duplicates_per_mille: body.duplicates,
        narrow_ids: body.id_bits == 64,
    }
}

/// Whatever says something about a tree asks for one.
fn shape(body: &BodyOptions) -> Shape {
    let asked = body.services.is_some()
        || body.depth.is_some()
        || body.fan_out.is_some()
        || body.trace_spans.is_some();
    if !asked {
        return Shape::Shop;
    }
    Shape::Tree(Tree {
        services: usize::from(body.services.unwrap_or(12)),
        depth: usize::from(body.depth.unwrap_or(4)),
        fan_out: usize::from(body.fan_out.unwrap_or(2)),
        trace_spans: body.trace_spans.map(|spans| spans as usize),
    })
}

/// Returns the pace in words.
pub fn pace_in_words(options: &Options) -> String {
    let pace = &options.pace;
    let how = if pace.closed {
        "closed loop"
    } else if pace.find {
        "open loop, search"
    } else if pace.ramp {
        "open loop, ramp"
    } else {
        "open loop"
    };
    format!("{how}, {:?} each", pace.duration)
}

/// Returns the format in words.
pub fn format_in_words(options: &Options) -> String {
    let name = match options.body.format {
        FormatName::Json => "JSON v2",
        FormatName::Proto => "proto3",
        FormatName::JsonV1 => "JSON v1",
        FormatName::Grpc => "proto3 over gRPC",
    };
    let gzip = if options.body.gzip { " with gzip" } else { "" };
    format!("{name}{gzip}")
}

/// Returns the workload in words.
pub fn workload_in_words(options: &Options) -> String {
    let body = &options.body;
    let mut words = vec![match (&body.replay, shape(body)) {
        (Some(path), _) => format!("spans of {}", path.display()),
        (None, Shape::Shop) => "the shop of 12 services".into(),
        (None, Shape::Tree(tree)) => format!(
            "trees over {} services, {} deep, {} wide, {} spans a trace",
            tree.services,
            tree.depth,
            tree.fan_out,
            tree.spans_of_trace()
        ),
    }];
    if body.tags > 0 {
        let values = match body.cardinality {
            0 => "new".to_owned(),
            values => format!("{values}"),
        };
        words.push(format!("{} more tags of {values} values", body.tags));
    }
    for (share, what) in [
        (body.errors, "errors"),
        (body.late, "late"),
        (body.duplicates, "twice"),
    ] {
        if share > 0 {
            words.push(format!("{share} of 1000 {what}"));
        }
    }
    if !body.skew.is_zero() {
        words.push(format!("clocks wrong by up to {:?}", body.skew));
    }
    if body.id_bits == 64 {
        words.push("ids of 64 bits".into());
    }
    words.join(", ")
}

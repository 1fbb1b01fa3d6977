//! Which traces are kept. The decision depends on the trace id alone, so every node and every part
//! of a trace comes to the same one. It is not rate limiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use speargun_model::batch::SpanRecord;
use speargun_model::{SpanBatch, TraceId};

/// Keeps a span when the lower half of its trace id is small enough, or when it is a debug span.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sampler {
    boundary: i64,
}

impl Sampler {
    /// Returns the sampler that keeps the share `rate` of all traces, 0 to 1; `None` outside.
    pub fn new(rate: f32) -> Option<Self> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "Zipkin multiplies in 32-bit floats; in 64 bits the boundary lies elsewhere"
        )]
        let boundary = (i64::MAX as f32 * rate) as i64;
        (0.0..=1.0).contains(&rate).then_some(Self { boundary })
    }

    /// Returns the sampler with this boundary, as the journal kept it.
    pub fn from_boundary(boundary: i64) -> Self {
        Self { boundary }
    }

    /// Returns the largest absolute value of a kept trace id's lower half.
    pub fn boundary(self) -> i64 {
        self.boundary
    }

    /// Leaves nothing out.
    pub const KEEP_ALL: Self = Self { boundary: i64::MAX };

    /// Returns whether nothing is left out.
    pub fn keeps_all(self) -> bool {
        self == Self::KEEP_ALL
    }

    /// Returns whether traces with this id stay.
    pub fn keeps_id(self, id: TraceId) -> bool {
        // The absolute value of the least integer does not exist; it counts as the greatest.
        let distance = id.low.cast_signed().checked_abs().unwrap_or(i64::MAX);
        distance <= self.boundary
    }

    /// Returns whether the span stays.
    pub fn keeps(self, span: &SpanRecord) -> bool {
        span.debug || self.keeps_id(span.trace_id)
    }

    /// Removes the spans that do not stay; returns how many.
    pub fn apply(self, batch: &mut SpanBatch) -> usize {
        if self.keeps_all() {
            return 0;
        }
        let before = batch.spans.len();
        batch.spans.retain(|span| self.keeps(span));
        let stay = batch.spans.len();
        if stay < before {
            // Roughly: which of them have long texts is not known.
            batch.more_bytes = batch.more_bytes / before * stay;
        }
        before - stay
    }
}

/// A sampler that can be changed while it is in use: whoever shares it sees the change with the
/// next batch.
#[derive(Clone, Debug)]
pub struct Dial(Arc<AtomicI64>);

impl Dial {
    /// Returns a dial at this sampler.
    pub fn new(sampler: Sampler) -> Self {
        Self(Arc::new(AtomicI64::new(sampler.boundary)))
    }

    /// Returns the sampler of this moment.
    pub fn now(&self) -> Sampler {
        Sampler::from_boundary(self.0.load(Ordering::Relaxed))
    }

    /// Changes the sampler.
    pub fn set(&self, sampler: Sampler) {
        self.0.store(sampler.boundary, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeps(rate: f32, low: u64) -> bool {
        let span = SpanRecord {
            trace_id: TraceId { high: 7, low },
            ..SpanRecord::default()
        };
        Sampler::new(rate).is_some_and(|sampler| sampler.keeps(&span))
    }

    #[test]
    fn a_tenth_ends_where_32_bit_floats_put_it() {
        assert!(keeps(0.1, 0x0ccc_ccd0_0000_0000));
        assert!(!keeps(0.1, 0x0ccc_ccd0_0000_0001));
        assert!(keeps(0.1, 0xf333_3330_0000_0000));
        assert!(!keeps(0.1, 0xf333_332f_ffff_ffff));
    }

    #[test]
    fn what_spans_share_goes_with_those_that_go() {
        let span = |low| SpanRecord {
            trace_id: TraceId { high: 7, low },
            ..SpanRecord::default()
        };
        let mut batch = SpanBatch {
            spans: vec![span(1), span(u64::MAX / 2), span(2), span(u64::MAX / 2)],
            more_bytes: 4000,
            ..SpanBatch::default()
        };
        assert_eq!(Sampler::new(0.5).unwrap().apply(&mut batch), 2);
        assert_eq!(batch.more_bytes, 2000);
        assert_eq!(Sampler::new(1.0).unwrap().apply(&mut batch), 0);
        assert_eq!(batch.more_bytes, 2000);
    }

    #[test]
    fn a_half_ends_at_a_quarter_of_the_id_space() {
        assert!(keeps(0.5, 0x4000_0000_0000_0000));
        assert!(!keeps(0.5, 0x4000_0000_0000_0001));
    }

    #[test]
    fn everything_and_nothing() {
        assert!(keeps(1.0, u64::MAX));
        assert!(keeps(1.0, 1 << 63));
        assert!(!keeps(0.0, 1));
        assert!(!keeps(0.9999, 1 << 63));
        assert_eq!(Sampler::new(1.01), None);
        assert_eq!(Sampler::new(f32::NAN), None);
    }

    #[test]
    fn debug_spans_are_always_kept() {
        let mut batch = SpanBatch::default();
        for debug in [true, false] {
            batch.spans.push(SpanRecord {
                trace_id: TraceId { high: 0, low: 99 },
                debug,
                ..SpanRecord::default()
            });
        }
        assert_eq!(Sampler::new(0.0).unwrap().apply(&mut batch), 1);
        assert!(batch.spans[0].debug);
    }
}

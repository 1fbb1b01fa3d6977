//! Random spans and requests from a seed, out of so few ids, names and times that they meet: for
//! tests that compare an engine with a model. Not a source of realistic load.

use speargun_model::{Kind, Span, SpanId, TraceId};

use super::spans::{NOW_MS, Sketch, everything, span};
use crate::request::{TagTerm, TraceRequest, Window};

/// The names of services, spans, tags and annotations, and the values of tags.
pub const NAMES: [&str; 5] = ["a", "b", "error", "\u{e9}\u{1F600}", "c d"];

/// A sequence that its seed determines.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Returns the sequence of a seed.
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        // SplitMix64: any seed will do, and neighbours have nothing in common.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// Returns true once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// Returns one of few trace ids, some with the same lower half.
    pub fn trace_id(&mut self) -> TraceId {
        TraceId {
            high: self.below(3) / 2,
            low: 1 + self.below(12),
        }
    }

    /// Returns a span.
    pub fn span(&mut self) -> Span {
        let id = self.below(9);
        let mut drawn = span(self.trace_id().as_u128(), id).at(self.offset_us());
        let parent = SpanId(1 + self.below(8));
        drawn.parent_id = (parent.0 != id && !self.once_in(3)).then_some(parent);
        if self.once_in(8) {
            drawn = drawn.timeless();
        }
        drawn.kind = Kind::from_number(self.below(5));
        drawn.shared = drawn.kind != Some(Kind::Client) && self.once_in(4);
        drawn.debug = self.once_in(9);
        drawn.duration_us = self.below(4) * 100;
        drawn.name = self.maybe_name();
        for _ in 0..self.below(3) {
            drawn = drawn.tag(self.name(), self.name());
        }
        for _ in 0..self.below(3) {
            let timestamp_us = self.below(3).cast_signed();
            drawn = drawn.note(timestamp_us, self.name());
        }
        drawn.annotations.dedup();
        self.endpoints(drawn)
    }

    fn endpoints(&mut self, mut drawn: Span) -> Span {
        if let Some(service) = self.maybe_name() {
            drawn = drawn.by(&service);
        }
        if let Some(service) = self.maybe_name() {
            drawn = drawn.to(&service);
        }
        if let Some(local) = drawn.local_endpoint.as_mut().filter(|_| self.once_in(3)) {
            local.port = self.below(3) as u16;
            local.ipv4 = self.once_in(2).then(|| [10, 0, 0, 1].into());
        }
        drawn
    }

    /// Returns some spans, now and then one of them twice.
    pub fn spans(&mut self) -> Vec<Span> {
        let mut spans: Vec<Span> = (0..self.below(20)).map(|_| self.span()).collect();
        if self.once_in(3) {
            spans.extend(spans.first().cloned());
        }
        spans
    }

    /// Returns a request. Most ask for little, so that something is found.
    pub fn request(&mut self) -> TraceRequest {
        let mut request = TraceRequest {
            window: self.window(),
            limit: usize::MAX,
            ..everything()
        };
        if self.once_in(3) {
            request.limit = 1 + self.below(6) as usize;
        }
        match self.below(6) {
            0 => request.span_name = Some(self.name().into()),
            1 => request.remote_service_name = Some(self.name().into()),
            2 => request.min_duration_us = Some(1 + self.below(3) * 100),
            3 => request.terms = vec![self.term()],
            4 => {
                let (one, other) = (self.term(), self.term());
                request.terms = vec![one];
                request
                    .terms
                    .extend((request.terms[0].key != other.key).then_some(other));
            }
            _ => {}
        }
        if request.min_duration_us.is_some() && self.once_in(2) {
            request.max_duration_us = Some(200);
        }
        request.service_name = self.once_in(2).then(|| self.name().into());
        request
    }

    /// Returns a window: all of time, or some milliseconds around [`NOW_MS`].
    pub fn window(&mut self) -> Window {
        if self.once_in(3) {
            return Window {
                end_ms: NOW_MS * 2,
                lookback_ms: NOW_MS * 2,
            };
        }
        Window {
            end_ms: NOW_MS - 10 + self.below(20),
            lookback_ms: self.below(20),
        }
    }

    fn term(&mut self) -> TagTerm {
        TagTerm {
            key: self.name().into(),
            value: self.once_in(2).then(|| self.name().into()),
        }
    }

    fn name(&mut self) -> &'static str {
        NAMES[self.below(NAMES.len() as u64) as usize]
    }

    fn maybe_name(&mut self) -> Option<String> {
        (!self.once_in(4)).then(|| self.name().into())
    }

    /// Returns microseconds around now: mostly within milliseconds, sometimes a day away.
    fn offset_us(&mut self) -> i64 {
        let near = (self.below(20).cast_signed() - 10) * 1000 + self.below(3).cast_signed() - 1;
        match self.below(10) {
            0 => near - 86_400_000_000,
            1 => near + 86_400_000_000,
            _ => near,
        }
    }
}

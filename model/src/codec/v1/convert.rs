//! From annotations to kinds, times and endpoints: what Zipkin makes of a span of its first model.
//! Where the rules look arbitrary they are Zipkin's, from a time when both sides of a call shared
//! one span and each tracer had its habits. Nothing here reads bytes of a format.
//!
//! ```text
//! annotations ─▶ kinds and local endpoints ─▶ times of calls and messages
//! binary annotations ─▶ tags and remote endpoints: `addresses`
//! ```

use crate::batch::{EndpointRecord, SpanBatch, SpanRecord, Text};
use crate::codec::v1::forks::{FIRST, Fork, Forks};
use crate::codec::v1::{V1Annotation, V1Span};
use crate::codec::{DecodeError, check_fields};
use crate::span::Kind;

mod addresses;

/// Converts the span, whose ids are not missing, and pushes what it becomes to the batch that its
/// texts lie in, which has at most `spans_max` spans then.
pub(in crate::codec) fn convert(
    source: &mut V1Span,
    forks: &mut Forks,
    spans_max: usize,
    out: &mut SpanBatch,
) -> Result<(), DecodeError> {
    source.sort(out);
    forks.begin(source, out.spans.len(), spans_max)?;
    let mut conversion = Conversion {
        source,
        forks,
        texts: out,
        core: Core::default(),
    };
    conversion.run()?;
    forks.finish(out);
    check_fields(out.tags.len().max(out.annotations.len()))
}

/// The annotations that mean something, by their names: client and server, send and receive;
/// messages, and when they were on the wire.
#[derive(Default)]
struct Core {
    cs: Option<Moment>,
    cr: Option<Moment>,
    sr: Option<Moment>,
    ss: Option<Moment>,
    ms: Option<Moment>,
    mr: Option<Moment>,
    ws: Option<Moment>,
    wr: Option<Moment>,
}

/// When and where one of them happened.
#[derive(Clone, Copy)]
struct Moment {
    timestamp_us: i64,
    value: Text,
    endpoint: EndpointRecord,
}

struct Conversion<'a> {
    source: &'a V1Span,
    forks: &'a mut Forks,
    texts: &'a SpanBatch,
    core: Core,
}

impl Conversion<'_> {
    fn run(&mut self) -> Result<(), DecodeError> {
        for annotation in &self.source.annotations {
            self.annotation(annotation)?;
        }
        self.restore_starts();
        self.call()?;
        self.infer_shared()?;
        self.message()?;
        self.binary_annotations()
    }

    fn annotation(&mut self, annotation: &V1Annotation) -> Result<(), DecodeError> {
        let fork = self.forks.of(annotation.endpoint, self.texts)?;
        let V1Annotation {
            timestamp_us,
            value,
            endpoint,
        } = *annotation;
        let Some(endpoint) = endpoint else {
            // Without an endpoint even these are words like any other.
            self.forks.annotate(fork, timestamp_us, value);
            return Ok(());
        };
        let core = &mut self.core;
        let (slot, kind) = match self.texts.bytes(value) {
            b"cs" => (&mut core.cs, Some(Kind::Client)),
            b"cr" => (&mut core.cr, Some(Kind::Client)),
            b"sr" => (&mut core.sr, Some(Kind::Server)),
            b"ss" => (&mut core.ss, Some(Kind::Server)),
            b"ms" => (&mut core.ms, Some(Kind::Producer)),
            b"mr" => (&mut core.mr, Some(Kind::Consumer)),
            b"ws" => (&mut core.ws, None),
            b"wr" => (&mut core.wr, None),
            _ => {
                self.forks.annotate(fork, timestamp_us, value);
                return Ok(());
            }
        };
        *slot = Some(Moment {
            timestamp_us,
            value,
            endpoint,
        });
        if kind.is_some() {
            self.forks.get(fork).kind = kind;
        }
        Ok(())
    }

    /// Bridges from other models may leave a start out, which the span's own times then tell.
    fn restore_starts(&mut self) {
        let source = self.source;
        let start_of = |end: Moment| {
            let says_so = source.timestamp_us != 0
                && source.duration_us != 0
                && source.timestamp_us.wrapping_add(source.duration_us) == end.timestamp_us;
            says_so.then_some(Moment {
                timestamp_us: source.timestamp_us,
                ..end
            })
        };
        self.core.cs = self.core.cs.or_else(|| self.core.cr.and_then(start_of));
        self.core.sr = self.core.sr.or_else(|| self.core.ss.and_then(start_of));
    }

    /// Times of client and server.
    fn call(&mut self) -> Result<(), DecodeError> {
        let Core { cs, cr, sr, ss, .. } = self.core;
        match (cs, sr) {
            (Some(cs), Some(sr)) => self.both_sides(cs, sr),
            (Some(cs), None) if cr.is_some() => self.set_times(cs, cr),
            (None, Some(sr)) if ss.is_some() => self.set_times(sr, ss),
            _ => {
                self.half_a_call();
                Ok(())
            }
        }
    }

    /// The client owns the span and its times; the server took part in it.
    fn both_sides(&mut self, cs: Moment, sr: Moment) -> Result<(), DecodeError> {
        let Core { cr, ss, .. } = self.core;
        self.set_times(cs, cr)?;
        let client = self.forks.of(Some(cs.endpoint), self.texts)?;
        let server = self.other_side((client, Kind::Client), cs, (sr, Kind::Server))?;
        let server = self.forks.get(server);
        server.shared = true;
        set_timestamp(server, sr.timestamp_us);
        if let Some(ss) = ss {
            set_duration(server, sr, ss);
        }
        if cr.is_none() && self.source.duration_us == 0 {
            // One way: nobody waited for an answer.
            self.forks.get(client).duration_us = 0;
        }
        Ok(())
    }

    /// Returns the span of the other side. A service that calls itself gets a second span.
    fn other_side(
        &mut self,
        (near, near_kind): (Fork, Kind),
        near_moment: Moment,
        (far, far_kind): (Moment, Kind),
    ) -> Result<Fork, DecodeError> {
        if !self.same_service(&near_moment.endpoint, &far.endpoint) {
            return self.forks.of(Some(far.endpoint), self.texts);
        }
        self.forks.get(near).kind = Some(near_kind);
        let fork = self.forks.add(far.endpoint, self.texts)?;
        self.forks.get(fork).kind = Some(far_kind);
        Ok(fork)
    }

    /// What is there of a call stays: a start is a time, an end is an annotation again.
    fn half_a_call(&mut self) {
        let Core { cs, cr, sr, ss, .. } = self.core;
        for fork in 0..self.forks.count() {
            let span = self.forks.get(fork);
            let (start, end) = match span.kind {
                Some(Kind::Client) => (cs, cr),
                Some(Kind::Server) => (sr, ss),
                _ => continue,
            };
            if let Some(start) = start {
                set_timestamp(span, start.timestamp_us);
            }
            if let Some(end) = end {
                self.forks.annotate(fork, end.timestamp_us, end.value);
            }
        }
        if self.source.timestamp_us != 0 {
            let first = self.forks.get(FIRST);
            set_timestamp(first, self.source.timestamp_us);
            first.duration_us = positive(self.source.duration_us);
        }
    }

    /// The first model had no flag for it: a server whose span has no times of its own shares the
    /// client's.
    fn infer_shared(&mut self) -> Result<(), DecodeError> {
        let Core { cs, sr, ss, .. } = self.core;
        let (None, Some(sr)) = (cs, sr) else {
            return Ok(());
        };
        let source = self.source;
        if source.timestamp_us == 0 || (ss.is_some() && source.duration_us == 0) {
            let fork = self.forks.of(Some(sr.endpoint), self.texts)?;
            self.forks.get(fork).shared = true;
        }
        Ok(())
    }

    /// Times of producer and consumer.
    fn message(&mut self) -> Result<(), DecodeError> {
        let Core { ms, mr, ws, wr, .. } = self.core;
        match (ms, mr) {
            (Some(ms), Some(mr)) => self.both_ends(ms, mr),
            (Some(ms), None) => self.set_times(ms, ws),
            (None, Some(mr)) => match wr {
                Some(wr) => self.set_times(wr, Some(mr)),
                None => self.set_times(mr, None),
            },
            (None, None) => {
                for wire in [ws, wr].into_iter().flatten() {
                    let fork = self.forks.of(Some(wire.endpoint), self.texts)?;
                    self.forks.annotate(fork, wire.timestamp_us, wire.value);
                }
                Ok(())
            }
        }
    }

    /// Both should not be in one span, but if they are, they are told apart.
    fn both_ends(&mut self, ms: Moment, mr: Moment) -> Result<(), DecodeError> {
        let Core { ws, wr, .. } = self.core;
        let producer = self.forks.of(Some(ms.endpoint), self.texts)?;
        let consumer = self.other_side((producer, Kind::Producer), ms, (mr, Kind::Consumer))?;
        let consumer = self.forks.get(consumer);
        consumer.shared = true;
        set_timestamp(consumer, wr.unwrap_or(mr).timestamp_us);
        if let Some(wr) = wr {
            set_duration(consumer, wr, mr);
        }
        let producer = self.forks.get(producer);
        set_timestamp(producer, ms.timestamp_us);
        producer.duration_us = 0;
        if let Some(ws) = ws {
            set_duration(producer, ms, ws);
        }
        Ok(())
    }

    /// The span's own times if it has both, else those of the annotations.
    fn set_times(&mut self, begin: Moment, end: Option<Moment>) -> Result<(), DecodeError> {
        let fork = self.forks.of(Some(begin.endpoint), self.texts)?;
        let span = self.forks.get(fork);
        if self.source.timestamp_us != 0 && self.source.duration_us != 0 {
            set_timestamp(span, self.source.timestamp_us);
            span.duration_us = positive(self.source.duration_us);
        } else {
            set_timestamp(span, begin.timestamp_us);
            if let Some(end) = end {
                set_duration(span, begin, end);
            }
        }
        Ok(())
    }

    fn same_service(&self, a: &EndpointRecord, b: &EndpointRecord) -> bool {
        self.texts.bytes(a.service_name) == self.texts.bytes(b.service_name)
    }
}

fn set_timestamp(span: &mut SpanRecord, timestamp_us: i64) {
    span.timestamp_us = positive(timestamp_us);
}

/// Java's numbers wrap, and clocks of two hosts may make the difference negative: absent.
fn set_duration(span: &mut SpanRecord, begin: Moment, end: Moment) {
    span.duration_us = positive(end.timestamp_us.wrapping_sub(begin.timestamp_us));
}

fn positive(value: i64) -> u64 {
    value.max(0).cast_unsigned()
}

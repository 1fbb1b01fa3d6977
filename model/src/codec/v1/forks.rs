//! The spans that one old span becomes: one for each service that took part, found by the name of
//! the service. It knows which span something belongs to, and not what it means.

use std::collections::HashMap;

use crate::batch::{EndpointRecord, Slice, SpanBatch, SpanRecord, Text};
use crate::codec::v1::{V1Span, known};
use crate::codec::{DecodeError, settle};
use crate::id::TraceId;

/// The spans being made, and their annotations and tags until it is known whose are whose. Kept
/// from span to span for its memory.
#[derive(Debug, Default)]
pub(in crate::codec) struct Forks {
    spans: Vec<SpanRecord>,
    annotations: Vec<(u32, i64, Text)>,
    tags: Vec<(u32, Text, Text)>,
    /// The first span of each service, once there are too many to look through.
    by_name: HashMap<Box<[u8]>, u32>,
    /// What a new span begins with.
    common: SpanRecord,
    /// How many spans the body had before, and how many it may have.
    before: usize,
    max: usize,
}

/// One of the spans being made.
pub(super) type Fork = u32;

/// The span that takes what has no endpoint.
pub(super) const FIRST: Fork = 0;

/// How many spans are looked through for a name. Honest senders make two.
const LOOKED_THROUGH_MAX: usize = 16;

impl Forks {
    /// Begins with the one span that every source becomes. The body had `before` spans until now,
    /// and may have `max`.
    pub(super) fn begin(
        &mut self,
        source: &V1Span,
        before: usize,
        max: usize,
    ) -> Result<(), DecodeError> {
        self.annotations.clear();
        self.tags.clear();
        if !self.by_name.is_empty() {
            // Emptying a map costs what it once held, and the next span may hold little.
            self.by_name = HashMap::new();
        }
        (self.before, self.max) = (before, max);
        self.common = SpanRecord {
            trace_id: TraceId {
                high: source.trace_id_high,
                low: source.trace_id,
            },
            parent_id: source.parent_id,
            id: source.id,
            name: source.name,
            debug: source.debug,
            ..SpanRecord::default()
        };
        self.spans.clear();
        self.push(self.common)
    }

    fn push(&mut self, span: SpanRecord) -> Result<(), DecodeError> {
        let max = self.max;
        if self.before + self.spans.len() >= max {
            return Err(DecodeError::TooLarge { what: "spans", max });
        }
        self.spans.push(span);
        Ok(())
    }

    /// Returns how many there are.
    pub(super) fn count(&self) -> Fork {
        self.spans.len() as Fork
    }

    /// Returns a span to be changed.
    pub(super) fn get(&mut self, fork: Fork) -> &mut SpanRecord {
        // Numbers are given out by this struct alone, so that the else is never taken.
        match self.spans.get_mut(fork as usize) {
            Some(span) => span,
            None => &mut self.common,
        }
    }

    /// Returns the span of this endpoint's service, a new one if there is none yet. The first span
    /// becomes that of the first endpoint asked for.
    pub(super) fn of(
        &mut self,
        endpoint: Option<EndpointRecord>,
        texts: &SpanBatch,
    ) -> Result<Fork, DecodeError> {
        let Some(endpoint) = endpoint else {
            return Ok(FIRST);
        };
        let first = self.get(FIRST);
        if known(first.local).is_none() {
            first.local = endpoint;
            return Ok(FIRST);
        }
        match self.find(texts.bytes(endpoint.service_name), texts) {
            Some(fork) => Ok(fork),
            None => self.add(endpoint, texts),
        }
    }

    fn find(&self, name: &[u8], texts: &SpanBatch) -> Option<Fork> {
        if self.spans.len() > LOOKED_THROUGH_MAX {
            return self.by_name.get(name).copied();
        }
        let is_it = |span: &SpanRecord| texts.bytes(span.local.service_name) == name;
        Some(self.spans.iter().position(is_it)? as Fork)
    }

    /// Adds a span, even if its service has one.
    pub(super) fn add(
        &mut self,
        local: EndpointRecord,
        texts: &SpanBatch,
    ) -> Result<Fork, DecodeError> {
        let fork = self.count();
        self.push(SpanRecord {
            local,
            ..self.common
        })?;
        if self.spans.len() > LOOKED_THROUGH_MAX {
            // Those that were looked through until now go in together, when there is none yet.
            let none_yet = self.by_name.is_empty();
            let from = if none_yet { 0 } else { fork as usize };
            for (index, span) in self.spans.iter().enumerate().skip(from) {
                let name = texts.bytes(span.local.service_name);
                self.by_name.entry(name.into()).or_insert(index as Fork);
            }
        }
        Ok(fork)
    }

    pub(super) fn annotate(&mut self, fork: Fork, timestamp_us: i64, value: Text) {
        self.annotations.push((fork, timestamp_us, value));
    }

    pub(super) fn tag(&mut self, fork: Fork, key: Text, value: Text) {
        self.tags.push((fork, key, value));
    }

    /// Moves all into the batch, where those of one span have to lie side by side.
    pub(super) fn finish(&mut self, out: &mut SpanBatch) {
        if self.spans.len() > 1 {
            // Stable, so that those of one span stay in order.
            self.annotations.sort_by_key(|&(fork, ..)| fork);
            self.tags.sort_by_key(|&(fork, ..)| fork);
        }
        let mut annotations = self.annotations.iter().peekable();
        let mut tags = self.tags.iter().peekable();
        for (index, span) in (0..).zip(&mut self.spans) {
            if index > FIRST {
                out.count_shared(span.name.len());
            }
            let first = out.annotations.len();
            while let Some((_, time, value)) = annotations.next_if(|(fork, ..)| *fork == index) {
                out.annotations.push((*time, *value));
            }
            span.annotations = slice(first, out.annotations.len());
            let first = out.tags.len();
            while let Some((_, key, value)) = tags.next_if(|(fork, ..)| *fork == index) {
                out.tags.push((*key, *value));
            }
            span.tags = slice(first, out.tags.len());
            settle(span);
        }
        out.spans.append(&mut self.spans);
    }
}

fn slice(first: usize, end: usize) -> Slice {
    Slice {
        first: first as u32,
        count: (end - first) as u32,
    }
}

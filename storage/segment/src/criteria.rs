//! A search as bits: one for being a candidate, one for each criterion. A trace is worth testing
//! when its rows have all bits between them; what decides is the test itself.

use speargun_model::SpanView;
use speargun_storage::{TagTerm, TraceRequest};

/// A set of criteria that are met.
pub(crate) type Bits = u128;

/// The row is a span of the service asked for, or of any when none is.
pub(crate) const CANDIDATE: Bits = 1;
const REMOTE: Bits = 1 << 1;
const NAME: Bits = 1 << 2;
pub(crate) const DURATION: Bits = 1 << 3;
const FIRST_TERM: u32 = 4;
/// Terms that have a bit of their own; the test looks at all of them.
const TERMS_MAX: usize = 120;

/// The criteria of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Criteria<'r> {
    pub(crate) request: &'r TraceRequest,
    /// All bits that a matching trace has.
    pub(crate) all: Bits,
}

impl<'r> Criteria<'r> {
    pub(crate) fn new(request: &'r TraceRequest) -> Self {
        let mut all = CANDIDATE;
        if request.remote_service_name.is_some() {
            all |= REMOTE;
        }
        if request.span_name.is_some() {
            all |= NAME;
        }
        if request.min_duration_us.is_some() {
            all |= DURATION;
        }
        for (_, bit) in terms(request) {
            all |= bit;
        }
        Self { request, all }
    }

    /// Returns the terms with their bits.
    pub(crate) fn terms(&self) -> impl Iterator<Item = (&'r TagTerm, Bits)> + use<'r> {
        terms(self.request)
    }

    /// Returns key and value when a row matters only with this tag: no other criterion could be met
    /// by it for a trace whose tag is elsewhere.
    pub(crate) fn only_value(&self) -> Option<(&'r str, &'r str)> {
        let [term] = self.request.terms.as_slice() else {
            return None;
        };
        let value = term.value.as_deref()?;
        (self.all == CANDIDATE | 1 << FIRST_TERM).then_some((&term.key, value))
    }

    /// Returns the bits that names alone decide; 0 for a span that is no candidate.
    pub(crate) fn of_names(&self, service: &[u8], remote: &[u8], name: &[u8]) -> Bits {
        let request = self.request;
        let is = |wanted: &Option<String>, got: &[u8]| {
            wanted
                .as_ref()
                .is_some_and(|wanted| wanted.as_bytes() == got)
        };
        if request.service_name.is_some() && !is(&request.service_name, service) {
            return 0;
        }
        let mut bits = CANDIDATE;
        if is(&request.remote_service_name, remote) {
            bits |= REMOTE;
        }
        if is(&request.span_name, name) {
            bits |= NAME;
        }
        bits
    }

    /// Returns whether a duration is between the bounds.
    pub(crate) fn duration_is_met(&self, duration_us: u64) -> bool {
        self.request
            .min_duration_us
            .is_some_and(|min| duration_us >= min)
            && self
                .request
                .max_duration_us
                .is_none_or(|max| duration_us <= max)
    }

    /// Returns all bits of a span of a batch.
    pub(crate) fn of_view(&self, view: &SpanView<'_>) -> Bits {
        let mut bits = self.of_names(
            view.local_service_name(),
            view.remote_service_name(),
            view.name(),
        );
        if bits == 0 || bits == self.all {
            return bits;
        }
        if self.duration_is_met(view.record().duration_us) {
            bits |= DURATION;
        }
        for (term, bit) in self.terms() {
            if is_met(term, view) {
                bits |= bit;
            }
        }
        bits
    }

    /// Returns whether these bits could become a match together with other rows: being a candidate
    /// alone says nothing that any other bit does not say.
    pub(crate) fn matter(&self, bits: Bits) -> bool {
        bits & CANDIDATE != 0 && (self.all == CANDIDATE || bits & !CANDIDATE & self.all != 0)
    }
}

fn terms(request: &TraceRequest) -> impl Iterator<Item = (&TagTerm, Bits)> {
    let bits = (FIRST_TERM..).map(|bit| 1 << bit);
    request.terms.iter().take(TERMS_MAX).zip(bits)
}

/// Returns whether the span may meet the term: of repeated keys any value counts here.
fn is_met(term: &TagTerm, view: &SpanView<'_>) -> bool {
    let key = term.key.as_bytes();
    match &term.value {
        Some(wanted) => view.tags().any(|(k, v)| k == key && v == wanted.as_bytes()),
        None => {
            view.tags().any(|(k, _)| k == key) || view.annotations().any(|(_, value)| value == key)
        }
    }
}

//! A search that is already valid, and the test that decides whether a trace matches it: the
//! semantics of Zipkin's in-memory store, which hold for every engine.

use speargun_model::Span;

/// A time window of a query, in milliseconds since the epoch, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// The end.
    pub end_ms: u64,
    /// How far back from the end.
    pub lookback_ms: u64,
}

impl Window {
    /// Returns the first millisecond inside; 0 when the lookback is longer than time.
    pub fn start_ms(&self) -> u64 {
        self.end_ms.saturating_sub(self.lookback_ms)
    }

    /// Returns whether a millisecond lies inside, both ends included.
    pub fn contains_ms(&self, ms: u64) -> bool {
        (self.start_ms()..=self.end_ms).contains(&ms)
    }

    /// Returns whether a time in microseconds lies inside, both ends included to the microsecond.
    pub fn contains_us(&self, us: u64) -> bool {
        us >= self.start_ms().saturating_mul(1000) && us <= self.end_ms.saturating_mul(1000)
    }
}

/// One term of an annotation query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TagTerm {
    /// A tag key; for a bare key also an annotation value.
    pub key: String,
    /// The tag's exact value; `None` for a bare key.
    pub value: Option<String>,
}

/// A search. Names are lower-case and never empty; a maximum comes only with a minimum.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TraceRequest {
    /// Only spans recorded by this service are candidates.
    pub service_name: Option<String>,
    /// Some candidate calls this service.
    pub remote_service_name: Option<String>,
    /// Some candidate has this name.
    pub span_name: Option<String>,
    /// Each is met by some candidate, not necessarily the same. Keys are distinct.
    pub terms: Vec<TagTerm>,
    /// Some candidate lasts at least so many microseconds.
    pub min_duration_us: Option<u64>,
    /// That candidate lasts at most so many.
    pub max_duration_us: Option<u64>,
    /// Where the trace's time lies.
    pub window: Window,
    /// How many traces at most, at least 1.
    pub limit: usize,
}

impl TraceRequest {
    /// Returns the search that asks for nothing but the time.
    pub fn everything(window: Window, limit: usize) -> Self {
        Self {
            service_name: None,
            remote_service_name: None,
            span_name: None,
            terms: Vec::new(),
            min_duration_us: None,
            max_duration_us: None,
            window,
            limit,
        }
    }

    /// Returns whether a trace matches. The spans are those of one trace in the order that
    /// [`SpanReader`](crate::SpanReader) promises: of several roots the first one's time counts.
    /// Criteria are met independently of each other, each by some candidate.
    pub fn test<'a>(&self, spans: impl IntoIterator<Item = &'a Span>) -> bool {
        let mut time = TraceTime::default();
        let mut open = OpenCriteria::new(self);
        for span in spans {
            time.see(span);
            open.see(span);
        }
        time.us()
            .is_some_and(|time_us| self.window.contains_us(time_us))
            && open.all_met()
    }
}

/// The time of a trace: that of its first root that has one, else the least of all spans.
#[derive(Default)]
struct TraceTime {
    root_us: u64,
    least_us: u64,
}

impl TraceTime {
    fn see(&mut self, span: &Span) {
        if span.timestamp_us == 0 || self.root_us != 0 {
            return;
        }
        if span.parent_id.is_none() {
            self.root_us = span.timestamp_us;
        } else if self.least_us == 0 || self.least_us > span.timestamp_us {
            self.least_us = span.timestamp_us;
        }
    }

    fn us(&self) -> Option<u64> {
        [self.root_us, self.least_us]
            .into_iter()
            .find(|us| *us != 0)
    }
}

/// The criteria of a request that no candidate has met yet.
struct OpenCriteria<'r> {
    request: &'r TraceRequest,
    candidate: bool,
    remote_service_name: Option<&'r str>,
    span_name: Option<&'r str>,
    duration: bool,
    terms: Vec<&'r TagTerm>,
}

impl<'r> OpenCriteria<'r> {
    fn new(request: &'r TraceRequest) -> Self {
        Self {
            request,
            candidate: true,
            remote_service_name: request.remote_service_name.as_deref(),
            span_name: request.span_name.as_deref(),
            duration: request.min_duration_us.is_some() || request.max_duration_us.is_some(),
            terms: request.terms.iter().collect(),
        }
    }

    fn see(&mut self, span: &Span) {
        let service_name = self.request.service_name.as_deref();
        if service_name.is_some() && service_name != span.local_service_name() {
            return;
        }
        self.candidate = false;
        if self.remote_service_name == span.remote_service_name() {
            self.remote_service_name = None;
        }
        if self.span_name == span.name.as_deref() {
            self.span_name = None;
        }
        self.duration &= !self.request.duration_matches(span.duration_us);
        self.terms.retain(|term| !term.matches(span));
    }

    fn all_met(&self) -> bool {
        !self.candidate
            && !self.duration
            && self.remote_service_name.is_none()
            && self.span_name.is_none()
            && self.terms.is_empty()
    }
}

impl TraceRequest {
    fn duration_matches(&self, duration_us: u64) -> bool {
        self.min_duration_us.is_some_and(|min| duration_us >= min)
            && self.max_duration_us.is_none_or(|max| duration_us <= max)
    }
}

impl TagTerm {
    /// Returns whether this one span meets the term.
    pub fn matches(&self, span: &Span) -> bool {
        match &self.value {
            Some(value) => span.tag(&self.key) == Some(value),
            None => {
                span.tag(&self.key).is_some()
                    || span.annotations.iter().any(|a| a.value == self.key)
            }
        }
    }
}

#[cfg(test)]
mod tests;

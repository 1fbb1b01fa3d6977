//! A search that is already valid, and the test that decides whether a trace matches it: the
//! semantics of Zipkin's in-memory store, which hold for every engine.

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

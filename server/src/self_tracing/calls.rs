//! The calls of the store that a query makes: noted on the thread of the query, handed on with its
//! answer. It knows no request and no trace.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use speargun_model::{DependencyLink, Span, TraceId};
use speargun_storage::{
    Extent, FoundTraces, NamesRequest, ObservedNames, ReadContext, ReadError, SpanReader,
    SummaryRequest, TraceRequest, Window,
};

use crate::queries::AskApi;

/// One call, under Zipkin's name for it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(super) name: &'static str,
    pub(super) start: Instant,
    pub(super) duration: Duration,
    /// Why it failed.
    pub(super) error: Option<String>,
}

/// The calls of a query, as an extension of its answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls(pub(super) Vec<Call>);

/// A query that makes more of them shows the first.
const CALLS_MAX: usize = 16;
/// What Zipkin asks its store for many traces at once.
const TRACE_MANY: &str = "/api/v2/traceMany";

thread_local! {
    static CALLS: RefCell<Vec<Call>> = const { RefCell::new(Vec::new()) };
}

/// Returns what answers as `answer` does and hands the calls on with the answer.
pub(crate) fn handing_on(answer: Arc<AskApi>) -> Arc<AskApi> {
    Arc::new(move |path, query| {
        // Those that an answer made after it began to be sent belong to none.
        CALLS.take();
        let mut reply = answer(path, query)?;
        reply.extensions_mut().insert(take(path));
        Some(reply)
    })
}

/// Returns the calls of the query of this path that ends now on this thread.
fn take(path: &str) -> Calls {
    let calls = CALLS.with(RefCell::take);
    if path != TRACE_MANY {
        return Calls(calls);
    }
    // Here it asks for one after the other, which is no news.
    let Some((first, last)) = calls.first().zip(calls.last()) else {
        return Calls::default();
    };
    let end = last.start + last.duration;
    Calls(vec![Call {
        name: "get-traces",
        start: first.start,
        duration: end.saturating_duration_since(first.start),
        error: last.error.clone(),
    }])
}

fn noted<T>(
    name: &'static str,
    call: impl FnOnce() -> Result<T, ReadError>,
) -> Result<T, ReadError> {
    let start = Instant::now();
    let result = call();
    let call = Call {
        name,
        start,
        duration: start.elapsed(),
        error: result.as_ref().err().map(ToString::to_string),
    };
    CALLS.with_borrow_mut(|calls| {
        // Many traces are one call in the end, of which the last one counts.
        if calls.len() >= CALLS_MAX {
            calls.pop();
        }
        calls.push(call);
    });
    result
}

/// A reader whose calls are noted.
#[derive(Debug)]
pub(crate) struct Traced(pub(crate) Arc<dyn SpanReader>);

impl SpanReader for Traced {
    fn describe(&self) -> String {
        format!("Traced{{{}}}", self.0.describe())
    }

    fn check(&self) -> Result<(), ReadError> {
        self.0.check()
    }

    fn trace(&self, id: TraceId, context: &ReadContext) -> Result<Vec<Span>, ReadError> {
        noted("get-trace", || self.0.trace(id, context))
    }

    fn search(
        &self,
        request: &TraceRequest,
        context: &ReadContext,
    ) -> Result<Vec<Vec<Span>>, ReadError> {
        noted("get-traces", || self.0.search(request, context))
    }

    fn service_names(&self, context: &ReadContext) -> Result<Vec<String>, ReadError> {
        noted("get-service-names", || self.0.service_names(context))
    }

    fn span_names(&self, service: &str, context: &ReadContext) -> Result<Vec<String>, ReadError> {
        noted("get-span-names", || self.0.span_names(service, context))
    }

    fn remote_service_names(
        &self,
        service: &str,
        context: &ReadContext,
    ) -> Result<Vec<String>, ReadError> {
        noted("get-remote-service-names", || {
            self.0.remote_service_names(service, context)
        })
    }

    fn tag_values(&self, key: &str, context: &ReadContext) -> Result<Vec<String>, ReadError> {
        noted("get-values", || self.0.tag_values(key, context))
    }

    fn dependencies(
        &self,
        window: Window,
        context: &ReadContext,
    ) -> Result<Vec<DependencyLink>, ReadError> {
        noted("get-dependencies", || self.0.dependencies(window, context))
    }

    fn summaries(
        &self,
        request: &SummaryRequest,
        context: &ReadContext,
    ) -> Result<FoundTraces, ReadError> {
        noted("get-traces", || self.0.summaries(request, context))
    }

    fn observed_names(
        &self,
        request: &NamesRequest,
        context: &ReadContext,
    ) -> Result<ObservedNames, ReadError> {
        noted("get-names", || self.0.observed_names(request, context))
    }

    fn extent(&self, context: &ReadContext) -> Result<Extent, ReadError> {
        self.0.extent(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &'static str) {
        noted(name, || Ok(())).unwrap();
    }

    fn names(calls: &Calls) -> Vec<&'static str> {
        calls.0.iter().map(|call| call.name).collect()
    }

    #[test]
    fn calls_belong_to_the_query_that_ends() {
        call("get-service-names");
        assert_eq!(names(&take("/api/v2/services")), ["get-service-names"]);
        assert!(take("/api/v2/services").0.is_empty());
        let error = noted::<()>("get-trace", || Err(ReadError::DeadlineExceeded));
        let text = error.unwrap_err().to_string();
        assert_eq!(take("/api/v2/trace/1").0[0].error, Some(text));
    }

    #[test]
    fn many_traces_are_one_call() {
        for _ in 0..3 * CALLS_MAX {
            call("get-trace");
        }
        let end = Instant::now();
        let calls = take(TRACE_MANY);
        assert_eq!(names(&calls), ["get-traces"]);
        assert!(calls.0[0].start + calls.0[0].duration <= end);
        assert!(take(TRACE_MANY).0.is_empty());
    }

    #[test]
    fn calls_of_one_query_are_bounded() {
        for _ in 0..3 * CALLS_MAX {
            call("get-trace");
        }
        assert_eq!(take("/api/v2/x").0.len(), CALLS_MAX);
    }
}

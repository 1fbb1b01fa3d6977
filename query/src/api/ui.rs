//! What the page asks besides Zipkin's API: summaries of traces as they are found, charts over
//! them, names with counts, advice when nothing is found. Routes and what the endpoints share live
//! here, endpoints in the files beside. The whole trace is Zipkin's API's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use speargun_runtime::Clock;
use speargun_storage::{FoundTraces, ReadContext, SpanReader};

use super::{Answer, Config, without_path_parameters};
use crate::error::QueryError;
use crate::params::Params;

mod find;
mod names;
mod overview;
mod rows;
mod store;
mod why;

/// Under what the page finds it; also below `/zipkin`.
pub const PREFIX: &str = "/api/ui/v1/";

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

/// How long an answer may take that can be cut short.
const PATIENCE: Duration = Duration::from_secs(3);
/// What is left of a query's time for what comes after storage.
const RESERVE: Duration = Duration::from_millis(500);

/// The page's endpoints over one engine.
#[derive(Clone, Debug)]
pub struct UiApi {
    reader: Arc<dyn SpanReader>,
    config: Config,
    clock: Arc<dyn Clock>,
}

/// What the page gets.
#[derive(Debug)]
pub enum UiAnswer {
    /// All of it.
    Whole(Answer),
    /// Lines, which are made while they are sent.
    Lines(Lines),
}

type Make = dyn FnOnce(&mut dyn FnMut(Vec<u8>) -> bool) -> bool + Send;

/// A body of lines that is yet to be made.
pub struct Lines {
    make: Box<Make>,
}

/// One of the endpoints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Route {
    Traces,
    Overview,
    Names,
    Why,
    Store,
}

/// A request on its way through an endpoint.
struct Asked {
    params: Params,
    began: Instant,
    now_ms: u64,
}

/// What an answer cost.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Debug)]
#[serde(rename_all = "camelCase")]
struct Meta {
    took_ms: u64,
    traces: u64,
    spans: u64,
}

/// Why an answer is of a part.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug)]
#[serde(rename_all = "lowercase")]
enum Reason {
    /// Its time was up.
    Time,
    /// As many traces as are looked at were.
    Traces,
}

#[derive(Serialize)]
struct Failure<'a> {
    error: FailureText<'a>,
}

#[derive(Serialize)]
struct FailureText<'a> {
    code: &'static str,
    message: &'a str,
}

type Answered = Result<UiAnswer, QueryError>;

// === impl UiApi ===

impl UiApi {
    /// Returns the endpoints over an engine.
    pub fn new(reader: Arc<dyn SpanReader>, config: Config, clock: Arc<dyn Clock>) -> Self {
        Self {
            reader,
            config,
            clock,
        }
    }

    /// Answers a GET, or returns `None` when the path is none of the endpoints. Blocks until the
    /// answer, or what is to make it, is ready.
    pub fn answer(&self, path: &str, query: Option<&str>) -> Option<UiAnswer> {
        let route = Route::find(path)?;
        let asked = Asked {
            params: Params::decode(query),
            began: Instant::now(),
            now_ms: self.clock.now_ms(),
        };
        let answered = match route {
            Route::Traces => self.rows(asked),
            Route::Overview => self.overview(&asked),
            Route::Names => self.names(&asked),
            Route::Why => self.why(&asked),
            Route::Store => self.store(&asked),
        };
        Some(answered.unwrap_or_else(|error| UiAnswer::Whole(failure(&error))))
    }

    /// Returns the path as metrics show it.
    pub fn route_name(path: &str) -> Option<&'static str> {
        Route::find(path).map(Route::name)
    }

    /// Returns the context of an answer that fails when it takes too long.
    fn context(&self, asked: &Asked) -> ReadContext {
        let timeout = self.config.timeout;
        ReadContext {
            // A deadline beyond the end of time is none.
            deadline: timeout.and_then(|timeout| asked.began.checked_add(timeout)),
        }
    }

    /// Returns the context of an answer that is cut short after this time, or when a query's is
    /// nearly up.
    fn within(&self, asked: &Asked, patience: Duration) -> ReadContext {
        let timeout = self.config.timeout.unwrap_or(Duration::MAX);
        let time = patience.min(timeout.saturating_sub(RESERVE).max(timeout / 2));
        ReadContext {
            deadline: asked.began.checked_add(time),
        }
    }
}

impl Route {
    fn find(path: &str) -> Option<Self> {
        let path = path.strip_prefix("/zipkin").unwrap_or(path);
        match without_path_parameters(path.strip_prefix(PREFIX)?) {
            "traces" => Some(Self::Traces),
            "overview" => Some(Self::Overview),
            "names" => Some(Self::Names),
            "why" => Some(Self::Why),
            "store" => Some(Self::Store),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Traces => "/api/ui/v1/traces",
            Self::Overview => "/api/ui/v1/overview",
            Self::Names => "/api/ui/v1/names",
            Self::Why => "/api/ui/v1/why",
            Self::Store => "/api/ui/v1/store",
        }
    }
}

impl Lines {
    fn new(make: impl FnOnce(&mut dyn FnMut(Vec<u8>) -> bool) -> bool + Send + 'static) -> Self {
        Self {
            make: Box::new(make),
        }
    }

    /// Returns their media type.
    pub fn content_type(&self) -> &'static str {
        NDJSON
    }

    /// Makes the lines and hands them to `send`, some at a time, until all are made or `send`
    /// returns false: then nobody reads them any more. Returns whether all were taken and none of
    /// them says that the search failed. Blocks.
    pub fn write_to(self, send: &mut dyn FnMut(Vec<u8>) -> bool) -> bool {
        (self.make)(send)
    }
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}

impl Asked {
    fn took(&self, found: &FoundTraces) -> Meta {
        Meta {
            traces: found.traces_read,
            spans: found.spans_read,
            ..self.took_nothing()
        }
    }

    fn took_nothing(&self) -> Meta {
        Meta {
            took_ms: self.began.elapsed().as_millis() as u64,
            ..Meta::default()
        }
    }
}

/// Returns the answer to a request that has none, in the form the page reads.
fn failure(error: &QueryError) -> Answer {
    Answer {
        status: error.status(),
        content_type: JSON,
        cache_control: None,
        body: failure_body(error),
    }
}

fn failure_body(error: &QueryError) -> Vec<u8> {
    let code = match error {
        QueryError::Refused(_) => "refused",
        QueryError::NotFound(_) => "not_found",
        QueryError::TimedOut => "timeout",
        QueryError::Failed(_) => "failed",
    };
    let message = error.to_string();
    let message = message.as_str();
    json(&Failure {
        error: FailureText { code, message },
    })
}

fn whole(value: &impl Serialize) -> UiAnswer {
    UiAnswer::Whole(Answer {
        status: 200,
        content_type: JSON,
        cache_control: Some("no-store".to_owned()),
        body: json(value),
    })
}

/// Returns a value as JSON; all of ours have text keys, so that nothing can fail.
fn json(value: &impl Serialize) -> Vec<u8> {
    let printed = serde_json::to_vec(value);
    debug_assert!(printed.is_ok(), "such a value is always printed");
    printed.unwrap_or_default()
}

#[cfg(test)]
mod tests;

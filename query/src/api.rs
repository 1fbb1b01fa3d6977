//! The query API as one call: a path and a query string in, an answer out. Routes and what all
//! endpoints share live here, endpoints in the files beside.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use speargun_runtime::Clock;
use speargun_storage::{IdMode, ReadContext, SpanReader};

use crate::error::QueryError;
use crate::params::{Params, decode_segment};

mod dependencies;
mod names;
mod traces;
pub mod ui;

/// Without so many names a page is being set up, and caches would hide what arrives.
const NAMES_UNCACHED_MAX: usize = 3;

/// How queries are answered.
#[derive(Clone, Debug)]
pub struct Config {
    /// How far back a query without `lookback` looks (`QUERY_LOOKBACK`).
    pub lookback_default_ms: u64,
    /// How long clients may keep names, in seconds (`ZIPKIN_QUERY_NAMES_MAX_AGE`).
    pub names_max_age_s: u32,
    /// Whether traces and names can be searched (`SEARCH_ENABLED`).
    pub search_enabled: bool,
    /// Tags whose values are listed (`AUTOCOMPLETE_KEYS`).
    pub autocomplete_keys: Vec<String>,
    /// When a query gives up (`QUERY_TIMEOUT`); `None` is never.
    pub timeout: Option<Duration>,
    /// How the engine compares trace ids (`STRICT_TRACE_ID`).
    pub id_mode: IdMode,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            lookback_default_ms: 86_400_000,
            names_max_age_s: 300,
            search_enabled: true,
            autocomplete_keys: Vec::new(),
            timeout: Some(Duration::from_secs(11)),
            id_mode: IdMode::default(),
        }
    }
}

/// What the client gets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type`, to be sent as it is.
    pub content_type: &'static str,
    /// The `Cache-Control`, for answers that have one.
    pub cache_control: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// The nine endpoints over one engine.
#[derive(Debug)]
pub struct QueryApi {
    reader: Arc<dyn SpanReader>,
    config: Config,
    clock: Arc<dyn Clock>,
    /// How many services the last answer about them had. Zipkin decides by that one number
    /// whether any list of names may be cached.
    services_count: AtomicUsize,
}

/// One of the endpoints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Route<'p> {
    Services,
    SpanNames,
    RemoteServices,
    AutocompleteKeys,
    AutocompleteValues,
    Traces,
    Trace(&'p str),
    TraceMany,
    Dependencies,
}

/// A request on its way through an endpoint.
struct Asked {
    params: Params,
    context: ReadContext,
}

type Answered = Result<Answer, QueryError>;

// === impl QueryApi ===

impl QueryApi {
    /// Returns the API over an engine.
    pub fn new(reader: Arc<dyn SpanReader>, mut config: Config, clock: Arc<dyn Clock>) -> Self {
        let keys = &mut config.autocomplete_keys;
        keys.sort_by(|a, b| speargun_model::span::java_order(a, b));
        keys.dedup();
        Self {
            reader,
            config,
            clock,
            services_count: AtomicUsize::new(0),
        }
    }

    /// Answers a GET, or returns `None` when the path is none of the endpoints. The path is as it
    /// came, escapes included, but for doubled slashes. Blocks until storage has answered.
    pub fn answer(&self, path: &str, query: Option<&str>) -> Option<Answer> {
        let route = Route::find(path)?;
        let asked = Asked {
            params: Params::decode(query),
            context: ReadContext {
                // A deadline beyond the end of time is none.
                deadline: self
                    .config
                    .timeout
                    .and_then(|t| Instant::now().checked_add(t)),
            },
        };
        let answered = match route {
            Route::Services => self.services(&asked),
            Route::SpanNames => self.span_names(&asked),
            Route::RemoteServices => self.remote_services(&asked),
            Route::AutocompleteKeys => Ok(self.autocomplete_keys()),
            Route::AutocompleteValues => self.autocomplete_values(&asked),
            Route::Traces => self.traces(&asked),
            Route::Trace(id) => self.trace(&decode_segment(id), &asked),
            Route::TraceMany => self.trace_many(&asked),
            Route::Dependencies => self.dependencies(&asked),
        };
        Some(answered.unwrap_or_else(Into::into))
    }

    /// Returns whether the path is one of the endpoints.
    pub fn is_route(path: &str) -> bool {
        Route::find(path).is_some()
    }

    /// Returns the path as metrics show it: without the prefix of the page, and one for all
    /// traces.
    pub fn route_name(path: &str) -> Option<&'static str> {
        Route::find(path).map(Route::name)
    }

    fn names_answer(&self, body: Vec<u8>, cached: bool) -> Answer {
        let max_age_s = self.config.names_max_age_s;
        Answer {
            cache_control: cached.then(|| format!("max-age={max_age_s}, must-revalidate")),
            ..Answer::json(body)
        }
    }

    fn are_names_cached(&self) -> bool {
        self.services_count.load(Ordering::Relaxed) > NAMES_UNCACHED_MAX
    }
}

impl<'p> Route<'p> {
    fn find(path: &'p str) -> Option<Self> {
        // The page is served under /zipkin and asks relative to itself.
        let path = path.strip_prefix("/zipkin").unwrap_or(path);
        let endpoint = path.strip_prefix("/api/v2/")?;
        if let Some(id) = endpoint.strip_prefix("trace/") {
            let id = without_path_parameters(id);
            return (!id.is_empty() && !id.contains('/')).then_some(Self::Trace(id));
        }
        match without_path_parameters(endpoint) {
            "services" => Some(Self::Services),
            "spans" => Some(Self::SpanNames),
            "remoteServices" => Some(Self::RemoteServices),
            "autocompleteKeys" => Some(Self::AutocompleteKeys),
            "autocompleteValues" => Some(Self::AutocompleteValues),
            "traces" => Some(Self::Traces),
            "traceMany" => Some(Self::TraceMany),
            "dependencies" => Some(Self::Dependencies),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Services => "/api/v2/services",
            Self::SpanNames => "/api/v2/spans",
            Self::RemoteServices => "/api/v2/remoteServices",
            Self::AutocompleteKeys => "/api/v2/autocompleteKeys",
            Self::AutocompleteValues => "/api/v2/autocompleteValues",
            Self::Traces => "/api/v2/traces",
            Self::Trace(_) => "/api/v2/trace/{traceId}",
            Self::TraceMany => "/api/v2/traceMany",
            Self::Dependencies => "/api/v2/dependencies",
        }
    }
}

/// Returns a last path segment without `;a=b` behind it. One that goes on with a slash is left
/// alone: it is no endpoint.
fn without_path_parameters(segment: &str) -> &str {
    match segment.split_once(';') {
        Some((before, behind)) if !behind.contains('/') => before,
        _ => segment,
    }
}

impl Answer {
    fn json(body: Vec<u8>) -> Self {
        Self {
            status: 200,
            content_type: "application/json",
            cache_control: None,
            body,
        }
    }
}

impl From<QueryError> for Answer {
    fn from(error: QueryError) -> Self {
        Self {
            status: error.status(),
            content_type: "text/*",
            cache_control: None,
            body: error.to_string().into_bytes(),
        }
    }
}

#[cfg(test)]
mod tests;

//! From parameters to a search that is valid: defaults, the grammar of annotation queries, and
//! Zipkin's checks in its order; then what our page asks besides. It reads no storage.

use speargun_storage::{Edge, Root, SummaryRequest, TagTerm, TraceFilter, TraceRequest, Window};

use crate::error::QueryError;
use crate::params::Params;

/// Terms of an annotation query; the last one keeps the rest.
const TERMS_MAX: usize = 100;

/// Traces answered when no limit is given.
const LIMIT_DEFAULT: i32 = 10;
/// The same of summaries, and how many at most.
const SUMMARIES: (i32, i32) = (50, 1000);

/// Reads the parameters of `/api/v2/traces`.
pub fn trace_request(
    params: &Params,
    now_ms: u64,
    lookback_default_ms: u64,
) -> Result<TraceRequest, QueryError> {
    let min_duration_us = params.optional_long("minDuration")?;
    let max_duration_us = params.optional_long("maxDuration")?;
    let end_ms = params.optional_long("endTs")?;
    let lookback_ms = params.optional_long("lookback")?;
    let limit = params.int_or("limit", LIMIT_DEFAULT)?;

    let end_ms = positive("endTs", end_ms, now_ms)?;
    let limit = positive("limit", Some(limit.into()), 0)?;
    let lookback_ms = positive("lookback", lookback_ms, lookback_default_ms)?;
    let (min_duration_us, max_duration_us) = durations(min_duration_us, max_duration_us)?;
    Ok(TraceRequest {
        service_name: name(params, "serviceName"),
        remote_service_name: name(params, "remoteServiceName"),
        // What Zipkin's first page sent for "any".
        span_name: name(params, "spanName").filter(|name| name != "all"),
        terms: terms(params.text("annotationQuery").unwrap_or_default()),
        min_duration_us,
        max_duration_us,
        window: Window {
            end_ms,
            lookback_ms,
        },
        limit: usize::try_from(limit).unwrap_or(usize::MAX),
    })
}

/// Reads the parameters of `/api/v2/dependencies`.
pub fn link_window(params: &Params, lookback_default_ms: u64) -> Result<Window, QueryError> {
    let end_ms = params.mandatory_long("endTs")?;
    let lookback_ms = params.optional_long("lookback")?;
    Ok(Window {
        end_ms: positive("endTs", Some(end_ms), 0)?,
        lookback_ms: positive("lookback", lookback_ms, lookback_default_ms)?,
    })
}

/// Reads the parameters of a search for summaries: those of a search for traces, tags whose values
/// may hold anything, and what a trace is as a whole.
pub fn summary_request(
    params: &Params,
    now_ms: u64,
    lookback_default_ms: u64,
) -> Result<SummaryRequest, QueryError> {
    let mut request = trace_request(params, now_ms, lookback_default_ms)?;
    request.limit = positive_up_to(params, "limit", SUMMARIES)?;
    for tag in params.texts("tag").filter(|tag| !tag.is_empty()) {
        room_for_one_more(&request.terms)?;
        let (key, value) = tag.split_once('=').unzip();
        add_term(&mut request.terms, key.unwrap_or(tag), value);
    }
    let (min, max) = ("minTraceDuration", "maxTraceDuration");
    let filter = TraceFilter {
        min_duration_us: optional_positive(params, min)?,
        max_duration_us: optional_positive(params, max)?,
        edge: edge(params)?,
        root: root(params),
        without: left_out(params)?,
    };
    if let (Some(least), Some(most)) = (filter.min_duration_us, filter.max_duration_us)
        && most < least
    {
        return Err(QueryError::Refused(format!("{max} < {min}")));
    }
    Ok(SummaryRequest {
        request,
        filter,
        after: None,
    })
}

/// Reads what no span of a trace may have; one key may be there with several values.
fn left_out(params: &Params) -> Result<Vec<TagTerm>, QueryError> {
    let mut terms = Vec::new();
    for tag in params.texts("without").filter(|tag| !tag.is_empty()) {
        room_for_one_more(&terms)?;
        let (key, value) = tag.split_once('=').unzip();
        terms.push(TagTerm {
            key: key.unwrap_or(tag).to_owned(),
            value: value.map(str::to_owned),
        });
    }
    Ok(terms)
}

fn room_for_one_more(terms: &[TagTerm]) -> Result<(), QueryError> {
    if terms.len() >= TERMS_MAX {
        return Err(QueryError::Refused(format!("more than {TERMS_MAX} tags")));
    }
    Ok(())
}

/// Reads a window whose two ends have defaults.
pub(crate) fn window(
    params: &Params,
    now_ms: u64,
    lookback_default_ms: u64,
) -> Result<Window, QueryError> {
    let end_ms = params.optional_long("endTs")?;
    let lookback_ms = params.optional_long("lookback")?;
    Ok(Window {
        end_ms: positive("endTs", end_ms, now_ms)?,
        lookback_ms: positive("lookback", lookback_ms, lookback_default_ms)?,
    })
}

/// Reads a number of things to show: a greater one is the most there is.
pub(crate) fn positive_up_to(
    params: &Params,
    name: &str,
    (default, max): (i32, i32),
) -> Result<usize, QueryError> {
    let given = params.int_or(name, default)?;
    let given = positive(name, Some(given.min(max).into()), 0)?;
    Ok(usize::try_from(given).unwrap_or(usize::MAX))
}

fn optional_positive(params: &Params, name: &str) -> Result<Option<u64>, QueryError> {
    let given = params.optional_long(name)?;
    given.map(|us| positive(name, Some(us), 0)).transpose()
}

fn edge(params: &Params) -> Result<Option<Edge>, QueryError> {
    match (name(params, "parent"), name(params, "child")) {
        (None, None) => Ok(None),
        (Some(parent), Some(child)) => Ok(Some(Edge {
            parent,
            child,
            failed: params.text("edgeErrors") == Some("true"),
        })),
        _ => Err(QueryError::refused("parent and child come together")),
    }
}

/// Reads what a trace begins with; here an empty text says that it has no name.
fn root(params: &Params) -> Root {
    let text = |name| params.text(name).map(str::to_lowercase);
    Root {
        service: text("rootServiceName"),
        name: text("rootSpanName"),
    }
}

fn positive(name: &str, given: Option<i64>, default: u64) -> Result<u64, QueryError> {
    let Some(value) = given else {
        return Ok(default);
    };
    let positive = u64::try_from(value).ok().filter(|value| *value > 0);
    positive.ok_or_else(|| QueryError::Refused(format!("{name} <= 0")))
}

type Bounds = (Option<u64>, Option<u64>);

fn durations(min_us: Option<i64>, max_us: Option<i64>) -> Result<Bounds, QueryError> {
    let Some(min_us) = min_us else {
        return match max_us {
            None => Ok((None, None)),
            Some(_) => Err(QueryError::refused(
                "maxDuration is only valid with minDuration",
            )),
        };
    };
    let min = positive("minDuration", Some(min_us), 0)?;
    if max_us.is_some_and(|max_us| max_us < min_us) {
        return Err(QueryError::refused("maxDuration < minDuration"));
    }
    Ok((Some(min), max_us.and_then(|max| u64::try_from(max).ok())))
}

/// Names are lower-case, and an empty one is none.
pub(crate) fn name(params: &Params, name: &str) -> Option<String> {
    let text = params.text(name)?;
    (!text.is_empty()).then(|| text.to_lowercase())
}

/// Parses `key=value and key`. Keys stay where they were first seen; of several values the last
/// wins, and a bare key never replaces a value.
fn terms(query: &str) -> Vec<TagTerm> {
    let mut terms: Vec<TagTerm> = Vec::new();
    if query.is_empty() {
        return terms;
    }
    for part in query.splitn(TERMS_MAX, " and ") {
        match part.split_once('=') {
            Some((key, value)) => add_term(&mut terms, trim(key), Some(trim(value))),
            None => add_term(&mut terms, trim(part), None),
        }
    }
    terms
}

fn add_term(terms: &mut Vec<TagTerm>, key: &str, value: Option<&str>) {
    // `key=` asks for the same as `key`.
    let wanted = value.filter(|v| !v.is_empty()).map(str::to_owned);
    match terms.iter_mut().find(|term| term.key == key) {
        Some(term) if value.is_some() => term.value = wanted,
        Some(_) => {}
        None => terms.push(TagTerm {
            key: key.to_owned(),
            value: wanted,
        }),
    }
}

/// Cuts blanks and control characters off both ends, as Java's `trim` does.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(query: &str) -> Result<TraceRequest, String> {
        trace_request(&Params::decode(Some(query)), 5000, 1000).map_err(|e| e.to_string())
    }

    fn shown(query: &str) -> Vec<String> {
        let show = |term: TagTerm| match term.value {
            Some(value) => format!("{}={value}", term.key),
            None => term.key,
        };
        terms(query).into_iter().map(show).collect()
    }

    #[test]
    fn nothing_is_mandatory() {
        let request = request("").unwrap();
        assert_eq!(
            (request.window.end_ms, request.window.lookback_ms),
            (5000, 1000)
        );
        assert_eq!((request.limit, request.terms.len()), (10, 0));
        assert_eq!((request.service_name, request.span_name), (None, None));
    }

    #[test]
    fn names_are_lower_case_and_all_is_any_span() {
        let request = |q| request(q).unwrap();
        let names = request("serviceName=A&remoteServiceName=All&spanName=GET+%C3%89");
        assert_eq!(names.service_name.as_deref(), Some("a"));
        assert_eq!(names.remote_service_name.as_deref(), Some("all"));
        assert_eq!(names.span_name.as_deref(), Some("get \u{e9}"));
        assert_eq!(request("spanName=ALL").span_name, None);
        let empty = request("spanName=&serviceName=&remoteServiceName");
        assert_eq!(
            (
                empty.span_name,
                empty.service_name,
                empty.remote_service_name
            ),
            (None, None, None)
        );
    }

    #[test]
    fn values_are_checked_in_zipkins_order() {
        let refused = |query| request(query).unwrap_err();
        assert_eq!(refused("endTs=0&limit=0"), "endTs <= 0");
        assert_eq!(refused("limit=-1&lookback=0"), "limit <= 0");
        assert_eq!(refused("lookback=0&minDuration=0"), "lookback <= 0");
        assert_eq!(refused("minDuration=0&maxDuration=-1"), "minDuration <= 0");
        assert_eq!(
            refused("minDuration=10&maxDuration=9"),
            "maxDuration < minDuration"
        );
        assert_eq!(
            refused("maxDuration=5"),
            "maxDuration is only valid with minDuration"
        );
    }

    #[test]
    fn numbers_are_read_before_any_is_checked() {
        let refused = |query| request(query).unwrap_err();
        assert_eq!(
            refused("endTs=0&limit="),
            "Cannot set null to primitive type parameter: limit"
        );
        assert_eq!(
            refused("endTs=0&lookback=b&limit=c"),
            "For input string: \"b\""
        );
        assert_eq!(refused("minDuration=a&endTs=b"), "For input string: \"a\"");
        assert_eq!(
            request("minDuration=&maxDuration=&endTs=&lookback=")
                .unwrap()
                .limit,
            10
        );
    }

    #[test]
    fn durations_are_taken() {
        let both = request("minDuration=10&maxDuration=10").unwrap();
        assert_eq!(
            (both.min_duration_us, both.max_duration_us),
            (Some(10), Some(10))
        );
    }

    #[test]
    fn terms_are_split_and_trimmed() {
        assert_eq!(
            shown("error and http.method=GET"),
            ["error", "http.method=GET"]
        );
        assert_eq!(shown("\t a\t = \tb c "), ["a=b c"]);
        assert_eq!(shown("a=b=c"), ["a=b=c"]);
        assert_eq!(shown("a AND b and c"), ["a AND b", "c"]);
        assert!(shown("").is_empty());
    }

    #[test]
    fn the_last_value_wins_and_a_bare_key_replaces_none() {
        assert_eq!(shown("k=v and l and k=w"), ["k=w", "l"]);
        assert_eq!(shown("k=v and k"), ["k=v"]);
        assert_eq!(shown("k and k=v"), ["k=v"]);
        assert_eq!(shown("k=v and k="), ["k"]);
    }

    #[test]
    fn an_empty_key_is_asked_for_too() {
        assert_eq!(shown(" "), [""]);
        assert_eq!(shown("=v"), ["=v"]);
        assert_eq!(shown("k=v and "), ["k=v", ""]);
    }

    #[test]
    fn the_hundredth_term_keeps_the_rest() {
        let many: Vec<String> = (0..102).map(|n| format!("k{n}")).collect();
        let terms = shown(&many.join(" and "));
        assert_eq!(terms.len(), 100);
        assert_eq!(terms[99], "k99 and k100 and k101");
    }

    #[test]
    fn links_need_an_end() {
        let window = |q| link_window(&Params::decode(Some(q)), 7).map_err(|e| e.to_string());
        assert_eq!(
            window("endTs=5").unwrap(),
            Window {
                end_ms: 5,
                lookback_ms: 7
            }
        );
        let refused = |q| window(q).unwrap_err();
        assert_eq!(
            refused(""),
            "Mandatory parameter/header/attribute is missing: endTs"
        );
        assert_eq!(
            refused("endTs="),
            "Cannot set null to primitive type parameter: endTs"
        );
        assert_eq!(refused("endTs=0&lookback=abc"), "For input string: \"abc\"");
        assert_eq!(refused("endTs=0&lookback=0"), "endTs <= 0");
        assert_eq!(refused("endTs=1&lookback=0"), "lookback <= 0");
    }
}

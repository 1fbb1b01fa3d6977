//! Answers as bytes. Errors have the body of Spring Boot's, since clients log it.

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

use super::Asked;
use crate::calendar;
use crate::value::json_text;

/// An answer.
pub(crate) type Reply = Response<Full<Bytes>>;

/// The second version of the environment.
pub(super) const V2: &str = "application/vnd.spring-cloud.config-server.v2+json";
pub(super) const JSON: &str = "application/json";
pub(super) const TEXT: &str = "text/plain";
pub(super) const TEXT_UTF8: &str = "text/plain;charset=UTF-8";

/// Returns an answer of a media type.
pub(super) fn with(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    if !media_type.is_empty() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    }
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    reply
}

/// Returns an answer without a body.
pub(super) fn empty(status: StatusCode) -> Reply {
    with(status, "", Bytes::new())
}

/// Returns whether a client would rather have the second version of the environment than the first.
/// As in Spring what it weighs most counts, of the same weight what names one type alone, and then
/// what it names first, in whatever lines of the header.
pub(super) fn wants_v2(asked: &Asked) -> bool {
    let lines = asked.headers.get_all(header::ACCEPT).iter();
    let ranges = lines.filter_map(|line| line.to_str().ok());
    let mut best: Option<(f32, Precision, bool)> = None;
    for range in ranges.flat_map(|line| line.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let Some((precision, is_v2)) = range_of(parts.next().unwrap_or_default()) else {
            continue;
        };
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        let weight: f32 = weight.and_then(|text| text.parse().ok()).unwrap_or(1.0);
        let is_better = best
            .is_none_or(|(most, finest, _)| weight > most || weight >= most && precision > finest);
        if weight > 0.0 && is_better {
            best = Some((weight, precision, is_v2));
        }
    }
    best.is_some_and(|(_, _, is_v2)| is_v2)
}

/// How much a range of media types leaves open.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Precision {
    Anything,
    Subtypes,
    One,
}

/// Returns how precise a range is that has one of the versions, and whether that is the second.
fn range_of(range: &str) -> Option<(Precision, bool)> {
    let known = [
        (V2, Precision::One, true),
        (JSON, Precision::One, false),
        ("application/*+json", Precision::Subtypes, true),
        ("application/*", Precision::Subtypes, false),
        ("*/*", Precision::Anything, false),
    ];
    let found = known
        .iter()
        .find(|(name, ..)| range.eq_ignore_ascii_case(name));
    found.map(|(_, precision, is_v2)| (*precision, *is_v2))
}

/// Returns an error as Spring Boot words it.
pub(super) fn error(asked: &Asked, status: StatusCode, message: Option<&str>) -> Reply {
    let mut body = format!(
        "{{\"timestamp\":\"{}\",\"status\":{},\"error\":",
        calendar::text(now_ms()),
        status.as_u16()
    );
    json_text(status.canonical_reason().unwrap_or("Error"), &mut body);
    if let Some(message) = message {
        body.push_str(",\"message\":");
        json_text(message, &mut body);
    }
    body.push_str(",\"path\":");
    json_text(&asked.path, &mut body);
    body.push('}');
    let media_type = if wants_v2(asked) { V2 } else { JSON };
    with(status, media_type, body)
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}

/// Returns what tells a client which methods there are.
pub(super) fn not_allowed(asked: &Asked, methods: &'static str) -> Reply {
    let mut reply = error(asked, StatusCode::METHOD_NOT_ALLOWED, None);
    let methods = HeaderValue::from_static(methods);
    reply.headers_mut().insert(header::ALLOW, methods);
    reply
}

/// Returns what tells a client to say who it is.
pub(super) fn unauthorized(asked: &Asked) -> Reply {
    let mut reply = error(asked, StatusCode::UNAUTHORIZED, None);
    let basic = HeaderValue::from_static("Basic realm=\"Realm\", Bearer");
    reply.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
    reply
}

/// Returns an answer to HEAD: the length is that of the body that GET would give.
pub(super) fn without_body(reply: Reply) -> Reply {
    use hyper::body::Body;
    let (mut head, body) = reply.into_parts();
    let length = body.size_hint().exact().unwrap_or(0);
    head.headers
        .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Response::from_parts(head, Full::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_which_is_weighed_most() {
        let wants = |accept: &str| {
            let mut headers = http::HeaderMap::new();
            for line in accept.split('\n') {
                headers.append(header::ACCEPT, line.parse().unwrap());
            }
            wants_v2(&Asked {
                method: http::Method::GET,
                path: String::new(),
                query: String::new(),
                headers,
                body: Bytes::new(),
                who: crate::api::serve::Who::Known,
            })
        };
        assert!(wants(V2));
        assert!(wants(&format!("{V2}, application/json")));
        assert!(wants(&format!(
            "text/html, application/json;q=0.5, {V2};q=0.8"
        )));
        assert!(!wants(&format!("application/json, {V2}")));
        assert!(!wants(&format!("{V2};q=0.1, */*")));
        assert!(!wants(&format!("{V2};q=0")));
        assert!(wants(&format!("*/*, {V2}")));
        assert!(wants(&format!(
            "application/*;q=0.9, {V2};q=0.9, */*;q=0.8"
        )));
        assert!(!wants(&format!("*/*, application/json, {V2}")));
        assert!(wants("application/*+json"));
        assert!(!wants("application/json, application/*+json"));
        // Several lines are one.
        assert!(wants(&format!("text/html\n{V2}")));
        assert!(!wants(&format!("application/json\n{V2}")));
        assert!(wants(&format!("application/json;q=0.5\n{V2}")));
        assert!(!wants("application/json"));
        assert!(!wants(""));
    }
}

//! An answer that is the same for the life of the process: with a tag and a time by which clients
//! that have it already are told so. It knows no path.

use std::sync::LazyLock;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::front::reply::{self, Reply};

/// When the process began, since when nothing of this changed; in whole seconds, as HTTP tells it.
static BEGAN: LazyLock<SystemTime> = LazyLock::new(|| {
    let now = SystemTime::now();
    httpdate::parse_http_date(&httpdate::fmt_http_date(now)).unwrap_or(now)
});

/// Such an answer.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    content_type: &'static str,
    cache: Option<&'static str>,
    body: Bytes,
    etag: HeaderValue,
}

impl Served {
    /// Returns an answer of this type that clients may keep as `cache` says.
    pub(crate) fn new(
        content_type: &'static str,
        cache: Option<&'static str>,
        body: impl Into<Bytes>,
    ) -> Self {
        let body = body.into();
        let tag = format!("\"{:016x}\"", fnv(&body));
        Self {
            content_type,
            cache,
            etag: HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"0\"")),
            body,
        }
    }

    /// Answers a GET, or a HEAD, whose body the connection leaves out.
    pub(crate) fn answer(&self, request: &HeaderMap) -> Reply {
        let mut reply = if self.is_known(request) {
            let mut reply = reply::empty(StatusCode::NOT_MODIFIED);
            reply::set(&mut reply, CONTENT_TYPE, self.content_type);
            reply
        } else {
            reply::with_body(StatusCode::OK, self.content_type, self.body.clone())
        };
        let headers = reply.headers_mut();
        headers.insert(ETAG, self.etag.clone());
        if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(*BEGAN)) {
            headers.insert(LAST_MODIFIED, date);
        }
        if let Some(cache) = self.cache {
            reply::cache_for(&mut reply, cache);
        }
        reply::compress(&mut reply, request);
        reply
    }

    /// Returns whether the client has it already. A tag decides; only without one a time does.
    fn is_known(&self, request: &HeaderMap) -> bool {
        let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let tags: Vec<String> = request.get_all(IF_NONE_MATCH).iter().map(text).collect();
        if !tags.is_empty() {
            return tags
                .iter()
                .flat_map(|tags| tags.split(','))
                .map(|tag| tag.trim().trim_start_matches("W/"))
                .any(|tag| tag == "*" || tag.as_bytes() == self.etag.as_bytes());
        }
        request
            .get(IF_MODIFIED_SINCE)
            .and_then(|since| httpdate::parse_http_date(since.to_str().ok()?).ok())
            .is_some_and(|since| since >= *BEGAN)
    }
}

/// FNV-1a: the same file has the same tag in every process.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn status(served: &Served, headers: &[(HeaderName, &str)]) -> StatusCode {
        let mut request = HeaderMap::new();
        for (name, value) in headers {
            request.append(name.clone(), value.parse().unwrap());
        }
        served.answer(&request).status()
    }

    #[test]
    fn clients_that_have_it_are_told_so() {
        let served = Served::new("text/plain", Some("max-age=60"), "abc");
        let fresh = served.answer(&HeaderMap::new());
        assert_eq!(fresh.status(), StatusCode::OK);
        let text = |name| fresh.headers()[name].to_str().unwrap();
        let (etag, date) = (text(ETAG), text(LAST_MODIFIED));
        let listed = format!("\"x\", W/{etag}");
        for known in [
            &[(IF_NONE_MATCH, etag)][..],
            &[(IF_NONE_MATCH, &listed)],
            &[(IF_NONE_MATCH, "*")],
            &[(IF_MODIFIED_SINCE, date)],
            &[(IF_MODIFIED_SINCE, "Fri, 01 Jan 2100 00:00:00 GMT")],
        ] {
            assert_eq!(
                status(&served, known),
                StatusCode::NOT_MODIFIED,
                "{known:?}"
            );
        }
        for unknown in [
            &[(IF_NONE_MATCH, "\"x\"")][..],
            &[(IF_NONE_MATCH, "")],
            &[(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, date)],
            &[(IF_MODIFIED_SINCE, "Tue, 01 Jan 2019 00:00:00 GMT")],
            &[(IF_MODIFIED_SINCE, "yesterday")],
        ] {
            assert_eq!(status(&served, unknown), StatusCode::OK, "{unknown:?}");
        }
    }
}

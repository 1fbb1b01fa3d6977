//! An answer that is the same for the life of the process: with a tag and a time by which clients
//! that have it already are told so. It knows no path.

use std::sync::LazyLock;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{
    CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

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
    plain: Form,
    /// The same body by codings, the best first.
    packed: Vec<(&'static str, Form)>,
    /// What else is said with it.
    headers: HeaderMap,
}

/// A body with its tag.
#[derive(Clone, Debug)]
struct Form {
    body: Bytes,
    etag: HeaderValue,
}

impl Form {
    fn new(body: Bytes) -> Self {
        let tag = format!("\"{:016x}\"", fnv(&body));
        let etag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"0\""));
        Self { body, etag }
    }
}

impl Served {
    /// Returns an answer of this type that clients may keep as `cache` says.
    pub(crate) fn new(
        content_type: &'static str,
        cache: Option<&'static str>,
        body: impl Into<Bytes>,
    ) -> Self {
        Self {
            content_type,
            cache,
            plain: Form::new(body.into()),
            packed: Vec::new(),
            headers: HeaderMap::new(),
        }
    }

    /// Adds the same body in a coding, which is preferred to those added later.
    pub(crate) fn or_packed(mut self, coding: &'static str, body: Option<&'static [u8]>) -> Self {
        let form = body.map(|body| Form::new(Bytes::from_static(body)));
        self.packed.extend(form.map(|form| (coding, form)));
        self
    }

    /// Adds a header.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Answers a GET, or a HEAD, whose body the connection leaves out.
    pub(crate) fn answer(&self, request: &HeaderMap) -> Reply {
        let (coding, form) = self.form_for(request);
        let mut reply = if is_known(request, &form.etag) {
            let mut reply = reply::empty(StatusCode::NOT_MODIFIED);
            reply::set(&mut reply, CONTENT_TYPE, self.content_type);
            reply
        } else {
            reply::with_body(StatusCode::OK, self.content_type, form.body.clone())
        };
        let headers = reply.headers_mut();
        headers.extend(self.headers.clone());
        headers.insert(ETAG, form.etag.clone());
        if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(*BEGAN)) {
            headers.insert(LAST_MODIFIED, date);
        }
        if let Some(cache) = self.cache {
            reply::cache_for(&mut reply, cache);
        }
        if self.packed.is_empty() {
            reply::compress(&mut reply, request);
            return reply;
        }
        reply::set(&mut reply, VARY, "accept-encoding");
        if let Some(coding) = coding {
            reply::set(&mut reply, CONTENT_ENCODING, coding);
        }
        reply
    }

    fn form_for(&self, request: &HeaderMap) -> (Option<&'static str>, &Form) {
        let mut packed = self.packed.iter();
        let taken = packed.find(|(coding, _)| reply::takes(request, coding));
        taken.map_or((None, &self.plain), |(coding, form)| (Some(coding), form))
    }
}

/// Returns whether the client has it already. A tag decides; only without one a time does.
fn is_known(request: &HeaderMap, etag: &HeaderValue) -> bool {
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let tags: Vec<String> = request.get_all(IF_NONE_MATCH).iter().map(text).collect();
    if !tags.is_empty() {
        return tags
            .iter()
            .flat_map(|tags| tags.split(','))
            .map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|tag| tag == "*" || tag.as_bytes() == etag.as_bytes());
    }
    request
        .get(IF_MODIFIED_SINCE)
        .and_then(|since| httpdate::parse_http_date(since.to_str().ok()?).ok())
        .is_some_and(|since| since >= *BEGAN)
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
    use http::header::ACCEPT_ENCODING;

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

    #[test]
    fn each_client_gets_the_best_form_it_takes() {
        let served = Served::new("text/css", None, "plain")
            .or_packed("br", Some(b"by brotli"))
            .or_packed("gzip", Some(b"by gzip"));
        let ask = |accepts: &str| {
            let mut request = HeaderMap::new();
            request.insert(ACCEPT_ENCODING, accepts.parse().unwrap());
            let reply = served.answer(&request);
            assert_eq!(reply.headers()[VARY], "accept-encoding");
            let coding = reply.headers().get(CONTENT_ENCODING).cloned();
            let etag = reply.headers()[ETAG].to_str().unwrap().to_owned();
            // Each form has a tag of its own.
            request.insert(IF_NONE_MATCH, etag.parse().unwrap());
            assert_eq!(
                served.answer(&request).status(),
                StatusCode::NOT_MODIFIED,
                "{accepts}"
            );
            let coding = coding.map(|coding| coding.to_str().unwrap().to_owned());
            (coding, reply::data(&reply).to_vec(), etag)
        };
        let best = ask("gzip, deflate, br;q=0.9");
        assert_eq!(
            (best.0.as_deref(), &best.1[..]),
            (Some("br"), &b"by brotli"[..])
        );
        let good = ask("gzip, br;q=0");
        assert_eq!(
            (good.0.as_deref(), &good.1[..]),
            (Some("gzip"), &b"by gzip"[..])
        );
        let plain = ask("identity");
        assert_eq!((plain.0, &plain.1[..]), (None, &b"plain"[..]));
        assert!(best.2 != good.2 && good.2 != plain.2);
    }
}

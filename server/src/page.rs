//! The page's paths: redirects to it, its files and its configuration, with Zipkin's caching. What
//! the files hold is the `ui` crate's.

use bytes::Bytes;
use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::front::reply::{self, Reply};
use crate::front::service::only_reads;
use crate::json::Json;
use crate::settings::PageSettings;

/// A file as it is served.
#[derive(Clone, Debug)]
struct Served {
    content_type: &'static str,
    cache: &'static str,
    body: Bytes,
    etag: HeaderValue,
}

/// The page.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    index: Served,
    config: Served,
}

const JSON_UTF8: &str = "application/json; charset=utf-8";

impl Page {
    /// Returns the page with this configuration.
    pub(crate) fn new(settings: &PageSettings, search_enabled: bool) -> Self {
        let base = match settings.base_path.trim_end_matches('/') {
            "" => "<base href=\"/\" >".to_owned(),
            base => format!("<base href=\"{base}/\">"),
        };
        let index = speargun_ui::INDEX.replace("<base href=\"/zipkin/\">", &base);
        let config = config(settings, search_enabled);
        Self {
            index: Served::new("text/html; charset=utf-8", "max-age=60", index),
            config: Served::new(JSON_UTF8, "max-age=600", config),
        }
    }

    /// Returns whether a path is the page's; the API below it is not.
    pub(crate) fn owns(path: &str) -> bool {
        matches!(path, "/" | "/zipkin" | "/favicon.ico")
            || (path.starts_with("/zipkin/") && !path.starts_with("/zipkin/api/"))
    }

    /// Answers one of its paths.
    pub(crate) fn serve(&self, head: &http::request::Parts, path: &str) -> Reply {
        let query = head.uri.query();
        let (method, headers) = (&head.method, &head.headers);
        match path {
            "/" | "/zipkin" => reply::redirect("/zipkin/", query),
            "/favicon.ico" => reply::redirect("/zipkin/favicon.ico", query),
            "/zipkin/config.json" => self.config.answer(method, headers),
            "/zipkin/" | "/zipkin/index.html" | "/zipkin/dependency" | "/zipkin/traceViewer" => {
                self.index.answer(method, headers)
            }
            _ if is_trace_page(path) => self.index.answer(method, headers),
            _ => path
                .strip_prefix("/zipkin/")
                .and_then(speargun_ui::file)
                .map_or_else(reply::not_found, |file| {
                    let cache = "max-age=31536000";
                    Served::new(file.content_type, cache, file.bytes).answer(method, headers)
                }),
        }
    }
}

/// Addresses of single traces are the page's, which looks at its own address.
fn is_trace_page(path: &str) -> bool {
    path.strip_prefix("/zipkin/traces/")
        .is_some_and(|id| !id.is_empty() && !id.contains('/'))
}

impl Served {
    fn new(content_type: &'static str, cache: &'static str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let tag = format!("\"{:016x}\"", fnv(&body));
        Self {
            content_type,
            cache,
            etag: HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"0\"")),
            body,
        }
    }

    fn answer(&self, method: &Method, headers: &HeaderMap) -> Reply {
        only_reads(method, || {
            let known = headers
                .get_all(IF_NONE_MATCH)
                .iter()
                .any(|tag| tag == self.etag || tag == "*");
            let mut reply = if known {
                reply::empty(StatusCode::NOT_MODIFIED)
            } else {
                reply::with_body(StatusCode::OK, self.content_type, self.body.clone())
            };
            reply.headers_mut().insert(ETAG, self.etag.clone());
            reply::cache_for(&mut reply, self.cache);
            reply::compress(&mut reply, headers);
            reply
        })
    }
}

/// FNV-1a: the same file has the same tag in every process.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn config(settings: &PageSettings, search_enabled: bool) -> String {
    let dependency = Json::object([
        ("enabled", Json::raw(&settings.dependency_enabled)),
        ("lowErrorRate", Json::raw(&settings.low_error_rate)),
        ("highErrorRate", Json::raw(&settings.high_error_rate)),
    ]);
    Json::object([
        ("environment", Json::text(settings.environment.as_str())),
        ("queryLimit", Json::raw(&settings.query_limit)),
        ("defaultLookback", Json::raw(&settings.default_lookback_ms)),
        ("searchEnabled", Json::raw(&search_enabled)),
        ("logsUrl", Json::text_or_null(&settings.logs_url)),
        ("supportUrl", Json::text_or_null(&settings.support_url)),
        (
            "archivePostUrl",
            Json::text_or_null(&settings.archive_post_url),
        ),
        ("archiveUrl", Json::text_or_null(&settings.archive_url)),
        ("dependency", dependency),
    ])
    .print()
}

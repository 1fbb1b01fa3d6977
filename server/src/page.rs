//! The page's paths: redirects to it, its files and its configuration, with Zipkin's caching. What
//! the files hold is the `ui` crate's.

use http::Method;

use crate::front::reply::{self, Reply};
use crate::json::Json;
use crate::served::Served;
use crate::settings::PageSettings;

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
            index: Served::new("text/html; charset=utf-8", Some("max-age=60"), index),
            config: Served::new(JSON_UTF8, Some("max-age=600"), config),
        }
    }

    /// Returns whether a path is the page's. To read the API below it is not: see [`Self::serve`].
    pub(crate) fn owns(path: &str) -> bool {
        matches!(path, "/" | "/zipkin" | "/favicon.ico") || path.starts_with("/zipkin/")
    }

    /// Answers one of its paths; `None` where the API below it is to answer.
    pub(crate) fn serve(&self, head: &http::request::Parts, path: &str) -> Option<Reply> {
        let query = head.uri.query();
        let (method, headers) = (&head.method, &head.headers);
        let reads = matches!(*method, Method::GET | Method::HEAD);
        if path.starts_with("/zipkin/api/") && reads {
            return None;
        }
        Some(match path {
            "/" | "/zipkin" => reply::redirect("/zipkin/", query),
            "/favicon.ico" => reply::redirect("/zipkin/favicon.ico", query),
            // Other methods are refused whether or not there is such a file.
            _ if !reads => reply::method_not_allowed(),
            "/zipkin/config.json" => self.config.answer(headers),
            "/zipkin/" | "/zipkin/index.html" | "/zipkin/dependency" | "/zipkin/traceViewer" => {
                self.index.answer(headers)
            }
            _ if is_trace_page(path) => self.index.answer(headers),
            _ => path
                .strip_prefix("/zipkin/")
                .and_then(speargun_ui::file)
                .map_or_else(reply::not_found, |file| {
                    let cache = Some("max-age=31536000");
                    Served::new(file.content_type, cache, file.bytes).answer(headers)
                }),
        })
    }
}

/// Addresses of single traces are the page's, which looks at its own address.
fn is_trace_page(path: &str) -> bool {
    path.strip_prefix("/zipkin/traces/")
        .is_some_and(|id| !id.is_empty() && !id.contains('/'))
}

/// A floating-point number, which says so even where it is whole.
fn rate(rate: f32) -> Json {
    Json::raw(&format!("{rate:?}"))
}

fn config(settings: &PageSettings, search_enabled: bool) -> String {
    let dependency = Json::object([
        ("enabled", Json::raw(&settings.dependency_enabled)),
        ("lowErrorRate", rate(settings.low_error_rate)),
        ("highErrorRate", rate(settings.high_error_rate)),
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

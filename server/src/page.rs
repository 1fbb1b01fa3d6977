//! The page's paths: redirects to it, its files and its configuration, with Zipkin's caching, and
//! what browsers may let it do. What the files hold is the `ui` crate's, and so is where links lead
//! that were made for other pages.

use std::collections::HashMap;

use http::header::{CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method};
use speargun_ui::{UiFile, links};

use crate::front::reply::{self, Reply};
use crate::json::Json;
use crate::served::Served;
use crate::settings::PageSettings;

/// The page.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    index: Served,
    config: Served,
    /// By their paths below the page's.
    files: HashMap<&'static str, Served>,
    /// Where browsers find the page, with a slash at its end.
    base: String,
    jaeger_links: bool,
}

const JSON_UTF8: &str = "application/json; charset=utf-8";

impl Page {
    /// Returns the page with this configuration.
    pub(crate) fn new(settings: &PageSettings, search_enabled: bool) -> Self {
        let base = match settings.base_path.trim_end_matches('/') {
            "" => "<base href=\"/\" >".to_owned(),
            base => format!("<base href=\"{base}/\">"),
        };
        let config = config(settings, search_enabled);
        let named = format!(
            "<meta name=\"speargun-config\" content=\"{}\">",
            attribute(&config)
        );
        let index = speargun_ui::INDEX
            .replace(speargun_ui::BASE, &base)
            .replace(speargun_ui::CONFIG, &named);
        let index = Served::new("text/html; charset=utf-8", Some("max-age=60"), index);
        Self {
            index: with_policies(index, settings),
            config: Served::new(JSON_UTF8, Some("max-age=600"), config),
            files: speargun_ui::files().map(|f| (f.path, served(&f))).collect(),
            base: format!("{}/", settings.base_path.trim_end_matches('/')),
            jaeger_links: settings.jaeger_links,
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
            "/zipkin/"
            | "/zipkin/index.html"
            | "/zipkin/dependency"
            | "/zipkin/traceViewer"
            | "/zipkin/status" => self.index.answer(headers),
            _ if is_trace_page(path) => self.index.answer(headers),
            _ => self.file(path, head),
        })
    }

    /// Answers with the file below the page's path, or where an address of before leads.
    fn file(&self, path: &str, head: &http::request::Parts) -> Reply {
        let path = path.strip_prefix("/zipkin/").unwrap_or_default();
        if let Some(file) = self.files.get(path) {
            return file.answer(&head.headers);
        }
        let id = path.strip_prefix("trace/");
        let to = id.and_then(|id| links::of_trace(id, head.uri.query()));
        to.map_or_else(reply::not_found, |to| self.redirect(&to))
    }

    /// Answers a path of Jaeger's page, unless that is off.
    pub(crate) fn lead(&self, head: &http::request::Parts, path: &str) -> Option<Reply> {
        let is_asked = self.jaeger_links && head.method == Method::GET;
        let to = is_asked.then(|| links::of_jaeger(path, head.uri.query()));
        to.flatten().map(|to| self.redirect(&to))
    }

    fn redirect(&self, to: &str) -> Reply {
        reply::redirect(&format!("{}{to}", self.base), None)
    }
}

/// Returns a file as it is served: for a year, as Zipkin's are.
fn served(file: &UiFile) -> Served {
    let cache = if file.immutable {
        "max-age=31536000, immutable"
    } else {
        "max-age=31536000"
    };
    Served::new(file.content_type, Some(cache), file.bytes)
        .or_packed("br", file.brotli)
        .or_packed("gzip", file.gzip)
        .with_header(X_CONTENT_TYPE_OPTIONS, NO_SNIFF)
}

const NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// Says what the page may do: what it needs of this server, and nothing else.
fn with_policies(index: Served, settings: &PageSettings) -> Served {
    let archive = origin(&settings.archive_post_url).unwrap_or_default();
    let policy = format!(
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
         connect-src 'self' {archive}; worker-src 'self'; object-src 'none'; base-uri 'self'; \
         form-action 'self'; frame-ancestors {}",
        settings.frame_ancestors
    );
    let policy = policy.replace("'self' ;", "'self';");
    let headers: [(HeaderName, HeaderValue); 2] = [
        (X_CONTENT_TYPE_OPTIONS, NO_SNIFF),
        (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    ];
    let index = headers
        .into_iter()
        .fold(index, |index, (name, value)| index.with_header(name, value));
    match HeaderValue::from_str(&policy) {
        Ok(policy) => index.with_header(CONTENT_SECURITY_POLICY, policy),
        // Settings with anything else are refused at the start.
        Err(_) => index,
    }
}

/// Returns the scheme and the host of a URL.
fn origin(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    // Who asks is not said to everyone.
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b);
    let is_known = matches!(scheme, "http" | "https") && host.bytes().all(is_plain);
    (is_known && !host.is_empty())
        .then(|| url.get(..scheme.len() + 3 + host.len()))
        .flatten()
}

/// Returns a text as it stands between the quotes of an attribute.
fn attribute(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_origin_of_a_url_is_said() {
        assert_eq!(origin("https://a.b:8/c?d"), Some("https://a.b:8"));
        assert_eq!(origin("http://[::1]"), Some("http://[::1]"));
        for none in [
            "",
            "a",
            "ftp://a/",
            "https:///x",
            "https://u:p@a/",
            "https://a;b/",
        ] {
            assert_eq!(origin(none), None, "{none}");
        }
    }

    #[test]
    fn attributes_cannot_be_left() {
        assert_eq!(attribute("\"><&"), "&quot;&gt;&lt;&amp;");
    }
}

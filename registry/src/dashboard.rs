//! A page for people, made on the server: it works without scripts, asks no other host, and does
//! nothing without a question before it.
//!
//! # Layout
//!
//! - `html`: texts that can't become markup.
//! - `home`: applications, peers, self-preservation; `more`: the pages behind it.

mod home;
mod html;
mod more;

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderValue, StatusCode};

use crate::http::App;
use crate::http::path::Query;
use crate::http::reply::{self, Reply};
use html::Html;

const STYLE: &str = include_str!("dashboard/registry.css");
const SCRIPT: &str = include_str!("dashboard/registry.js");
/// Nothing from elsewhere, nothing inline, no frame around it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// Answers what is no operation: a page, a file of it, or nothing.
pub fn answer(app: &App, words: &[&str], head: &Parts) -> Reply {
    let query = Query::parse(head.uri.query().unwrap_or_default().as_bytes());
    let page = match words {
        [] => Some(home::page(app, &query)),
        ["lastn"] => Some(more::recent(app)),
        ["explain"] => Some(more::explain(app)),
        ["instance"] => more::instance(app, &query),
        ["confirm"] => more::confirm(app, &query),
        ["speargun", "registry.css"] => return file("text/css; charset=utf-8", STYLE),
        ["speargun", "registry.js"] => return file("text/javascript; charset=utf-8", SCRIPT),
        _ => None,
    };
    let Some(page) = page else {
        return reply::empty(StatusCode::NOT_FOUND);
    };
    let mut reply = reply::with_body(StatusCode::OK, "text/html; charset=utf-8", page);
    let headers = reply.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

fn file(kind: &'static str, text: &'static str) -> Reply {
    let mut reply = reply::with_body(StatusCode::OK, kind, text);
    let headers = reply.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

/// Sends a browser back to the page after something was done.
pub fn back() -> Reply {
    let mut reply = reply::empty(StatusCode::SEE_OTHER);
    reply
        .headers_mut()
        .insert(LOCATION, HeaderValue::from_static("/"));
    reply
}

/// Returns a whole page around its content. `is_live` says whether it follows changes.
fn whole(title: &str, is_live: bool, content: &Html) -> String {
    let mut page = Html::default();
    page.raw("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.raw("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    page.raw("<meta name=\"color-scheme\" content=\"light dark\"><title>");
    page.text(title);
    page.raw("</title><link rel=\"stylesheet\" href=\"/speargun/registry.css\">");
    page.raw("<link rel=\"icon\" href=\"data:,\">");
    if is_live {
        page.raw("<script src=\"/speargun/registry.js\" defer></script>");
    }
    page.raw("</head><body><header><a class=\"brand\" href=\"/\">Registry</a><nav>");
    for (href, name) in [
        ("/", "Applications"),
        ("/explain", "Self-preservation"),
        ("/lastn", "Recent changes"),
    ] {
        page.link(href, name);
    }
    page.raw("</nav><span id=\"live\" role=\"status\"></span></header><main id=\"main\">");
    page.append(content);
    page.raw("</main></body></html>");
    page.into_string()
}

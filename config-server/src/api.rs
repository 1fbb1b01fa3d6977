//! The HTTP face: Spring Cloud Config's paths, and beside them health, metrics, webhooks and a
//! page. It knows files only by way of [`crate::source`].
//!
//! # Layout
//!
//! - `route`: what a path asks for.
//! - [`serve`]: sockets, TLS, limits.
//! - [`auth`]: who may ask.
//! - `environment`, `plain`, `encrypt`, [`monitor`], `health`, `page`: the answers; `decrypt`:
//!   values within files.
//! - [`metrics`]: figures about them.
//! - `reply`: answers as bytes.
//! - `socket`: how long a client is waited for.

pub mod auth;
mod decrypt;
mod encrypt;
mod environment;
mod health;
pub mod metrics;
pub mod monitor;
mod page;
mod plain;
mod reply;
mod route;
pub mod serve;
mod socket;

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, StatusCode, header};

use crate::cipher::Cipher;
use crate::environment::assemble::Request;
use crate::refresh::Refresher;
use crate::source::sources::Sources;
use auth::Auth;
use metrics::Metrics;
use reply::Reply;
use route::{Health, Route};
use serve::{Body, Who};

/// What the answers depend on.
#[derive(Debug)]
pub struct Api {
    /// Where files come from.
    pub sources: Arc<Sources>,
    /// For `/encrypt` and `/decrypt`.
    pub cipher: Arc<Cipher>,
    /// Who may ask.
    pub auth: Auth,
    /// Whose webhooks are believed.
    pub webhooks: monitor::Webhooks,
    /// Tells applications to read again.
    pub refresher: Arc<Refresher>,
    /// A path in front of all others, without a slash at its end.
    pub prefix: String,
    /// Whether an environment without sources is an answer.
    pub accept_empty: bool,
    /// Whether encrypted values of files that are given as they are get decrypted.
    pub decrypts_files: bool,
    /// The environments without which the server is down.
    pub health: Vec<Request>,
    /// Figures.
    pub metrics: Metrics,
}

/// A request, its body read when it matters.
#[derive(Debug)]
pub(crate) struct Asked {
    method: Method,
    path: String,
    query: String,
    headers: http::HeaderMap,
    body: Bytes,
    /// Whose body it is.
    who: Who,
}

impl Asked {
    /// Returns a header's text; the empty one when there is none.
    fn header(&self, name: impl header::AsHeaderName) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }

    /// Returns the value of a parameter.
    fn parameter(&self, name: &str) -> Option<String> {
        let mut all = form_urlencoded::parse(self.query.as_bytes());
        all.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
    }

    /// Returns whether placeholders are to be resolved, in any of Spring's words; an error when it
    /// is none of them.
    fn resolves(&self) -> Result<bool, Box<Reply>> {
        let text = self.parameter("resolvePlaceholders").unwrap_or_default();
        match text.trim().to_ascii_lowercase().as_str() {
            "" | "true" | "on" | "yes" | "1" => Ok(true),
            "false" | "off" | "no" | "0" => Ok(false),
            _ => Err(Box::new(reply::error(self, StatusCode::BAD_REQUEST, None))),
        }
    }
}

impl Api {
    /// Answers a request. What is sent with it is read only when it matters, and only from those
    /// who may ask, so that nobody else takes its room.
    pub(crate) async fn answer<F>(&self, head: Parts, body: impl FnOnce(Who) -> F) -> Reply
    where
        F: Future<Output = Result<Body, StatusCode>>,
    {
        let mut asked = Asked {
            method: head.method,
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body: Bytes::new(),
            who: Who::Known,
        };
        let route = route::of(&asked, &self.prefix);
        let name = route.as_ref().map_or("none", Route::name);
        let reply = match route {
            Ok(route) if !self.may(&route, &asked) => reply::unauthorized(&asked),
            Ok(route) if route.reads_body() => self.with_body(route, &mut asked, body).await,
            Ok(route) => self.route(route, &asked).await,
            Err(StatusCode::METHOD_NOT_ALLOWED) => {
                reply::not_allowed(&asked, route::methods(&asked.path, &self.prefix))
            }
            Err(status) => reply::error(&asked, status, None),
        };
        self.metrics.answered(name, reply.status());
        if asked.method == Method::HEAD {
            reply::without_body(reply)
        } else {
            reply
        }
    }

    /// Answers a request of which the body matters, unless its head tells that it is in vain.
    async fn with_body<F>(
        &self,
        route: Route,
        asked: &mut Asked,
        body: impl FnOnce(Who) -> F,
    ) -> Reply
    where
        F: Future<Output = Result<Body, StatusCode>>,
    {
        if route == Route::Monitor {
            match self.sends(asked) {
                Ok(who) => asked.who = who,
                Err(refusal) => return *refusal,
            }
        }
        // It keeps its room until the answer is made.
        let body = match body(asked.who).await {
            Ok(body) => body,
            Err(status) => return reply::empty(status),
        };
        asked.body = body.bytes.clone();
        self.route(route, asked).await
    }

    /// Health is for probes, and webhooks prove themselves.
    fn may(&self, route: &Route, asked: &Asked) -> bool {
        match route {
            Route::Health(_) => true,
            Route::Monitor if self.webhooks.are_checked() => true,
            _ => self.auth.allows(asked.header(header::AUTHORIZATION)),
        }
    }

    /// Returns what of health somebody is told: addresses and errors are for those who may ask.
    fn told(&self, what: Health, asked: &Asked) -> Health {
        if what == Health::Details && !self.auth.allows(asked.header(header::AUTHORIZATION)) {
            return Health::Summary;
        }
        what
    }

    async fn route(&self, route: Route, asked: &Asked) -> Reply {
        match route {
            Route::Environment(request) => self.environment(asked, &request).await,
            Route::Merged(request, form) => self.merged(asked, &request, form).await,
            Route::Plain(request, path) => self.plain(asked, &request, &path).await,
            Route::Encrypt => self.encrypt(asked),
            Route::Decrypt => self.decrypt(asked),
            Route::EncryptStatus => self.encrypt_status(),
            Route::Key => self.key(),
            Route::Monitor => self.monitor(asked),
            Route::Health(what) => self.health(self.told(what, asked)).await,
            Route::Metrics => self.metrics(),
            Route::Page => self.page(asked).await,
            Route::PageAsset(name) => page::asset(asked, name),
        }
    }
}

//! One request, to the first registry that answers it in a way that counts. The one that did is
//! asked first the next time.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;

use super::EurekaSettings;
use super::applications::Index;
use crate::exposition::Exposition;
use crate::http::{BaseUrl, Wire, exchange, wire};

/// What to ask.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) method: Method,
    /// Below a registry's address.
    pub(super) path: String,
    /// JSON; may be empty.
    pub(super) body: Bytes,
}

/// Registries, one as good as the other.
#[derive(Debug)]
pub(super) struct Registries {
    urls: Vec<BaseUrl>,
    preferred: AtomicUsize,
    wire: Wire,
    within: Duration,
    bytes_max: usize,
    /// Whether none answered the last request, which is said once.
    silent: AtomicBool,
}

impl Registries {
    pub(super) fn new(settings: &EurekaSettings) -> Result<Self, String> {
        let urls = settings.service_urls.iter().map(|url| BaseUrl::parse(url));
        let urls: Vec<BaseUrl> = urls.collect::<Result<_, _>>()?;
        if urls.is_empty() {
            return Err("no registry is named".into());
        }
        Ok(Self {
            urls,
            preferred: AtomicUsize::new(0),
            wire: wire(settings.connect_timeout),
            within: settings.connect_timeout + settings.read_timeout,
            bytes_max: settings.answer_bytes_max,
            silent: AtomicBool::new(false),
        })
    }

    /// Asks one after the other until one gives an answer that counts.
    pub(super) async fn ask(
        &self,
        question: &Question,
        counts: impl Fn(StatusCode) -> bool,
    ) -> Option<Response<Bytes>> {
        let count = self.urls.len();
        let first = self.preferred.load(Ordering::Relaxed);
        for turn in 0..count {
            let index = (first + turn) % count;
            let Some(url) = self.urls.get(index) else {
                continue;
            };
            let why = match self.ask_one(url, question).await {
                Ok(answer) if counts(answer.status()) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    self.silent.store(false, Ordering::Relaxed);
                    return Some(answer);
                }
                Ok(answer) => format!("it answered {}", answer.status()),
                Err(why) => why,
            };
            if !self.silent.load(Ordering::Relaxed) {
                let method = &question.method;
                tracing::warn!(registry = ?url, %method, error = why, "registry did not take it");
            }
        }
        self.silent.store(true, Ordering::Relaxed);
        None
    }

    async fn ask_one(&self, url: &BaseUrl, question: &Question) -> Result<Response<Bytes>, String> {
        let mut request = Request::builder()
            .method(&question.method)
            .uri(format!("{}{}", url.url, question.path))
            .header(ACCEPT, "application/json")
            .header(ACCEPT_ENCODING, "gzip")
            // Not to be traced: these calls would be most of a small fleet's traces.
            .header(HeaderName::from_static("b3"), HeaderValue::from_static("0"));
        if !question.body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(authorization) = &url.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Full::new(question.body.clone()));
        let request = request.map_err(|error| error.to_string())?;
        exchange(&self.wire, request, self.within, self.bytes_max).await
    }
}

/// What became of the requests.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) registered: AtomicBool,
    /// Fetches that were answered.
    pub(super) fetches: AtomicU64,
    /// Of those the full ones.
    pub(super) full_fetches: AtomicU64,
    pub(super) fetches_failed: AtomicU64,
    pub(super) renewals: AtomicU64,
    pub(super) renewals_failed: AtomicU64,
    pub(super) registrations: AtomicU64,
}

impl Figures {
    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn write(&self, index: &Index, out: &mut Exposition) {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let registered = u64::from(self.registered.load(Ordering::Relaxed));
        for (name, kind, help, value) in [
            (
                "eureka_client_registered",
                "gauge",
                "Whether a registry knows this instance.",
                registered,
            ),
            (
                "eureka_client_instances",
                "gauge",
                "Instances that can be called.",
                index.instances() as u64,
            ),
            (
                "eureka_client_fetches_total",
                "counter",
                "Fetches that were answered.",
                of(&self.fetches),
            ),
            (
                "eureka_client_full_fetches_total",
                "counter",
                "Of those the full ones.",
                of(&self.full_fetches),
            ),
            (
                "eureka_client_fetches_failed_total",
                "counter",
                "Fetches without an answer.",
                of(&self.fetches_failed),
            ),
            (
                "eureka_client_registrations_total",
                "counter",
                "Registrations that were taken.",
                of(&self.registrations),
            ),
            (
                "eureka_client_renewals_total",
                "counter",
                "Renewals that were taken.",
                of(&self.renewals),
            ),
            (
                "eureka_client_renewals_failed_total",
                "counter",
                "Renewals without an answer.",
                of(&self.renewals_failed),
            ),
        ] {
            out.family(name, kind, help);
            out.sample(name, &[], value);
        }
    }
}

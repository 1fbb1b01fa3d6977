//! How a Spring Cloud Config server is asked: one address after the other, one label after the
//! other, and at the start a few times.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::Full;

use super::environment;
use super::settings::Source;
use crate::http::{BaseUrl, Wire, basic, escape, exchange, wire};

/// How to ask for settings. The defaults are those of Spring's client, but for the time an answer
/// may take, which is three minutes there.
#[derive(Clone)]
pub struct ServerSettings {
    /// Addresses such as `http://user:password@host:8888`, in the order of preference.
    pub uris: Vec<String>,
    /// The application's name.
    pub name: String,
    /// Profiles; the last is the strongest.
    pub profiles: Vec<String>,
    /// Branches, tags or commits; the first that exists counts. None is the server's default.
    pub labels: Vec<String>,
    /// Who asks, when the address does not say it. A password alone is that of `user`.
    pub username: Option<String>,
    /// The password to that.
    pub password: Option<String>,
    /// Sent as `X-Config-Token`.
    pub token: Option<String>,
    /// Whether to start without the server's part when it does not answer.
    pub optional: bool,
    /// How often it is asked at the start.
    pub attempts_max: u32,
    /// The wait after the first time.
    pub wait: Duration,
    /// By how much it grows.
    pub wait_factor: f64,
    /// No wait is longer.
    pub wait_max: Duration,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long an answer may take: the server may have to fetch a repository.
    pub read_timeout: Duration,
}

impl ServerSettings {
    /// Returns the defaults for an application, at `http://localhost:8888`.
    pub fn new(name: &str) -> Self {
        Self {
            uris: vec!["http://localhost:8888".into()],
            name: name.to_owned(),
            profiles: vec!["default".into()],
            labels: Vec::new(),
            username: None,
            password: None,
            token: None,
            optional: false,
            attempts_max: 6,
            wait: Duration::from_secs(1),
            wait_factor: 1.1,
            wait_max: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
        }
    }
}

impl std::fmt::Debug for ServerSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerSettings")
            .field("name", &self.name)
            .field("profiles", &self.profiles)
            .field("labels", &self.labels)
            .field("optional", &self.optional)
            .finish_non_exhaustive()
    }
}

/// Why there are no settings.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FetchError {
    /// What was asked for can't be asked.
    #[error("config server: {0}")]
    Settings(String),
    /// Nobody answered.
    #[error("could not locate the configuration of {name}: {why}")]
    NoAnswer {
        /// The application's name.
        name: String,
        /// What became of the last try.
        why: String,
    },
}

/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// Version 2 of the form, which tells where values stand.
const ACCEPTED: &str = "application/vnd.spring-cloud.config-server.v2+json";

/// Asks for settings.
#[derive(Debug)]
pub(super) struct Fetch {
    settings: ServerSettings,
    bases: Vec<BaseUrl>,
    authorization: Option<HeaderValue>,
    wire: Wire,
}

impl Fetch {
    pub(super) fn new(settings: ServerSettings) -> Result<Self, FetchError> {
        let bases = settings.uris.iter().map(|uri| BaseUrl::parse(uri));
        let bases: Vec<_> = bases
            .collect::<Result<_, _>>()
            .map_err(FetchError::Settings)?;
        if bases.is_empty() {
            return Err(FetchError::Settings("no server is named".into()));
        }
        let authorization = settings.password.as_ref().and_then(|password| {
            let user = settings.username.as_deref().unwrap_or("user");
            basic(user, password)
        });
        Ok(Self {
            wire: wire(settings.connect_timeout),
            settings,
            bases,
            authorization,
        })
    }

    /// Asks a few times, and goes on without when that is allowed.
    pub(super) async fn at_start(&self) -> Result<Vec<Source>, FetchError> {
        let mut wait = self.settings.wait;
        let mut attempt = 1;
        loop {
            let failure = match self.once().await {
                Ok(sources) => return Ok(sources),
                Err(failure) => failure,
            };
            if self.settings.optional {
                tracing::warn!(error = %failure, "starting without the config server");
                return Ok(Vec::new());
            }
            if attempt >= self.settings.attempts_max {
                return Err(failure);
            }
            tracing::warn!(error = %failure, attempt, "config server did not answer");
            tokio::time::sleep(wait).await;
            attempt += 1;
            wait = wait
                .mul_f64(self.settings.wait_factor.max(1.0))
                .min(self.settings.wait_max);
        }
    }

    /// Asks each server for each label, until one knows it.
    pub(super) async fn once(&self) -> Result<Vec<Source>, FetchError> {
        let mut why = Arc::<str>::from("no server is named");
        for base in &self.bases {
            match self.ask_for_labels(base).await {
                Ok(sources) => return Ok(sources),
                Err(failure) => why = failure.into(),
            }
        }
        Err(FetchError::NoAnswer {
            name: self.settings.name.clone(),
            why: why.to_string(),
        })
    }

    async fn ask_for_labels(&self, base: &BaseUrl) -> Result<Vec<Source>, String> {
        if self.settings.labels.is_empty() {
            let found = self.ask(base, None).await?;
            return found.ok_or_else(|| format!("{base:?} answered 404 Not Found"));
        }
        for label in &self.settings.labels {
            if let Some(found) = self.ask(base, Some(label)).await? {
                return Ok(found);
            }
        }
        Err(format!(
            "{base:?} knows none of the labels {:?}",
            self.settings.labels
        ))
    }

    /// Returns `None` when the label is not known.
    async fn ask(
        &self,
        base: &BaseUrl,
        label: Option<&str>,
    ) -> Result<Option<Vec<Source>>, String> {
        let request = self
            .request(base, label)
            .map_err(|error| error.to_string())?;
        let within = self.settings.connect_timeout + self.settings.read_timeout;
        let answer = exchange(&self.wire, request, within, ANSWER_BYTES_MAX).await;
        let answer = answer.map_err(|why| format!("{base:?} can't be asked: {why}"))?;
        match answer.status() {
            StatusCode::OK => {
                let read = environment::decode(answer.body()).map(Some);
                read.map_err(|why| format!("{base:?} answered what can't be read: {why}"))
            }
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(format!("{base:?} answered {status}")),
        }
    }

    fn request(&self, base: &BaseUrl, label: Option<&str>) -> http::Result<Request<Full<Bytes>>> {
        // Commas stay as they are, as in Spring's requests.
        let list = |list: &str| list.split(',').map(escape).collect::<Vec<_>>().join(",");
        let mut uri = format!("{}/{}", base.url, list(&self.settings.name));
        uri.push('/');
        uri.push_str(&list(&self.settings.profiles.join(",")));
        if let Some(label) = label {
            uri.push('/');
            // A slash can't stand in a path, so it has another form.
            let parts: Vec<String> = label.split('/').map(escape).collect();
            uri.push_str(&parts.join("(_)"));
        }
        let mut request = Request::builder()
            .uri(uri)
            .header(ACCEPT, ACCEPTED)
            .header(HeaderName::from_static("b3"), HeaderValue::from_static("0"));
        if let Some(authorization) = self.authorization.as_ref().or(base.authorization.as_ref()) {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some(token) = &self.settings.token {
            request = request.header(HeaderName::from_static("x-config-token"), token);
        }
        request.body(Full::new(Bytes::new()))
    }
}

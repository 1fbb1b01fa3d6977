//! How the steps of the table are done: imitated work, imitated stores, real calls. What a service
//! imitates besides, being slow and failing, is read from its settings at each request.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use speargun_client::config::{SettingError, Settings};
use speargun_client::trace::{current, scope};
use speargun_client::{App, AppError, CallError, Config, ServiceClient, Tracer};
use speargun_model::Kind;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::queue::Outbox;
use crate::shop::{Question, ShopCall, ShopService, Step};

/// The most that a setting can make a request slower.
const SLOW_MS_MAX: u32 = 60_000;

/// Why a request is not answered as it should be.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The settings want it to fail.
    Imitated,
    /// A setting can't be read.
    Setting(SettingError),
    /// Another service did not answer.
    Call(CallError),
    /// A message could not be sent, or something ended too early.
    Lost(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Imitated => f.write_str("failed, as demo.error-rate wants it"),
            Self::Setting(error) => write!(f, "{error}"),
            Self::Call(error) => write!(f, "{error}"),
            Self::Lost(what) => f.write_str(what),
        }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Imitated | Self::Setting(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Call(_) => StatusCode::BAD_GATEWAY,
            Self::Lost(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, self.to_string()).into_response()
    }
}

/// What the settings want a service to imitate.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Troubles {
    pub(crate) slow_ms: u32,
    pub(crate) error_rate: f64,
}

impl Troubles {
    /// Reads the settings of the moment.
    pub(crate) fn read(settings: &Settings) -> Result<Self, SettingError> {
        let rate = "demo.error-rate";
        let error_rate: f64 = settings.get_or(rate, 0.0)?;
        if !(0.0..=1.0).contains(&error_rate) {
            return Err(SettingError {
                name: rate.to_owned(),
                why: "not from 0 to 1".to_owned(),
            });
        }
        Ok(Self {
            slow_ms: settings.get_or("demo.slow-ms", 0)?.min(SLOW_MS_MAX),
            error_rate,
        })
    }

    /// Is slow, or fails, within the current request.
    pub(crate) async fn imitate(self, tracer: &Tracer) -> Result<(), Trouble> {
        if self.slow_ms > 0 {
            let mut span = tracer.start("be slow");
            span.tag("demo.slow-ms", &self.slow_ms.to_string());
            sleep(Duration::from_millis(self.slow_ms.into())).await;
        }
        if fastrand::f64() < self.error_rate {
            return Err(Trouble::Imitated);
        }
        Ok(())
    }
}

/// A service of the shop that does its steps.
#[derive(Debug)]
pub(crate) struct Doer {
    config: Config,
    tracer: Tracer,
    clients: BTreeMap<&'static str, ServiceClient>,
    outbox: Outbox,
}

impl Doer {
    /// Returns one with a client for each service that its steps call.
    pub(crate) fn new(app: &App, service: &ShopService) -> Result<Self, AppError> {
        let mut clients = BTreeMap::new();
        for name in service.called() {
            clients.insert(name, app.service(name)?);
        }
        Ok(Self {
            config: app.config().clone(),
            tracer: app.tracer().clone(),
            clients,
            outbox: Outbox::new(app, service.sent_to())?,
        })
    }

    /// Returns what begins its spans.
    pub(crate) fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// Does all of an operation, troubles included, within the current request.
    pub(crate) async fn serve(
        self: &Arc<Self>,
        steps: &'static [Step],
        book: &str,
    ) -> Result<(), Trouble> {
        let troubles = Troubles::read(&self.config.settings()).map_err(Trouble::Setting)?;
        troubles.imitate(&self.tracer).await?;
        self.work(steps, book).await
    }

    /// Does one after the other. Steps hold steps, so it is boxed.
    fn work<'a>(
        self: &'a Arc<Self>,
        steps: &'static [Step],
        book: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<(), Trouble>> + Send + 'a>> {
        Box::pin(self.work_in_turn(steps, book))
    }

    async fn work_in_turn(
        self: &Arc<Self>,
        steps: &'static [Step],
        book: &str,
    ) -> Result<(), Trouble> {
        for step in steps {
            match step {
                Step::Work { ms } => spend(*ms).await,
                Step::Ask(question) => self.ask(question).await,
                Step::Call(call) => self.call(call, book).await?,
                Step::Together(steps) => self.together(steps, book).await?,
                Step::Send { to } => self
                    .outbox
                    .send(&self.tracer, to, book)
                    .await
                    .map_err(|error| Trouble::Lost(format!("{error:#}")))?,
            }
        }
        Ok(())
    }

    async fn ask(&self, question: &Question) {
        let mut span = self.tracer.start(question.name);
        span.kind(Kind::Client);
        span.remote_service(question.store);
        let key = match question.store {
            "redis" => "redis.command",
            _ => "sql.query",
        };
        span.tag(key, question.text);
        spend(question.ms).await;
    }

    async fn call(&self, call: &ShopCall, book: &str) -> Result<(), Trouble> {
        let Some(client) = self.clients.get(call.service) else {
            return Err(Trouble::Lost(format!("no client of {}", call.service)));
        };
        let request = client.call(call.verb.method(), call.path);
        let request = request.path("book", book);
        if call.spare {
            request.text_or(|_| String::new()).await;
            return Ok(());
        }
        request.text().await.map(drop).map_err(Trouble::Call)
    }

    /// Tasks of their own, which do not inherit the request: they are given it.
    async fn together(self: &Arc<Self>, steps: &'static [Step], book: &str) -> Result<(), Trouble> {
        let context = current();
        let mut tasks = JoinSet::new();
        for step in steps {
            let (this, book, context) = (Arc::clone(self), book.to_owned(), context.clone());
            tasks.spawn(async move {
                let work = this.work(std::slice::from_ref(step), &book);
                match context {
                    Some(context) => scope(context, work).await,
                    None => work.await,
                }
            });
        }
        let mut outcome = Ok(());
        while let Some(done) = tasks.join_next().await {
            let done = done
                .context("a step")
                .map_err(|error| Trouble::Lost(format!("{error:#}")));
            outcome = outcome.and(done.and_then(|done| done));
        }
        outcome
    }
}

/// Lets time pass, now more, now less.
async fn spend(ms: u32) {
    let share = 0.7 + 0.6 * fastrand::f64();
    sleep(Duration::from_millis(u64::from(ms)).mul_f64(share)).await;
}

#[cfg(test)]
mod tests {
    use speargun_client::Reporter;
    use speargun_client::config::{LocalSources, Settings};
    use speargun_client::trace::TracerSettings;
    use tokio::time::Instant;

    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let pairs = pairs.iter().copied();
        LocalSources::default().defaults(pairs).settings()
    }

    #[test]
    fn troubles_are_read_with_bounds() {
        let read = |pairs: &[(&str, &str)]| Troubles::read(&settings(pairs));
        let troubles = read(&[("demo.slow-ms", "99999999"), ("demo.error-rate", "0.5")]).unwrap();
        assert_eq!((troubles.slow_ms, troubles.error_rate), (60_000, 0.5));
        assert_eq!(read(&[]).unwrap().slow_ms, 0);
        for wrong in ["2", "-1", "NaN", "x"] {
            let error = read(&[("demo.error-rate", wrong)]).unwrap_err();
            assert_eq!(error.name, "demo.error-rate");
        }
    }

    #[tokio::test]
    async fn who_is_slow_is_so_for_as_long_as_was_set() {
        let tracer = Tracer::new(TracerSettings::new("price"), Reporter::none());
        let slow = Troubles {
            slow_ms: 50,
            error_rate: 0.0,
        };
        let mut requests = JoinSet::new();
        for _ in 0..20 {
            let tracer = tracer.clone();
            requests.spawn(async move {
                let begun = Instant::now();
                slow.imitate(&tracer).await.unwrap();
                begun.elapsed()
            });
        }
        for took in requests.join_all().await {
            assert!(took >= Duration::from_millis(50), "{took:?}");
        }
    }
}

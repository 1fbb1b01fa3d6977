//! Visitors: so many visits a second begin, however long the last ones take, up to a bound of those
//! that go on. How many is a setting, read anew again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use speargun_client::config::{SettingError, Settings};
use speargun_client::trace::scope;
use speargun_client::{App, AppError, CallError, Config, ServiceClient, Tracer};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::shop::Verb;

/// Visits that go on at a time; one that would be more is skipped and counted.
const GOING_ON_MAX: usize = 64;
/// Visits a second that a setting can ask for.
pub(crate) const RATE_MAX: f64 = 1000.0;
/// How often the setting is read when there are no visits.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Books in the shop.
const BOOKS: u32 = 1000;

/// What visitors do; each entry is as likely as another.
static VISITS: [Visit; 4] = [
    Visit {
        name: "browse",
        service: "storefront",
        verb: Verb::Get,
        path: "/browse/{book}",
    },
    Visit {
        name: "browse",
        service: "storefront",
        verb: Verb::Get,
        path: "/browse/{book}",
    },
    Visit {
        name: "buy",
        service: "storefront",
        verb: Verb::Post,
        path: "/buy/{book}",
    },
    Visit {
        name: "say hi",
        service: "service-2",
        verb: Verb::Get,
        path: "/hi/{book}",
    },
];

#[derive(Debug)]
struct Visit {
    name: &'static str,
    service: &'static str,
    verb: Verb,
    path: &'static str,
}

/// Those who visit.
#[derive(Debug)]
pub(crate) struct Visitors {
    config: Config,
    tracer: Tracer,
    storefront: ServiceClient,
    service_2: ServiceClient,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicU64,
    well: AtomicU64,
    failed: AtomicU64,
    skipped: AtomicU64,
}

impl Visitors {
    /// Returns visitors that have not begun.
    pub(crate) fn new(app: &App) -> Result<Arc<Self>, AppError> {
        // Visitors know nothing of circuits: they come again and again.
        let client = |name| {
            app.service_with(name, |builder| {
                builder.change(|settings| settings.breaker = None)
            })
        };
        Ok(Arc::new(Self {
            config: app.config().clone(),
            tracer: app.tracer().clone(),
            storefront: client("storefront")?,
            service_2: client("service-2")?,
            counts: Counts::default(),
        }))
    }

    /// Returns the route on which their figures are told.
    pub(crate) fn router(self: &Arc<Self>) -> Router {
        let figures = |State(visitors): State<Arc<Self>>| async move { visitors.figures() };
        Router::new()
            .route("/actuator/visits", get(figures))
            .with_state(Arc::clone(self))
    }

    fn figures(&self) -> Json<Value> {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Json(json!({
            "begun": count(&self.counts.begun),
            "well": count(&self.counts.well),
            "failed": count(&self.counts.failed),
            "skipped": count(&self.counts.skipped),
        }))
    }

    /// Visits for ever.
    pub(crate) async fn visit(self: Arc<Self>) {
        let mut going_on = JoinSet::new();
        let mut next = Instant::now();
        loop {
            let rate = rate(&self.config.settings()).unwrap_or_else(|error| {
                tracing::warn!(%error, "no visits");
                0.0
            });
            while going_on.try_join_next().is_some() {}
            if rate <= 0.0 {
                sleep(LOOK_EVERY).await;
                next = Instant::now();
                continue;
            }
            if going_on.len() < GOING_ON_MAX {
                going_on.spawn(Arc::clone(&self).once());
            } else {
                count(&self.counts.skipped);
            }
            // A long wait does not outlast a change of the setting by much.
            next += Duration::from_secs_f64((1.0 / rate).min(5.0));
            sleep_until(next).await;
        }
    }

    async fn once(self: Arc<Self>) {
        count(&self.counts.begun);
        let Some(visit) = fastrand::choice(&VISITS) else {
            return;
        };
        let mut span = self.tracer.start_within(None);
        span.name(visit.name);
        let done = scope(span.context().clone(), self.call(visit)).await;
        match done {
            Ok(()) => count(&self.counts.well),
            Err(error) => {
                count(&self.counts.failed);
                span.error(&error.to_string());
            }
        }
    }

    async fn call(&self, visit: &Visit) -> Result<(), CallError> {
        let client = match visit.service {
            "storefront" => &self.storefront,
            _ => &self.service_2,
        };
        let book = fastrand::u32(1..=BOOKS);
        let call = client.call(visit.verb.method(), visit.path);
        call.path("book", book).text().await.map(drop)
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Returns how many visits a second the settings ask for.
fn rate(settings: &Settings) -> Result<f64, SettingError> {
    let name = "demo.rate";
    let rate: f64 = settings.get_or(name, 0.0)?;
    if (0.0..=RATE_MAX).contains(&rate) {
        return Ok(rate);
    }
    Err(SettingError {
        name: name.to_owned(),
        why: format!("not from 0 to {RATE_MAX}"),
    })
}

#[cfg(test)]
mod tests {
    use speargun_client::config::LocalSources;

    use super::*;
    use crate::shop;

    #[test]
    fn visits_go_where_somebody_answers() {
        let to_shop = VISITS.iter().filter(|visit| visit.service != "service-2");
        for visit in to_shop {
            let service = shop::find(visit.service).unwrap();
            let answers = |o: &shop::Operation| o.verb == visit.verb && o.path == visit.path;
            assert!(service.operations.iter().any(answers), "{visit:?}");
        }
    }

    #[test]
    fn a_rate_is_bounded() {
        let read = |text: &str| {
            let local = LocalSources::default().defaults([("demo.rate", text)]);
            rate(&local.settings()).ok()
        };
        assert_eq!(read("2.5"), Some(2.5));
        assert_eq!(read("0"), Some(0.0));
        for wrong in ["-1", "1001", "NaN", "inf", "many"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}

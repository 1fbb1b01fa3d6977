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
use tokio::time::{Instant, sleep_until};

use crate::shop::Verb;

/// Visits that go on at a time; one that would be more is skipped and counted.
const GOING_ON_MAX: usize = 64;
/// Visits a second that a setting can ask for.
pub(crate) const RATE_MAX: f64 = 1000.0;
/// How often the setting is read when visits are rarer.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// No visits are further apart, lest a tiny rate means more than a clock can tell.
const APART_MAX: Duration = Duration::from_hours(24);
/// Books in the shop.
const BOOKS: u32 = 1000;

/// What visitors do; each entry is as likely as another.
static VISITS: [Visit; 4] = [
    Visit {
        name: "browse",
        entrance: Entrance::Storefront,
        verb: Verb::Get,
        path: "/browse/{book}",
    },
    Visit {
        name: "browse",
        entrance: Entrance::Storefront,
        verb: Verb::Get,
        path: "/browse/{book}",
    },
    Visit {
        name: "buy",
        entrance: Entrance::Storefront,
        verb: Verb::Post,
        path: "/buy/{book}",
    },
    Visit {
        name: "say hi",
        entrance: Entrance::Service2,
        verb: Verb::Get,
        path: "/hi/{book}",
    },
];

#[derive(Debug)]
struct Visit {
    name: &'static str,
    entrance: Entrance,
    verb: Verb,
    path: &'static str,
}

/// Where visitors come in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Entrance {
    Storefront,
    Service2,
}

impl Entrance {
    /// Returns the name of the service.
    fn name(self) -> &'static str {
        match self {
            Self::Storefront => "storefront",
            Self::Service2 => "service-2",
        }
    }
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
        let client = |entrance: Entrance| {
            app.service_with(entrance.name(), |builder| {
                builder.change(|settings| settings.breaker = None)
            })
        };
        Ok(Arc::new(Self {
            config: app.config().clone(),
            tracer: app.tracer().clone(),
            storefront: client(Entrance::Storefront)?,
            service_2: client(Entrance::Service2)?,
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
        let mut pace = Pace::default();
        let mut wrong = None;
        loop {
            while going_on.try_join_next().is_some() {}
            let now = Instant::now();
            let due = pace.due(self.rate(&mut wrong), now);
            let look = now + LOOK_EVERY;
            match due {
                Some(due) if due <= now => {
                    pace.begin(due);
                    self.begin(&mut going_on);
                    // Others get their turn, however late visits are.
                    tokio::task::yield_now().await;
                }
                // A long wait does not outlast a change of the setting by much.
                _ => sleep_until(due.map_or(look, |due| due.min(look))).await,
            }
        }
    }

    fn begin(self: &Arc<Self>, going_on: &mut JoinSet<()>) {
        if going_on.len() < GOING_ON_MAX {
            going_on.spawn(Arc::clone(self).once());
        } else {
            count(&self.counts.skipped);
        }
    }

    /// Returns how many visits a second there should be: none when that can't be read, which is
    /// said once for each mistake.
    fn rate(&self, wrong: &mut Option<String>) -> f64 {
        let error = match rate(&self.config.settings()) {
            Ok(rate) => {
                *wrong = None;
                return rate;
            }
            Err(error) => error.to_string(),
        };
        if wrong.as_ref() != Some(&error) {
            tracing::warn!(error, "no visits");
            *wrong = Some(error);
        }
        0.0
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
        let client = match visit.entrance {
            Entrance::Storefront => &self.storefront,
            Entrance::Service2 => &self.service_2,
        };
        let book = fastrand::u32(1..=BOOKS);
        let call = client.call(visit.verb.method(), visit.path);
        call.path("book", book).text().await.map(drop)
    }
}

/// When visits are due, at a rate that may change.
#[derive(Debug, Default)]
struct Pace {
    /// How far visits are apart; `None` is that there are none.
    apart: Option<Duration>,
    /// When the last one was due.
    last: Option<Instant>,
}

impl Pace {
    /// Returns when the next visit is due at so many a second; `None` is never.
    fn due(&mut self, rate: f64, now: Instant) -> Option<Instant> {
        let apart_s = (1.0 / rate).min(APART_MAX.as_secs_f64());
        let apart = (rate > 0.0).then(|| Duration::from_secs_f64(apart_s));
        let changed = apart != self.apart;
        self.apart = apart;
        let Some((apart, last)) = apart.zip(self.last) else {
            return apart.map(|_| now);
        };
        let due = last + apart;
        // What was not due at the old rate is not caught up with.
        if changed && due < now {
            self.last = now.checked_sub(apart);
            return Some(now);
        }
        Some(due)
    }

    /// Notes that the visit that was due then begins.
    fn begin(&mut self, due: Instant) {
        self.last = Some(due);
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
        let to_shop = |visit: &&Visit| visit.entrance == Entrance::Storefront;
        for visit in VISITS.iter().filter(to_shop) {
            let service = shop::find(visit.entrance.name()).unwrap();
            let answers = |o: &shop::Operation| o.verb == visit.verb && o.path == visit.path;
            assert!(service.operations.iter().any(answers), "{visit:?}");
        }
    }

    #[test]
    fn visits_are_as_far_apart_as_the_rate_says() {
        let mut pace = Pace::default();
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        assert_eq!(pace.due(0.0, start), None);
        // The first does not wait, the next does, however often one looks.
        assert_eq!(pace.due(0.0625, at(1)), Some(at(1)));
        pace.begin(at(1));
        for second in 1..17 {
            assert_eq!(pace.due(0.0625, at(second)), Some(at(17)));
        }
        // Begun late, it does not put off the one after it.
        pace.begin(at(17));
        assert_eq!(pace.due(0.0625, at(20)), Some(at(33)));
    }

    #[test]
    fn another_rate_holds_at_once_and_nothing_is_caught_up_with() {
        let mut pace = Pace::default();
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        pace.due(1e-300, start);
        pace.begin(start);
        assert_eq!(pace.due(1e-300, at(1)), Some(start + APART_MAX));
        assert_eq!(pace.due(0.25, at(2)), Some(at(4)));
        assert_eq!(pace.due(1.0, at(3)), Some(at(3)));
        pace.begin(at(3));
        assert_eq!(pace.due(1.0, at(3)), Some(at(4)));
        assert_eq!(pace.due(0.0, at(50)), None);
        assert_eq!(pace.due(1.0, at(60)), Some(at(60)));
        pace.begin(at(60));
        assert_eq!(pace.due(1.0, at(60)), Some(at(61)));
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

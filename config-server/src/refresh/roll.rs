//! Asking instances to read again: several applications at once, and of each a few instances at a
//! time. Whether one is asked another time is decided here, when is not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::StatusCode;

use super::owed::Key;
use super::registry::{self, Instance};
use super::{Refresher, Report, outcome, reasons};

/// Applications that are refreshed at a time.
const APPLICATIONS_AT_ONCE: usize = 4;
/// Bytes of an instance's answer that are looked at.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Whether instances are told of something new, or again of what they could not be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Turn {
    First,
    Again,
}

/// Why an instance did not do what it was told.
#[derive(Debug)]
struct Failure {
    why: String,
    /// Whether it may do so another time. Not when it took its time: it may be at it, and would be
    /// out of the registry again each time it is asked.
    may_pass: bool,
}

impl Failure {
    fn lasting(why: String) -> Self {
        let may_pass = false;
        Self { why, may_pass }
    }

    fn of_request(error: &reqwest::Error) -> Self {
        Self {
            why: reasons(error),
            may_pass: error.is_connect() || !error.is_timeout(),
        }
    }

    fn of_status(status: StatusCode) -> Self {
        let is_busy = matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
        );
        Self {
            why: format!("it answered {status}"),
            may_pass: is_busy || status.is_server_error(),
        }
    }
}

impl Refresher {
    /// Asks all applications at once, and of each a few instances at a time.
    pub(super) async fn roll(
        self: &Arc<Self>,
        applications: BTreeMap<String, Vec<Instance>>,
        turn: Turn,
    ) {
        let mut rolls = tokio::task::JoinSet::new();
        for (application, instances) in applications {
            while rolls.len() >= APPLICATIONS_AT_ONCE {
                let _ended = rolls.join_next().await;
            }
            let this = Arc::clone(self);
            rolls.spawn(async move {
                for group in instances.chunks(this.config.at_once.max(1)) {
                    let mut asked = tokio::task::JoinSet::new();
                    for instance in group {
                        let (this, instance) = (Arc::clone(&this), instance.clone());
                        let application = application.clone();
                        asked.spawn(async move { this.refresh(application, instance, turn).await });
                    }
                    while asked.join_next().await.is_some() {}
                    tokio::time::sleep(this.config.pause).await;
                }
            });
        }
        while rolls.join_next().await.is_some() {}
    }

    async fn refresh(&self, application: String, instance: Instance, turn: Turn) {
        let (at, started) = (SystemTime::now(), Instant::now());
        let outcome = self.ask(&instance).await;
        let took_ms = started.elapsed().as_millis() as u64;
        let key = (application, instance.id);
        let counter = match &outcome {
            Ok(_) => &self.outcomes.done,
            Err(_) => &self.outcomes.failed,
        };
        let is_news = match &outcome {
            Ok(keys) => {
                self.owed.lock().remove(&key);
                let (application, instance) = (&key.0, &key.1);
                tracing::info!(application, instance, ?keys, took_ms, "refreshed");
                true
            }
            Err(failure) => {
                let is_news = self.owe(&key, failure, turn);
                if is_news {
                    let (application, instance, error) = (&key.0, &key.1, &failure.why);
                    tracing::warn!(application, instance, error, "not refreshed");
                }
                is_news
            }
        };
        if is_news {
            let (application, instance) = key;
            self.outcomes.report(Report {
                application,
                instance,
                at,
                took_ms,
                outcome: outcome.map_err(|failure| failure.why),
            });
        }
        // Last: who sees the count finds the report.
        outcome::add(counter, 1);
    }

    /// Keeps in mind that an instance is to be asked again, when that may help; returns whether the
    /// failure is another one than before.
    fn owe(&self, key: &Key, failure: &Failure, turn: Turn) -> bool {
        let mut owed = self.owed.lock();
        if !failure.may_pass {
            owed.remove(key);
            return true;
        }
        if turn == Turn::Again {
            return owed.again(key, &failure.why);
        }
        if !owed.add(key.clone(), &failure.why, Instant::now()) {
            outcome::add(&self.outcomes.given_up, 1);
        }
        true
    }

    async fn ask(&self, instance: &Instance) -> Result<Vec<String>, Failure> {
        let mut request = self.client.post(&instance.refresh_url);
        if let Some((user, password)) = &self.config.credentials {
            request = request.basic_auth(user, Some(password));
        }
        let answer = request.send().await;
        let answer = answer.map_err(|error| Failure::of_request(&error))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(Failure::of_status(status));
        }
        // It did what it was told, whatever becomes of the answer.
        let body = registry::capped(answer, ANSWER_BYTES_MAX).await;
        let body = body.map_err(Failure::lasting)?;
        Ok(serde_json::from_slice(&body).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_time_will_mend_is_not_tried_again() {
        for (status, may_pass) in [(404, false), (401, false), (302, false), (429, true)] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(Failure::of_status(status).may_pass, may_pass, "{status}");
        }
        assert!(Failure::of_status(StatusCode::SERVICE_UNAVAILABLE).may_pass);
        assert!(!Failure::lasting(String::new()).may_pass);
    }
}

//! Knowing the others: everything at first, then what changed, and everything again when what is
//! known cannot be right.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::applications::Applications;
use super::decode::{self, Answer};
use super::registries::{Figures, Question, Registries};
use super::{EurekaSettings, Known};

#[derive(Debug)]
pub(super) struct Fetcher {
    registries: Arc<Registries>,
    known: Arc<Known>,
    applications: Applications,
    interval: Duration,
    prefer_ip: bool,
}

impl Fetcher {
    pub(super) fn new(
        settings: &EurekaSettings,
        registries: Arc<Registries>,
        known: Arc<Known>,
    ) -> Self {
        Self {
            registries,
            known,
            applications: Applications::default(),
            interval: settings.fetch_interval,
            prefer_ip: settings.prefer_ip_address,
        }
    }

    /// Fetches, now and then and when asked. Each time that is done, the count grows.
    pub(super) async fn run(mut self, again: Arc<Notify>, done: watch::Sender<u64>) {
        loop {
            let counter = if self.fetch().await {
                &self.known.figures.fetches
            } else {
                &self.known.figures.fetches_failed
            };
            Figures::count(counter);
            done.send_modify(|count| *count += 1);
            let _asked = timeout(self.interval, again.notified()).await;
        }
    }

    /// Returns whether a registry answered.
    async fn fetch(&mut self) -> bool {
        if !self.applications.is_empty()
            && let Some(changes) = self.ask("/apps/delta").await
        {
            let hash = changes.hash.clone();
            self.applications.apply(changes);
            if self.applications.hash() == hash {
                self.publish();
                return true;
            }
            // Something was missed: changes are kept for three minutes, or the registry is another.
        }
        let Some(all) = self.ask("/apps/").await else {
            return false;
        };
        Figures::count(&self.known.figures.full_fetches);
        self.applications.replace(all);
        self.publish();
        true
    }

    async fn ask(&self, path: &str) -> Option<Answer> {
        let question = Question {
            method: Method::GET,
            path: path.to_owned(),
            body: Bytes::new(),
        };
        let answer = self.registries.ask(&question, |status| {
            // A registry that gives no changes says 403 or 404: it is asked for all.
            status == StatusCode::OK
                || path == "/apps/delta"
                    && matches!(status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND)
        });
        let answer = answer
            .await
            .filter(|answer| answer.status() == StatusCode::OK)?;
        match decode::decode(answer.body()) {
            Ok(answer) => Some(answer),
            Err(error) => {
                tracing::warn!(path, error, "registry answered what can't be read");
                None
            }
        }
    }

    fn publish(&self) {
        let before = self.known.index.load();
        let index = self.applications.index(&before, self.prefer_ip);
        self.known.index.store(Arc::new(index));
    }
}

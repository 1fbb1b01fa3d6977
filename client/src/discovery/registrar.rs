//! Being registered: with the first status that is set, renewed from then on, again when the
//! registry forgot or is another one, and gone at the end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::Known;
use super::instance::{OwnInstance, Status};
use super::registries::{Figures, Question, Registries};
use crate::clock::{Clock, SystemClock};

/// What the registrar is told to do, and whom to tell when it is done.
#[derive(Debug)]
pub(super) enum Order {
    Status(Status, oneshot::Sender<()>),
    Leave(oneshot::Sender<()>),
}

/// A registration that failed is tried again sooner than it would be renewed.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Registrar {
    own: OwnInstance,
    lease: (Duration, Duration),
    registries: Arc<Registries>,
    known: Arc<Known>,
    clock: Arc<dyn Clock>,
    /// `None` before somebody said how we are.
    status: Option<Status>,
    /// When what is registered changed, by which registries know which is newer.
    dirty_ms: u64,
}

/// Takes orders where nobody is to be registered.
pub(super) async fn none(mut orders: mpsc::Receiver<Order>) {
    while let Some(order) = orders.recv().await {
        match order {
            Order::Status(_, done) => drop(done),
            Order::Leave(_) => return,
        }
    }
}

impl Registrar {
    pub(super) fn new(
        own: OwnInstance,
        lease: (Duration, Duration),
        registries: Arc<Registries>,
        known: Arc<Known>,
    ) -> Self {
        Self {
            own,
            lease,
            registries,
            known,
            clock: Arc::new(SystemClock::default()),
            status: None,
            dirty_ms: 0,
        }
    }

    pub(super) fn at(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Does as it is told, and renews in between, until it is told to leave.
    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut due = None;
        loop {
            let order = tokio::select! {
                order = orders.recv() => order,
                () = wait(due) => {
                    self.keep().await;
                    due = Some(self.next());
                    continue;
                }
            };
            match order {
                Some(Order::Status(status, done)) => {
                    // Who says the same again must not put the next renewal off.
                    if self.status != Some(status) {
                        self.status = Some(status);
                        self.touch();
                        self.register().await;
                        due = Some(self.next());
                    }
                    // Who ordered may be gone.
                    let _heard = done.send(());
                }
                Some(Order::Leave(done)) => {
                    self.leave().await;
                    let _heard = done.send(());
                    return;
                }
                // The handle is gone without leaving: the registration runs out by itself.
                None => return,
            }
        }
    }

    fn is_registered(&self) -> bool {
        self.known.figures.registered.load(Ordering::Relaxed)
    }

    fn next(&self) -> Instant {
        let wait = if self.is_registered() {
            self.lease.0
        } else {
            self.lease.0.min(AGAIN_AFTER)
        };
        Instant::now() + wait
    }

    /// Notes a change; later ones are newer even within a millisecond.
    fn touch(&mut self) {
        self.dirty_ms = (self.clock.epoch_us() / 1000).max(self.dirty_ms + 1);
    }

    async fn keep(&mut self) {
        if self.is_registered() {
            self.renew().await;
        } else {
            self.register().await;
        }
    }

    async fn register(&mut self) {
        let Some(status) = self.status else { return };
        let body = self.own.describe(status, self.dirty_ms, self.lease);
        let question = Question {
            method: Method::POST,
            path: format!("/apps/{}", crate::http::escape(&self.own.key())),
            body: body.to_string().into(),
        };
        let taken = self
            .registries
            .ask(&question, |status| status.is_success())
            .await;
        let figures = &self.known.figures;
        figures.registered.store(taken.is_some(), Ordering::Relaxed);
        if taken.is_some() {
            Figures::count(&figures.registrations);
            tracing::info!(status = status.name(), "registered at eureka");
        }
    }

    async fn renew(&mut self) {
        let Some(status) = self.status else { return };
        let question = Question {
            method: Method::PUT,
            path: format!(
                "{}?status={}&lastDirtyTimestamp={}",
                self.own.path(),
                status.name(),
                self.dirty_ms
            ),
            body: Bytes::new(),
        };
        // Any other answer is as good as none, as Spring's clients see it.
        let counts = |status| matches!(status, StatusCode::OK | StatusCode::NOT_FOUND);
        let answer = self.registries.ask(&question, counts).await;
        match answer.map(|answer| answer.status()) {
            Some(StatusCode::NOT_FOUND) => {
                tracing::info!("eureka forgot the registration");
                self.touch();
                self.register().await;
            }
            Some(_) => Figures::count(&self.known.figures.renewals),
            // It is still known there for a while.
            None => Figures::count(&self.known.figures.renewals_failed),
        }
    }

    async fn leave(&mut self) {
        if self.status.is_none() {
            return;
        }
        if self.is_registered() && self.status != Some(Status::Down) {
            self.status = Some(Status::Down);
            self.touch();
            self.register().await;
        }
        let question = Question {
            method: Method::DELETE,
            path: self.own.path(),
            body: Bytes::new(),
        };
        // Whatever the answer, it is not there any more or never was.
        if self.registries.ask(&question, |_| true).await.is_some() {
            tracing::info!("left eureka");
        }
        self.known
            .figures
            .registered
            .store(false, Ordering::Relaxed);
    }
}

/// Waits until then, or for ever.
async fn wait(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

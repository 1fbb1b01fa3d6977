//! Tells one peer what changed, in Eureka's batches, and does what its answers ask for: registers
//! what it does not know, takes over what it knows better. After a break it reads everything.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use rustls::ClientConfig;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::line::{Line, LineError};
use super::outbox::Waiting;
use super::{Peer, State, sync};
use crate::book::Known;
use crate::codec::batch::{self, Item, Response, Verb};
use crate::desk::{Desk, told};
use crate::model::Status;
use crate::time::Time;

/// As many as Eureka's servers put into one batch.
const BATCH_ITEMS_MAX: usize = 250;
/// Changes that come close together go together.
const LINGER: Duration = Duration::from_millis(50);
/// A peer that is not told anything is asked whether it is there.
const PROBE_EVERY: Duration = Duration::from_secs(2);
/// A peer that failed is tried again after so long.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long the last changes are told when this registry ends.
const FAREWELL_WITHIN: Duration = Duration::from_secs(2);

/// What couriers work with.
#[derive(Debug)]
pub struct Deps {
    /// Where answers are taken to.
    pub desk: Arc<Desk>,
    /// The clocks.
    pub time: Arc<dyn Time>,
    /// Whose certificates are believed.
    pub tls: Arc<ClientConfig>,
    /// Which registry this is.
    pub node: String,
}

/// Why a peer was not told.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// There was no answer.
    #[error(transparent)]
    Line(#[from] LineError),
    /// It is there and cannot take it now.
    #[error("it answers {0}")]
    Busy(u16),
    /// It refuses what it is told.
    #[error("it answers {0}")]
    Refused(u16),
    /// Its answer is no answer to what it was told.
    #[error("its answer does not fit the question")]
    Odd,
}

/// Tells a peer until it is stopped.
pub async fn run(peer: Arc<Peer>, deps: Arc<Deps>, mut stops: watch::Receiver<bool>) {
    let line = Line::new(peer.place.clone(), Arc::clone(&deps.tls), &deps.node);
    let mut courier = Courier { peer, deps, line };
    loop {
        let is_last = courier.wait(&mut stops).await;
        if is_last {
            // What does not get through in time, heartbeats will say.
            timeout(FAREWELL_WITHIN, courier.tell_all()).await.ok();
            return;
        }
        if let Err(failure) = courier.tell_all().await {
            courier.fail(&failure);
        }
        if courier.peer.state() == State::Myself {
            return;
        }
    }
}

/// What a peer says of an override.
struct Theirs {
    app: String,
    id: String,
    overridden: Status,
}

// === impl Theirs ===

impl Theirs {
    fn of(known: &Known) -> Self {
        Self {
            app: known.instance.app.clone(),
            id: known.instance.id().to_owned(),
            overridden: known.instance.overridden,
        }
    }
}

struct Courier {
    peer: Arc<Peer>,
    deps: Arc<Deps>,
    line: Line,
}

impl Courier {
    /// Waits until there is something to do. Returns whether it is the last.
    async fn wait(&self, stops: &mut watch::Receiver<bool>) -> bool {
        let something = async {
            match self.peer.state() {
                State::Unknown | State::Myself => {}
                State::Down(_) => sleep(RETRY_AFTER).await,
                State::Up => {
                    // Nothing to tell in time is something too: then the peer is probed.
                    timeout(PROBE_EVERY, self.peer.outbox.filled.notified())
                        .await
                        .ok();
                    sleep(LINGER).await;
                }
            }
        };
        tokio::select! {
            () = something => false,
            // Whoever stops us, or is gone himself, wants no more rounds.
            _ = stops.changed() => true,
        }
    }

    /// Tells everything that waits, or probes when nothing does.
    async fn tell_all(&mut self) -> Result<(), Failure> {
        if self.peer.state() != State::Up {
            self.meet().await?;
            if self.peer.state() == State::Myself {
                return Ok(());
            }
        } else if self.peer.outbox.is_empty() {
            self.probe().await?;
        }
        loop {
            let items = self.peer.outbox.take(BATCH_ITEMS_MAX, self.deps.time.now());
            if items.is_empty() {
                return Ok(());
            }
            self.tell(items).await?;
        }
    }

    /// Asks whether the peer is there, the way changes go: with a batch of nothing.
    async fn probe(&mut self) -> Result<(), Failure> {
        let began = Instant::now();
        self.send("{\"replicationList\":[]}".into(), 0).await?;
        let took = began.elapsed().as_micros() as u64;
        let figures = &self.peer.figures;
        figures.probe_us.store(took, Ordering::Relaxed);
        // Nothing waited, so nothing is behind.
        figures.lag_ms.store(took / 1000, Ordering::Relaxed);
        Ok(())
    }

    /// Meets a peer for the first time, or again after a break: what it knows better is read.
    async fn meet(&mut self) -> Result<(), Failure> {
        self.probe().await?;
        if self.peer.state() == State::Myself {
            return Ok(());
        }
        let is_first = self.peer.state() == State::Unknown;
        let read = sync::read(&mut self.line, &self.deps).await?;
        let theirs: Vec<Theirs> = read.known.iter().map(Theirs::of).collect();
        let adopted = self.deps.desk.adopt(read.known, self.deps.time.now());
        if read.is_ours {
            self.compare_overrides(&theirs);
        } else if is_first || self.peer.outbox.take_gap() {
            self.tell_overrides();
        }
        self.peer.set_state(State::Up);
        tracing::info!(peer = self.peer.name, adopted, "met a peer");
        Ok(())
    }

    /// Overrides that were changed on both sides of a break: whose change was later was decided
    /// when the peer's were taken over, so the peer is told where it is wrong, and nothing of what
    /// was to be said before.
    fn compare_overrides(&self, theirs: &[Theirs]) {
        let outbox = &self.peer.outbox;
        outbox.drop_overrides();
        let now = self.deps.time.now();
        let book = self.deps.desk.book();
        for it in theirs {
            let Some(lease) = book.lease(&it.app, &it.id) else {
                continue;
            };
            let own = lease.instance.overridden;
            if own == it.overridden {
                continue;
            }
            let item = if own == Status::Unknown {
                told(Verb::DeleteStatusOverride, &lease.instance)
            } else {
                Item {
                    status: Some(own),
                    ..told(Verb::StatusUpdate, &lease.instance)
                }
            };
            outbox.push(item, now);
        }
    }

    /// What heartbeats do not say when nothing else changed.
    fn tell_overrides(&self) {
        let now = self.deps.time.now();
        let book = self.deps.desk.book();
        let overridden = book
            .leases()
            .filter(|it| it.instance.overridden != Status::Unknown);
        for lease in overridden {
            let item = Item {
                status: Some(lease.instance.overridden),
                ..told(Verb::StatusUpdate, &lease.instance)
            };
            self.peer.outbox.push(item, now);
        }
    }

    async fn tell(&mut self, items: Vec<Waiting>) -> Result<(), Failure> {
        let mut body = String::new();
        batch::write_items(&mut body, items.iter().map(|one| &one.item));
        let responses = match self.send(body.into(), items.len()).await {
            Ok(responses) => responses,
            Err(failure) => {
                if !matches!(failure, Failure::Refused(_) | Failure::Odd) {
                    self.peer.outbox.put_back(items);
                }
                return Err(failure);
            }
        };
        let now = self.deps.time.now();
        let figures = &self.peer.figures;
        let oldest_ms = items.iter().map(|one| one.since_ms).min();
        let lag_ms = oldest_ms.map_or(0, |at| now.steady_ms.saturating_sub(at));
        figures.lag_ms.store(lag_ms, Ordering::Relaxed);
        figures
            .told
            .fetch_add(items.len() as u64, Ordering::Relaxed);
        for (one, response) in items.into_iter().zip(responses) {
            self.take_answer(&one, response);
        }
        Ok(())
    }

    /// Sends a batch of so many items and returns as many answers.
    async fn send(&mut self, body: Bytes, count: usize) -> Result<Vec<Response>, Failure> {
        let answer = self.line.post_batch(body).await?;
        if answer.node.as_deref() == Some(self.deps.node.as_str()) {
            self.peer.set_state(State::Myself);
            return Ok(Vec::new());
        }
        match answer.status {
            200 => {}
            401 | 403 | 429 | 503 => return Err(Failure::Busy(answer.status)),
            other => return Err(Failure::Refused(other)),
        }
        let responses = batch::read_responses(&answer.body).map_err(|_| Failure::Odd)?;
        if responses.len() != count {
            return Err(Failure::Odd);
        }
        let now = self.deps.time.now().steady_ms;
        self.peer.figures.answered_ms.store(now, Ordering::Relaxed);
        Ok(responses)
    }

    fn take_answer(&self, one: &Waiting, response: Response) {
        if one.item.verb != Verb::Heartbeat {
            return;
        }
        let now = self.deps.time.now();
        let key = (one.item.app.as_str(), one.item.id.as_str());
        match (response.status, response.instance) {
            (404, _) => {
                let item = self
                    .deps
                    .desk
                    .book()
                    .lease(key.0, key.1)
                    .map(|lease| told(Verb::Register, &lease.fresh()));
                if let Some(item) = item {
                    self.peer.outbox.push(item, now);
                }
            }
            (409, Some(instance)) if (instance.app.as_str(), instance.id()) == key => {
                self.deps.desk.take_over(*instance, now);
            }
            (409, _) => self.complain("it answers with an instance it was not told of"),
            _ => {}
        }
    }

    fn fail(&self, failure: &Failure) {
        self.peer.figures.failed.fetch_add(1, Ordering::Relaxed);
        let why = failure.to_string();
        self.complain(&why);
        self.peer.set_state(State::Down(why));
    }

    fn complain(&self, what: &str) {
        let name = &self.peer.name;
        let now = self.deps.time.now();
        let complaints = &self.deps.desk.complaints;
        complaints.tell(name, now, &format!("peer {name}: {what}"));
    }
}

//! Other registries: what they are told, what they are asked, and how far behind they are.
//!
//! ```text
//! desk ─▶ Peers ─▶ outbox (one a peer, bounded) ─▶ courier (a task) ─▶ batches over HTTP
//!                                                      └─ probes, 409s, reading all after a break
//! ```
//!
//! # Layout
//!
//! - [`outbox`]: what one peer has not been told yet.
//! - [`courier`]: tells it, in Eureka's batches, and takes answers back to the desk.
//! - [`mod@line`]: one connection to a peer.
//! - [`find`]: which addresses the names of peers have now.
//! - [`sync`]: reading everything a peer knows.

pub mod courier;
pub mod find;
pub mod line;
pub mod outbox;
pub mod sync;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::book::Now;
use crate::codec::batch::Item;
use outbox::Outbox;

/// Addresses that names may have together.
pub const PEERS_MAX: usize = 32;

/// All peers.
#[derive(Debug, Default)]
pub struct Peers(RwLock<Vec<Arc<Peer>>>);

// === impl Peers ===

impl Peers {
    /// Returns whether there is nobody to tell.
    pub fn is_empty(&self) -> bool {
        self.0.read().is_empty()
    }

    /// Returns the peers as they are now.
    pub fn all(&self) -> Vec<Arc<Peer>> {
        self.0.read().clone()
    }

    /// Tells all peers of a change.
    pub fn tell(&self, item: &Item, now: Now) {
        for peer in self.0.read().iter().filter(|peer| !peer.is_myself()) {
            peer.outbox.push(item.clone(), now);
        }
    }

    /// Replaces the peers.
    pub fn set(&self, peers: Vec<Arc<Peer>>) {
        *self.0.write() = peers;
    }
}

/// How it stands with a peer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum State {
    /// It was not asked yet.
    #[default]
    Unknown,
    /// It answers.
    Up,
    /// It does not, and why.
    Down(String),
    /// It is this registry, found under another name.
    Myself,
}

/// A peer and what is known of it.
#[derive(Debug)]
pub struct Peer {
    /// What it is called in settings, on pages and in metrics: without name and password.
    pub name: String,
    /// Where it is.
    pub place: find::Place,
    /// What it has not been told yet.
    pub outbox: Outbox,
    state: Mutex<State>,
    /// Figures of its courier.
    pub figures: Figures,
}

/// What a courier counts.
#[derive(Debug, Default)]
pub struct Figures {
    /// Changes that were told.
    pub told: AtomicU64,
    /// Batches and probes that failed.
    pub failed: AtomicU64,
    /// How long the last change took from here to there, in milliseconds.
    pub lag_ms: AtomicU64,
    /// How long the last probe took, in microseconds.
    pub probe_us: AtomicU64,
    /// When it answered last, by the steady clock; 0 when never.
    pub answered_ms: AtomicU64,
}

// === impl Peer ===

impl Peer {
    /// Returns a peer of which nothing is known.
    pub fn new(name: String, place: find::Place) -> Self {
        Self {
            name,
            place,
            outbox: Outbox::default(),
            state: Mutex::default(),
            figures: Figures::default(),
        }
    }

    /// Returns how it stands.
    pub fn state(&self) -> State {
        self.state.lock().clone()
    }

    /// Returns whether it is this registry.
    pub fn is_myself(&self) -> bool {
        *self.state.lock() == State::Myself
    }

    /// Sets how it stands and returns how it stood before.
    pub fn set_state(&self, state: State) -> State {
        std::mem::replace(&mut *self.state.lock(), state)
    }

    /// Returns how far behind it is, in milliseconds: the age of the oldest change it was not told,
    /// or how long the last one took.
    pub fn lag_ms(&self, now: Now) -> u64 {
        let waiting = self
            .outbox
            .oldest_ms()
            .map_or(0, |at| now.steady_ms.saturating_sub(at));
        waiting.max(self.figures.lag_ms.load(Ordering::Relaxed))
    }
}

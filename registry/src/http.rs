//! The registry over HTTP: Eureka's operations, ours, and a page.
//!
//! # Layout
//!
//! - [`listen`]: sockets and connections.
//! - [`service`]: one request, from its path to its answer.
//! - [`path`], [`auth`], [`body`], [`reply`]: what all of them need.
//! - [`eureka`]: Eureka's operations; [`lists`]: the lists among them, kept as they were written.
//! - [`operate`]: what operators ask and do; [`metrics`]: what is counted.
//! - [`watch`]: changes as they happen.

pub mod auth;
pub mod body;
pub mod eureka;
pub mod listen;
pub mod lists;
pub mod metrics;
pub mod operate;
pub mod path;
pub mod reply;
pub mod service;
pub mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Semaphore;

use crate::desk::Desk;
use crate::settings::Settings;
use crate::time::Time;

/// What all requests share.
#[derive(Debug)]
pub struct App {
    /// Where requests are done.
    pub desk: Arc<Desk>,
    /// The clocks.
    pub time: Arc<dyn Time>,
    /// What the operator decided.
    pub settings: Settings,
    /// Which registry this is, for others of ours.
    pub node: String,
    /// Lists as they were written.
    pub shelf: lists::Shelf,
    /// Bodies that may be read at a time.
    pub bodies: Semaphore,
    /// Watchers that there may be.
    pub watchers: Arc<Semaphore>,
    /// Connections that there may be.
    pub connections: Arc<Semaphore>,
    /// When it began, by the steady clock.
    pub began_ms: u64,
    is_ready: AtomicBool,
}

/// Bodies that are read at a time.
const BODIES_MAX: usize = 64;
/// Watchers at a time.
pub const WATCHERS_MAX: usize = 256;

// === impl App ===

impl App {
    /// Returns what requests share. Lists are not told until it [is ready](Self::set_ready).
    pub fn new(desk: Arc<Desk>, time: Arc<dyn Time>, settings: Settings, node: String) -> Self {
        Self {
            began_ms: time.now().steady_ms,
            connections: Arc::new(Semaphore::new(settings.connections_max)),
            desk,
            time,
            settings,
            node,
            shelf: lists::Shelf::default(),
            bodies: Semaphore::new(BODIES_MAX),
            watchers: Arc::new(Semaphore::new(WATCHERS_MAX)),
            is_ready: AtomicBool::new(false),
        }
    }

    /// Says that peers were asked, so that lists are as good as they get.
    pub fn set_ready(&self) {
        self.is_ready.store(true, Ordering::Release);
    }

    /// Returns whether lists are told.
    pub fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Acquire)
    }
}

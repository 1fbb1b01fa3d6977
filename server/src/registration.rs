//! Keeps the server registered at a Eureka registry, so that clients find it by name: registers,
//! renews, registers again when the registry forgot, says when the server is not healthy, and
//! leaves at the end. It finds nobody else, and a registry that is away costs log lines alone.
//!
//! # Layout
//!
//! - [`instance`]: what is registered.
//! - [`exchange`]: one request to one registry.

pub(crate) mod exchange;
mod instance;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::{Method, StatusCode};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::app::App;
use crate::settings::RegistrySettings;
use exchange::{Failure, Order, own_address};
pub(crate) use instance::About;
use instance::{Instance, Status};

/// How often health is looked at, and a registration that failed is tried again.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The same until health was good once: who starts is soon ready, and found when that is known.
const LOOK_AT_FIRST: Duration = Duration::from_millis(500);
/// How long the end of the process may wait for the registry.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);

/// The task that keeps the server registered.
#[derive(Debug)]
pub(crate) struct Registration {
    leave: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Registration {
    /// Starts registering the backend, on this runtime; `None` when no registry is named.
    pub(crate) fn start(app: &Arc<App>, port: u16) -> Option<Self> {
        let settings = app.settings.registry.clone();
        let address = Some(app.settings.address).filter(|address| !address.is_unspecified());
        let app = Arc::clone(app);
        let healthy = move || app.condition.trouble().is_none() && app.reader.check().is_ok();
        Self::keep(
            settings,
            (port, address, About::default()),
            Box::new(healthy),
        )
    }

    /// Starts registering what listens on a port; `None` when no registry is named.
    pub(crate) fn keep(
        settings: RegistrySettings,
        (port, address, about): (u16, Option<IpAddr>, About),
        healthy: Box<Health>,
    ) -> Option<Self> {
        if settings.registries.is_empty() {
            return None;
        }
        let (leave, left) = oneshot::channel();
        let instance = Instance::new(&settings, port).about(about);
        let registrar = Registrar::new(settings, (instance, address), healthy);
        Some(Self {
            leave,
            task: tokio::spawn(registrar.run(left)),
        })
    }

    /// Leaves the registry, or gives up soon.
    pub(crate) async fn end(self) {
        // Nobody listens when the task is gone already.
        let _heard = self.leave.send(());
        let stop = self.task.abort_handle();
        if tokio::time::timeout(LEAVE_WITHIN, self.task).await.is_err() {
            stop.abort();
            tracing::warn!("the registry did not answer; the registration runs out by itself");
        }
    }
}

/// Tells whether the server is healthy.
pub(crate) type Health = dyn Fn() -> bool + Send;

struct Registrar {
    settings: RegistrySettings,
    instance: Instance,
    /// The address to register, when it is not to be found out.
    address: Option<IpAddr>,
    healthy: Box<Health>,
    /// The registry that answered last.
    preferred: usize,
    /// What the registry knows, and since when; `None` when nothing.
    told: Option<(Status, Instant)>,
    /// Whether no registry took the last request, which is said once.
    silent: bool,
    /// Whether a registry ever knew that the server is healthy.
    was_up: bool,
}

impl Registrar {
    fn new(
        settings: RegistrySettings,
        (instance, address): (Instance, Option<IpAddr>),
        healthy: Box<Health>,
    ) -> Self {
        Self {
            settings,
            instance,
            address,
            healthy,
            preferred: 0,
            told: None,
            silent: false,
            was_up: false,
        }
    }

    /// Returns the time until the next look.
    fn pause(&self) -> Duration {
        let starts = !self.was_up && matches!(self.told, Some((Status::Down, _)));
        let every = if starts { LOOK_AT_FIRST } else { LOOK_EVERY };
        every.min(self.settings.renewal_interval)
    }

    async fn run(mut self, mut left: oneshot::Receiver<()>) {
        loop {
            // What is under way is given up for the end, which has a deadline.
            tokio::select! {
                () = self.look() => {}
                _ = &mut left => break,
            }
            tokio::select! {
                () = tokio::time::sleep(self.pause()) => {}
                _ = &mut left => break,
            }
        }
        self.leave().await;
    }

    /// Tells the registry what it should know by now.
    async fn look(&mut self) {
        let status = if (self.healthy)() {
            Status::Up
        } else {
            Status::Down
        };
        match self.told {
            Some((told, at)) if told == status => {
                if at.elapsed() >= self.settings.renewal_interval {
                    self.renew(status).await;
                }
            }
            _ => {
                self.instance.change(now_ms());
                self.register(status).await;
            }
        }
    }

    async fn register(&mut self, status: Status) {
        let address = match self.address {
            Some(address) => address,
            None => own_address(&self.settings.registries[self.preferred]).await,
        };
        let order = Order {
            method: Method::POST,
            path: format!("/apps/{}", self.instance.app()),
            body: self.instance.describe(status, address),
        };
        self.told = None;
        if self.ask(&order, StatusCode::is_success).await.is_some() {
            tracing::info!(status = status.name(), "registered at Eureka");
            self.told = Some((status, Instant::now()));
            self.was_up |= status == Status::Up;
        }
    }

    async fn renew(&mut self, status: Status) {
        let order = Order {
            method: Method::PUT,
            path: format!(
                "{}?status={}&lastDirtyTimestamp={}",
                self.instance.path(),
                status.name(),
                self.instance.changed_ms()
            ),
            body: String::new(),
        };
        let known = |status: &StatusCode| status.is_success() || *status == StatusCode::NOT_FOUND;
        match self.ask(&order, known).await {
            Some(StatusCode::NOT_FOUND) => {
                tracing::warn!("Eureka forgot the registration");
                self.register(status).await;
            }
            Some(_) => self.told = Some((status, Instant::now())),
            // It is still known there, for a while, and renewed with the next look.
            None => {}
        }
    }

    async fn leave(&mut self) {
        // A request that was given up may have arrived, so this is due in any case.
        let order = Order {
            method: Method::DELETE,
            path: self.instance.path(),
            body: String::new(),
        };
        if self.ask(&order, |_| true).await.is_some() {
            tracing::info!("left Eureka");
        }
    }

    /// Asks one registry after the other until one gives an answer that counts.
    async fn ask(
        &mut self,
        order: &Order,
        counts: impl Fn(&StatusCode) -> bool,
    ) -> Option<StatusCode> {
        let count = self.settings.registries.len();
        for turn in 0..count {
            let index = (self.preferred + turn) % count;
            let registry = &self.settings.registries[index];
            let failure = match order.send(registry).await {
                Ok(status) if counts(&status) => {
                    self.preferred = index;
                    self.silent = false;
                    return Some(status);
                }
                Ok(status) => Failure::Status(status),
                Err(failure) => failure,
            };
            if !self.silent {
                tracing::warn!(?registry, error = %failure, "Eureka took no {}", order.method);
            }
        }
        self.silent = true;
        None
    }
}

fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests;

//! All of it at once, as Spring Boot would do it by its settings: a service that reads its
//! configuration, is traced, registers when it can answer, calls others by name, tells about itself
//! below `/actuator`, and leaves in order at the end.
//!
//! ```no_run
//! use axum::Router;
//! use axum::routing::get;
//! use speargun_client::App;
//!
//! # async fn run() -> Result<(), speargun_client::AppError> {
//! let app = App::builder("service-1")
//!     .arguments(std::env::args())
//!     .environment(std::env::vars())
//!     .start()
//!     .await?;
//! let port = app.address().port();
//! let hi = move || async move { format!("i am from port:{port}") };
//! app.serve(Router::new().route("/hi", get(hi))).await
//! # }
//! ```
//!
//! # Layout
//!
//! - `builder`: from nothing to a service. Of settings it makes the registries' and the config
//!   server's clients (`wiring`), the tracer (`traces`) and clients of other services (`calls`).

mod builder;
mod calls;
mod traces;
mod wiring;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use parking_lot::Mutex;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::call::{Instances, ServiceClient, ServiceClientBuilder};
use crate::clock::Clock;
use crate::config::{Config, FetchError, SettingError};
use crate::discovery::{Eureka, EurekaError, Status};
use crate::exposition::Exposition;
use crate::server::actuator::Actuator;
use crate::server::listen::{self, ListenSettings};
use crate::server::{Health, HealthState, Requests, TracedLayer};
use crate::trace::Tracer;
pub use builder::AppBuilder;

/// Why a service can't start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A setting can't be read.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The config server gave nothing.
    #[error(transparent)]
    Config(#[from] FetchError),
    /// No registry can be asked.
    #[error(transparent)]
    Eureka(#[from] EurekaError),
    /// The system gives no port or no thread.
    #[error("can't start: {0}")]
    Io(#[from] std::io::Error),
}

/// A service that has started: it has its settings, its port and its place in the stack, and
/// answers once it serves.
#[derive(Debug)]
pub struct App {
    name: String,
    config: Config,
    tracer: Tracer,
    clock: Arc<dyn Clock>,
    eureka: Option<Arc<Eureka>>,
    instances: Arc<dyn Instances>,
    listener: TcpListener,
    address: SocketAddr,
    health: Health,
    requests: Arc<Requests>,
    clients: Arc<Mutex<Vec<ServiceClient>>>,
    background: Background,
}

/// A task that ends with its owner.
#[derive(Debug)]
struct Background(JoinHandle<()>);

impl Drop for Background {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How often health is looked at for the registry.
const LOOK_EVERY: Duration = Duration::from_secs(5);

impl App {
    /// Begins to make a service with this name, unless its settings say another.
    pub fn builder(name: &str) -> AppBuilder {
        AppBuilder::new(name)
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns its settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns what begins its spans.
    pub fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// Returns how it is; more parts can be added.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Returns its client of registries, when it has one.
    pub fn eureka(&self) -> Option<&Eureka> {
        self.eureka.as_deref()
    }

    /// Returns a client of another service, as its settings want it. Keep it: each has its own
    /// connections, circuits and figures.
    pub fn service(&self, name: &str) -> Result<ServiceClient, AppError> {
        self.service_with(name, |builder| builder)
    }

    /// Returns a client that is not quite as the settings want it. The builder has them already;
    /// [`ServiceClientBuilder::change`] changes a part.
    pub fn service_with(
        &self,
        name: &str,
        change: impl FnOnce(ServiceClientBuilder) -> ServiceClientBuilder,
    ) -> Result<ServiceClient, AppError> {
        let builder =
            ServiceClient::builder(name, Arc::clone(&self.instances), self.tracer.clone())
                .clock(Arc::clone(&self.clock));
        let client = change(calls::apply(builder, &self.config.settings(), name)?).build();
        self.clients.lock().push(client.clone());
        Ok(client)
    }

    /// Answers requests until the process is told to end (SIGTERM or Ctrl-C).
    pub async fn serve(self, router: Router) -> Result<(), AppError> {
        self.serve_until(router, told_to_end()).await
    }

    /// Answers requests until `end`: then it leaves the registry, so that nobody calls any more,
    /// finishes what is under way, and sends its last spans.
    pub async fn serve_until(
        self,
        router: Router,
        end: impl Future<Output = ()>,
    ) -> Result<(), AppError> {
        let layer = TracedLayer::new(self.tracer.clone(), Arc::clone(&self.requests));
        let router = router.merge(self.actuator().router()).layer(layer);
        let settings = ListenSettings::default();
        let (eureka, health) = (self.eureka, self.health);
        let until = async {
            // The listener answers from now on, so others may call.
            tokio::select! {
                () = stay_registered(eureka.as_deref(), &health) => {}
                () = end => {}
            }
            if let Some(eureka) = &eureka {
                eureka.leave().await;
            }
        };
        tracing::info!(name = self.name, address = %self.address, "serving");
        listen::serve(self.listener, router, settings, until).await;
        self.tracer.reporter().close().await;
        drop(self.background);
        Ok(())
    }

    fn actuator(&self) -> Actuator {
        let (tracer, requests) = (self.tracer.clone(), Arc::clone(&self.requests));
        let (clients, eureka) = (Arc::clone(&self.clients), self.eureka.clone());
        let metrics = move |out: &mut Exposition| {
            requests.write_metrics(out);
            let clients = clients.lock().clone();
            ServiceClient::write_metrics(&clients, out);
            tracer.reporter().write_metrics(out);
            if let Some(eureka) = &eureka {
                eureka.write_metrics(out);
            }
        };
        Actuator {
            health: self.health.clone(),
            info: json!({ "app": { "name": self.name } }),
            metrics: Arc::new(metrics),
            config: self.config.clone(),
        }
    }
}

/// Tells the registries how this service is, now and whenever that changes.
async fn stay_registered(eureka: Option<&Eureka>, health: &Health) {
    let Some(eureka) = eureka else {
        return std::future::pending().await;
    };
    loop {
        let status = match health.look().0 {
            HealthState::Up | HealthState::Unknown => Status::Up,
            HealthState::Down(_) => Status::Down,
            HealthState::OutOfService => Status::OutOfService,
        };
        eureka.set_status(status).await;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits for SIGTERM or Ctrl-C.
async fn told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminated) = signal(SignalKind::terminate()) else {
        // Without that signal there is still the other.
        let _told = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
}

#[cfg(test)]
mod tests;

//! From nothing to a service: settings first, for all else is made of them; then the port, for the
//! registry is told of it; then registry, reporter and tracer.

use std::sync::Arc;

use tokio::net::TcpListener;

use super::wiring::{self, Everywhere};
use super::{App, AppError, Background, traces};
use crate::call::FixedInstances;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, LocalSources};
use crate::discovery::Eureka;
use crate::server::{Health, HealthState};
use crate::trace::{Tracer, TracerSettings};

/// Makes an [`App`].
#[derive(Clone, Debug)]
#[must_use]
pub struct AppBuilder {
    name: String,
    sources: LocalSources,
    instances: FixedInstances,
}

impl AppBuilder {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            sources: LocalSources::default(),
            instances: FixedInstances::default(),
        }
    }

    /// Takes settings of the form `--server.port=8080`.
    pub fn arguments(mut self, arguments: impl IntoIterator<Item = String>) -> Self {
        self.sources = self.sources.arguments(arguments);
        self
    }

    /// Takes settings of the form `SERVER_PORT=8080`.
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.sources = self.sources.environment(variables);
        self
    }

    /// Takes settings that hold when nobody says otherwise.
    pub fn defaults<K, V>(mut self, defaults: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<String>,
        V: Into<String>,
    {
        self.sources = self.sources.defaults(defaults);
        self
    }

    /// Takes services that no registry knows.
    pub fn instances(mut self, instances: FixedInstances) -> Self {
        self.instances = instances;
        self
    }

    /// Reads the settings, opens the port, and begins to look others up. Must be called within a
    /// Tokio runtime.
    pub async fn start(self) -> Result<App, AppError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let local = self.sources.clone().settings();
        let name = local.text("spring.application.name")?.unwrap_or(self.name);
        let config = match wiring::config_server(&local, &name).await? {
            Some(server) => Config::load(self.sources, server).await?,
            None => Config::local(self.sources),
        };
        let settings = config.settings();
        let listener = TcpListener::bind(wiring::listen_address(&settings)?).await?;
        let address = listener.local_addr()?;
        let eureka = match wiring::eureka(&settings, &name, address)? {
            Some(eureka) => Some(Arc::new(Eureka::start(eureka)?)),
            None => None,
        };
        let fixed = wiring::simple_instances(&settings, self.instances)?;
        let instances = Arc::new(Everywhere::new(fixed, eureka.as_deref()));
        let reporter = traces::reporter(&settings, Arc::<Everywhere>::clone(&instances))?;
        let tracer = Tracer::new(
            TracerSettings {
                local: wiring::local_endpoint(&name, address),
                sampler: traces::sampler(&settings, &clock)?,
                propagation: traces::propagation(&settings)?,
                trace_id_128: settings.flag_or("spring.sleuth.trace-id128", true)?,
                join: settings.flag_or("spring.sleuth.supports-join", true)?,
                clock: Arc::clone(&clock),
            },
            reporter,
        );
        if let Some(eureka) = &eureka {
            // Whether or not a registry answers: what calls need is looked up again.
            let _answered = eureka.first_fetch().await;
        }
        Ok(App {
            background: follow(&config, &tracer, &clock),
            health: health(eureka.as_ref()),
            name,
            config,
            tracer,
            clock,
            eureka,
            instances,
            listener,
            address,
            requests: Arc::default(),
            clients: Arc::default(),
        })
    }
}

fn health(eureka: Option<&Arc<Eureka>>) -> Health {
    let health = Health::default();
    health.add("ping", || HealthState::Up);
    if let Some(eureka) = eureka.map(Arc::clone) {
        // A registry that is away is no reason to take the service out.
        health.add("eureka", move || {
            if eureka.is_registered() {
                HealthState::Up
            } else {
                HealthState::Unknown
            }
        });
    }
    health
}

/// Exchanges the sampler when the settings change. One that can't be read leaves the old one.
fn follow(config: &Config, tracer: &Tracer, clock: &Arc<dyn Clock>) -> Background {
    let (config, tracer, clock) = (config.clone(), tracer.clone(), Arc::clone(clock));
    let mut changes = config.changes();
    Background(tokio::spawn(async move {
        while changes.changed().await.is_ok() {
            match traces::sampler(&config.settings(), &clock) {
                Ok(sampler) => tracer.sampler().set(sampler),
                Err(error) => tracing::warn!(%error, "the sampler stays as it was"),
            }
        }
    }))
}

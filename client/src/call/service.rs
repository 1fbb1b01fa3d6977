//! A service by its name: who its instances are is asked at each call, and how calls are made is
//! said once.

use std::sync::Arc;
use std::time::Duration;

use http::Method;

use super::balance::{Balance, RoundRobin};
use super::breaker::{Breaker, BreakerSettings, BreakerState};
use super::bulkhead::{Bulkhead, BulkheadSettings};
use super::instance::Instances;
use super::operation::Operations;
use super::request::Call;
use super::retry::{Budget, RetrySettings};
use crate::clock::{Clock, SystemClock};
use crate::http::{Wire, wire};
use crate::trace::Tracer;

/// How calls are made.
#[derive(Clone, Debug)]
pub struct CallSettings {
    /// How long connecting may take (Ribbon: a second).
    pub connect_timeout: Duration,
    /// How long a try may take to be answered, and then each part of the answer.
    pub read_timeout: Duration,
    /// How long a call may take with all its tries (Resilience4j's time limiter).
    pub time_limit: Duration,
    /// Bytes of an answer.
    pub answer_bytes_max: usize,
    /// One circuit an operation; `None` is none.
    pub breaker: Option<BreakerSettings>,
    /// Calls at a time; `None` is as many as come.
    pub bulkhead: Option<BulkheadSettings>,
    /// Calls that are made again.
    pub retry: RetrySettings,
}

impl Default for CallSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(1),
            read_timeout: Duration::from_secs(5),
            time_limit: Duration::from_secs(10),
            answer_bytes_max: 8 << 20,
            breaker: Some(BreakerSettings::default()),
            bulkhead: Some(BulkheadSettings {
                calls_max: 256,
                ..BulkheadSettings::default()
            }),
            retry: RetrySettings::default(),
        }
    }
}

/// Calls one service. Clones are the same client.
#[derive(Clone, Debug)]
pub struct ServiceClient(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) name: Arc<str>,
    /// The name as instances are looked up by it.
    pub(super) key: String,
    pub(super) settings: CallSettings,
    pub(super) instances: Arc<dyn Instances>,
    pub(super) balance: Box<dyn Balance>,
    pub(super) bulkhead: Option<Bulkhead>,
    pub(super) budget: Budget,
    pub(super) operations: Operations,
    pub(super) tracer: Tracer,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) wire: Wire,
}

/// Makes a [`ServiceClient`].
#[derive(Debug)]
#[must_use]
pub struct ServiceClientBuilder {
    name: String,
    instances: Arc<dyn Instances>,
    tracer: Tracer,
    settings: CallSettings,
    balance: Option<Box<dyn Balance>>,
    clock: Option<Arc<dyn Clock>>,
}

impl ServiceClientBuilder {
    /// Says how calls are made.
    pub fn settings(mut self, settings: CallSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Changes a part of how calls are made, and leaves the rest as it was said.
    pub fn change(mut self, change: impl FnOnce(&mut CallSettings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Says who begins the spans of its tries.
    pub fn tracer(mut self, tracer: Tracer) -> Self {
        self.tracer = tracer;
        self
    }

    /// Says who is called; round robin by default.
    pub fn balance(mut self, balance: impl Balance + 'static) -> Self {
        self.balance = Some(Box::new(balance));
        self
    }

    /// Says what tells the time.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Returns the client. Nothing is asked before the first call.
    pub fn build(self) -> ServiceClient {
        let clock = self
            .clock
            .unwrap_or_else(|| Arc::new(SystemClock::default()));
        let name: Arc<str> = self.name.into();
        let breaker = self.settings.breaker;
        ServiceClient(Arc::new(Inner {
            key: name.to_ascii_uppercase(),
            instances: self.instances,
            balance: self
                .balance
                .unwrap_or_else(|| Box::new(RoundRobin::default())),
            bulkhead: self.settings.bulkhead.map(Bulkhead::new),
            budget: Budget::new(&self.settings.retry, Arc::clone(&clock)),
            operations: Operations::new(Arc::clone(&name), breaker, Arc::clone(&clock)),
            tracer: self.tracer,
            wire: wire(self.settings.connect_timeout),
            settings: self.settings,
            name,
            clock,
        }))
    }
}

impl ServiceClient {
    /// Begins to make a client of the service with this name.
    pub fn builder(
        name: &str,
        instances: Arc<dyn Instances>,
        tracer: Tracer,
    ) -> ServiceClientBuilder {
        ServiceClientBuilder {
            name: name.to_owned(),
            instances,
            tracer,
            settings: CallSettings::default(),
            balance: None,
            clock: None,
        }
    }

    /// Returns the service's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns how calls are made.
    pub fn settings(&self) -> &CallSettings {
        &self.0.settings
    }

    /// Begins a call. The template names its variable parts, `/users/{id}`: circuits and metrics go
    /// by it, so what varies belongs into [`Call::path`].
    pub fn call(&self, method: Method, template: &'static str) -> Call {
        Call::new(self.clone(), method, template)
    }

    /// Begins a GET.
    pub fn get(&self, template: &'static str) -> Call {
        self.call(Method::GET, template)
    }

    /// Begins a POST.
    pub fn post(&self, template: &'static str) -> Call {
        self.call(Method::POST, template)
    }

    /// Begins a PUT.
    pub fn put(&self, template: &'static str) -> Call {
        self.call(Method::PUT, template)
    }

    /// Begins a DELETE.
    pub fn delete(&self, template: &'static str) -> Call {
        self.call(Method::DELETE, template)
    }

    /// Returns the circuits of the operations that were called so far.
    pub fn breakers(&self) -> Vec<Breaker> {
        let operations = self.0.operations.all();
        operations
            .iter()
            .filter_map(|o| o.breaker.clone())
            .collect()
    }

    /// Returns whether a circuit is open.
    pub fn has_open_circuit(&self) -> bool {
        self.breakers()
            .iter()
            .any(|breaker| breaker.state() == BreakerState::Open)
    }
}

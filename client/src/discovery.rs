//! Finding services by name, and being found: a client of Eureka's registries that keeps to the
//! wire of Spring's. It registers, renews, fetches what changed and checks that nothing was missed,
//! goes on with another registry when one is away, and leaves at the end.
//!
//! # Layout
//!
//! - `instance`: who we are, on the wire. `decode`: answers, read with patience.
//! - `applications`: all that is registered: full, by deltas, by name.
//! - `registries`: one request, to the first registry that answers it.
//! - `registrar`: being registered. `fetcher`: knowing the others.

mod applications;
mod decode;
mod fetcher;
mod instance;
mod registrar;
mod registries;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::call::{Instance, Instances};
use crate::clock::{Clock, SystemClock};
use crate::exposition::Exposition;
use applications::Index;
use fetcher::Fetcher;
pub use instance::{OwnInstance, Status};
use registrar::{Order, Registrar};
use registries::Registries;

/// How to deal with registries. The defaults are those of Spring's client.
#[derive(Clone, Debug)]
pub struct EurekaSettings {
    /// Addresses such as `http://user:password@host:8761/eureka/`, in the order of preference.
    pub service_urls: Vec<String>,
    /// Who to register; `None` is to look others up only.
    pub register: Option<OwnInstance>,
    /// How often the registration is renewed.
    pub renewal_interval: Duration,
    /// After how long without that the registry forgets it.
    pub lease_duration: Duration,
    /// How often changes are fetched.
    pub fetch_interval: Duration,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long an answer may take.
    pub read_timeout: Duration,
    /// Bytes of an answer, unpacked.
    pub answer_bytes_max: usize,
    /// Whether others are called by address instead of host name.
    pub prefer_ip_address: bool,
}

impl EurekaSettings {
    /// Returns the defaults for these registries.
    pub fn new(service_urls: Vec<String>) -> Self {
        Self {
            service_urls,
            register: None,
            renewal_interval: Duration::from_secs(30),
            lease_duration: Duration::from_secs(90),
            fetch_interval: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(8),
            answer_bytes_max: 128 << 20,
            prefer_ip_address: false,
        }
    }
}

/// Why there is no client.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EurekaError {
    /// An address is none, or there is none.
    #[error("eureka: {0}")]
    Settings(String),
}

/// Orders that wait for the registrar.
const ORDERS_MAX: usize = 16;
/// How long leaving may take.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);

/// A client of registries. It works until [`Eureka::leave`] or until it is dropped; in the latter
/// case the registration runs out by itself.
#[derive(Debug)]
pub struct Eureka {
    known: Arc<Known>,
    orders: mpsc::Sender<Order>,
    fetch: Arc<Notify>,
    fetched: watch::Receiver<u64>,
    task: JoinHandle<()>,
}

/// What is known of the others. Reading it takes no lock.
#[derive(Debug, Default)]
pub(crate) struct Known {
    index: ArcSwap<Index>,
    figures: registries::Figures,
}

impl Eureka {
    /// Begins to fetch, and to register with the first status that is set. Must be called within
    /// a Tokio runtime.
    pub fn start(settings: EurekaSettings) -> Result<Self, EurekaError> {
        Self::start_with(settings, Arc::new(SystemClock::default()))
    }

    fn start_with(settings: EurekaSettings, clock: Arc<dyn Clock>) -> Result<Self, EurekaError> {
        let known = Arc::new(Known::default());
        let registries = Arc::new(Registries::new(&settings).map_err(EurekaError::Settings)?);
        let (orders, ordered) = mpsc::channel(ORDERS_MAX);
        let fetch = Arc::new(Notify::new());
        let (done, fetched) = watch::channel(0);
        let others = Fetcher::new(&settings, Arc::clone(&registries), Arc::clone(&known));
        let again = Arc::clone(&fetch);
        let lease = (settings.renewal_interval, settings.lease_duration);
        let registrar = settings
            .register
            .map(|own| Registrar::new(own, lease, registries, Arc::clone(&known)).at(clock));
        let task = tokio::spawn(async move {
            let fetching = others.run(again, done);
            match registrar {
                // Leaving ends both.
                Some(registrar) => tokio::select! {
                    () = registrar.run(ordered) => {}
                    () = fetching => {}
                },
                None => tokio::select! {
                    () = registrar::none(ordered) => {}
                    () = fetching => {}
                },
            }
        });
        Ok(Self {
            known,
            orders,
            fetch,
            fetched,
            task,
        })
    }

    /// Waits until the registries were asked for the first time, successfully or not, and returns
    /// whether they answered.
    pub async fn first_fetch(&self) -> bool {
        let mut fetched = self.fetched.clone();
        // The sender goes with the task, and then nothing will be fetched any more.
        let _asked = fetched.wait_for(|count| *count > 0).await;
        self.known.figures.fetches.load(Ordering::Relaxed) > 0
    }

    /// Fetches changes now, and returns when that is done.
    pub async fn refresh(&self) {
        let mut fetched = self.fetched.clone();
        let before = *fetched.borrow_and_update();
        self.fetch.notify_one();
        let _done = fetched.wait_for(|count| *count > before).await;
    }

    /// Says how this instance is, and returns when the registries were told, whether or not they
    /// took it: they are told again until they do.
    pub async fn set_status(&self, status: Status) {
        self.order(|done| Order::Status(status, done)).await;
    }

    /// Says that it is down and takes the registration away, and ends.
    pub async fn leave(&self) {
        let left = self.order(Order::Leave);
        if tokio::time::timeout(LEAVE_WITHIN, left).await.is_err() {
            tracing::warn!("no registry answered; the registration runs out by itself");
        }
        self.task.abort();
    }

    /// Returns what finds instances for calls.
    pub fn instances(&self) -> Arc<dyn Instances> {
        Arc::<Known>::clone(&self.known)
    }

    /// Returns whether a registry knows this instance.
    pub fn is_registered(&self) -> bool {
        self.known.figures.registered.load(Ordering::Relaxed)
    }

    /// Returns the services that have instances, and how many.
    pub fn services(&self) -> BTreeMap<String, usize> {
        self.known.index.load().services()
    }

    /// Appends metrics.
    pub fn write_metrics(&self, out: &mut Exposition) {
        self.known.figures.write(&self.known.index.load(), out);
    }

    async fn order(&self, order: impl FnOnce(oneshot::Sender<()>) -> Order) {
        let (done, is_done) = oneshot::channel();
        // When the task is gone, there is nobody to do it.
        if self.orders.send(order(done)).await.is_ok() {
            let _done = is_done.await;
        }
    }
}

impl Drop for Eureka {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Instances for Known {
    fn of(&self, service: &str) -> Arc<[Arc<Instance>]> {
        self.index.load().of(service)
    }
}

#[cfg(test)]
mod tests;

//! What all shards share: the settings and everything that answers. It starts and ends nothing.

use std::sync::Arc;

use speargun_collector::receive::http::Limits;
use speargun_collector::receive::queue::Standing;
use speargun_collector::{Condition, Handover, Ledger};
use speargun_storage::SpanReader;
use tokio::sync::Semaphore;

use crate::admin::requests::Requests;
use crate::front::cors::Origins;
use crate::live::Following;
use crate::page::Page;
use crate::queries::Queries;
use crate::self_tracing::SelfTracing;
use crate::settings::Settings;
use crate::wiring::engine::{Figures, Parts};

/// Shared by all shards.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) settings: Settings,
    pub(crate) origins: Origins,
    pub(crate) page: Page,
    pub(crate) queries: Queries,
    pub(crate) requests: Requests,
    pub(crate) limits: Limits,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) handover: Arc<Handover>,
    pub(crate) condition: Arc<Condition>,
    pub(crate) reader: Arc<dyn SpanReader>,
    /// Chooses which requests are traced, when that is on.
    pub(crate) self_tracing: Option<Arc<SelfTracing>>,
    /// The engine's own figures.
    pub(crate) figures: Figures,
    /// The engine's parts, for health.
    pub(crate) parts: Parts,
    /// How following a configuration server goes.
    pub(crate) following: Arc<Following>,
    /// How the queues stand that spans are taken from.
    pub(crate) queues: Vec<Arc<Standing>>,
    /// One permit a connection.
    pub(crate) connections: Arc<Semaphore>,
}

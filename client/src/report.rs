//! Finished spans on their way to Zipkin. Whoever ends a span never waits: spans go into a bounded
//! queue, and what finds no place is dropped and counted. A thread of its own packs them into
//! messages by bytes, count and time, and posts them.
//!
//! ```text
//! report() ─▶ queue (spans, bytes) ─▶ message (JSON v2 or proto3, gzip) ─▶ POST, a few tries
//!               full: dropped            too large: dropped                  failed: dropped
//! ```
//!
//! # Layout
//!
//! - `queue`: where spans wait. `message`: how they are packed. `post`: one message on its way.
//! - `worker`: the thread. `metrics`: what became of the spans.

mod message;
mod metrics;
mod post;
mod queue;
mod worker;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use speargun_model::{Endpoint, Span};

use crate::exposition::Exposition;
use metrics::Metrics;
use queue::Queue;

pub use metrics::ReporterFigures;

/// The form of messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Encoding {
    /// `application/json`.
    #[default]
    JsonV2,
    /// `application/x-protobuf`.
    Proto3,
}

/// Where messages go.
#[derive(Clone)]
pub enum Destination {
    /// To this address, such as `http://localhost:9411/api/v2/spans`.
    Fixed(Uri),
    /// To where this says at the moment; nothing is sent while it says nothing. A registry's
    /// instance of `zipkin` is found so.
    Found(Arc<dyn Fn() -> Option<Uri> + Send + Sync>),
}

impl Destination {
    fn now(&self) -> Option<Uri> {
        match self {
            Self::Fixed(uri) => Some(uri.clone()),
            Self::Found(find) => find(),
        }
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(uri) => write!(f, "{uri}"),
            Self::Found(_) => f.write_str("found by name"),
        }
    }
}

/// How spans are reported. The defaults are those of Zipkin's own reporter, but for the retries,
/// which it does not make.
#[derive(Clone, Debug)]
pub struct ReporterSettings {
    /// Where to.
    pub destination: Destination,
    /// The form.
    pub encoding: Encoding,
    /// Messages of so many bytes or more are packed with gzip; `None` is never.
    pub gzip_from_bytes: Option<usize>,
    /// Spans that may wait.
    pub queued_spans_max: usize,
    /// Bytes of memory that they may take.
    pub queued_bytes_max: usize,
    /// Bytes of a message before packing.
    pub message_bytes_max: usize,
    /// A message is due when so many spans wait.
    pub message_spans: usize,
    /// A message is due when its first span waited so long.
    pub message_timeout: Duration,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long an answer may take.
    pub read_timeout: Duration,
    /// How often a message is sent when the server is away or busy.
    pub attempts_max: u32,
    /// How long what waits may take at the end.
    pub close_timeout: Duration,
}

impl ReporterSettings {
    /// Returns the defaults for this destination.
    pub fn new(destination: Destination) -> Self {
        Self {
            destination,
            encoding: Encoding::default(),
            gzip_from_bytes: Some(1024),
            queued_spans_max: 10_000,
            queued_bytes_max: 16 << 20,
            message_bytes_max: 500_000,
            message_spans: 500,
            message_timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(1),
            read_timeout: Duration::from_secs(10),
            attempts_max: 3,
            close_timeout: Duration::from_secs(1),
        }
    }
}

/// Takes finished spans. Clones are the same reporter; the last one to go sends what waits.
#[derive(Clone, Debug)]
pub struct Reporter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    queue: Arc<Queue>,
    worker: Option<worker::Worker>,
}

impl Reporter {
    /// Starts the thread that sends.
    ///
    /// # Errors
    ///
    /// When the system gives no thread, or no sockets to it.
    pub fn start(settings: ReporterSettings) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::new(&settings));
        let worker = worker::Worker::start(settings, Arc::clone(&queue))?;
        Ok(Self(Arc::new(Inner {
            queue,
            worker: Some(worker),
        })))
    }

    /// Returns a reporter that counts spans and drops them.
    pub fn none() -> Self {
        Self(Arc::new(Inner {
            queue: Arc::new(Queue::closed()),
            worker: None,
        }))
    }

    /// Hands over a span, or drops it. Never waits.
    pub fn report(&self, span: Span) {
        self.0.queue.push(span);
    }

    /// Returns whether all that was reported before is gone, sent or dropped, within this time.
    pub async fn flush(&self, within: Duration) -> bool {
        match &self.0.worker {
            Some(worker) => worker.flush(&self.0.queue, within).await,
            None => true,
        }
    }

    /// Takes no more spans and sends what waits, within [`ReporterSettings::close_timeout`].
    pub async fn close(&self) {
        if let Some(worker) = &self.0.worker {
            worker.close(&self.0.queue).await;
        }
    }

    /// Returns what became of the spans so far.
    pub fn figures(&self) -> ReporterFigures {
        self.0.queue.metrics().figures(&self.0.queue)
    }

    /// Appends metrics, under the names that Zipkin's reporter has in Spring applications.
    pub fn write_metrics(&self, out: &mut Exposition) {
        Metrics::write(&self.figures(), out);
    }

    /// Says whose spans these are; the first tracer's word counts.
    pub(crate) fn speak_for(&self, local: Endpoint) {
        self.0.queue.speak_for(local);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The thread sends what waits, and ends by itself.
        self.queue.close();
    }
}

#[cfg(test)]
mod tests;

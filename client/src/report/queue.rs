//! Where spans wait: bounded by count and by bytes, without a lock. The thread that sends is woken
//! when a message is due by size, and looks by itself when one is due by time.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use speargun_model::{Endpoint, Span};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::ReporterSettings;
use super::metrics::{Cause, Metrics, add};

/// Spans on their way from those who end them to the thread that sends them.
#[derive(Debug)]
pub(super) struct Queue {
    spans: ArrayQueue<Span>,
    bytes: AtomicUsize,
    bytes_max: usize,
    /// A message is due at one of these.
    due_spans: usize,
    due_bytes: usize,
    closed: AtomicBool,
    /// When sending ends; set once it is closed.
    ends: watch::Sender<Option<Instant>>,
    close_timeout: Duration,
    local: OnceLock<Endpoint>,
    wake: Notify,
    metrics: Metrics,
}

impl Queue {
    pub(super) fn new(settings: &ReporterSettings) -> Self {
        let spans_max = settings.queued_spans_max.max(1);
        Self {
            spans: ArrayQueue::new(spans_max),
            bytes: AtomicUsize::new(0),
            bytes_max: settings.queued_bytes_max,
            due_spans: settings.message_spans.clamp(1, spans_max),
            due_bytes: settings.message_bytes_max.min(settings.queued_bytes_max),
            closed: AtomicBool::new(false),
            ends: watch::Sender::new(None),
            close_timeout: settings.close_timeout,
            local: OnceLock::new(),
            wake: Notify::new(),
            metrics: Metrics::default(),
        }
    }

    /// Returns one that takes nothing.
    pub(super) fn closed() -> Self {
        Self {
            spans: ArrayQueue::new(1),
            bytes: AtomicUsize::new(0),
            bytes_max: 0,
            due_spans: 1,
            due_bytes: 0,
            closed: AtomicBool::new(true),
            ends: watch::Sender::new(None),
            close_timeout: Duration::ZERO,
            local: OnceLock::new(),
            wake: Notify::new(),
            metrics: Metrics::default(),
        }
    }

    pub(super) fn push(&self, span: Span) {
        add(&self.metrics.spans, 1);
        if self.closed.load(Ordering::Acquire) {
            return self.metrics.drop(Cause::Closed, 1);
        }
        let size = span.memory_bytes();
        let bytes = self.bytes.fetch_add(size, Ordering::AcqRel) + size;
        if bytes > self.bytes_max || self.spans.push(span).is_err() {
            self.bytes.fetch_sub(size, Ordering::AcqRel);
            return self.metrics.drop(Cause::QueueFull, 1);
        }
        if bytes >= self.due_bytes || self.spans.len() >= self.due_spans {
            self.wake.notify_one();
        }
    }

    /// Takes the span that waited longest, and says whose it is.
    pub(super) fn pop(&self) -> Option<Span> {
        let mut span = self.spans.pop()?;
        self.bytes.fetch_sub(span.memory_bytes(), Ordering::AcqRel);
        if span.local_endpoint.is_none() {
            span.local_endpoint = self.local.get().cloned();
        }
        Some(span)
    }

    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Acquire)
    }

    /// Returns whether a message is due by size.
    pub(super) fn is_due(&self) -> bool {
        self.len() >= self.due_spans || self.bytes() >= self.due_bytes
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let ends = Instant::now() + self.close_timeout;
        // The first deadline counts.
        self.ends.send_if_modified(|known| {
            let first = known.is_none();
            *known = known.or(Some(ends));
            first
        });
        self.wake.notify_one();
    }

    /// Waits until it is closed, and returns when sending ends.
    pub(super) async fn closing(&self) -> Instant {
        let mut ends = self.ends.subscribe();
        let known = ends.wait_for(Option::is_some).await;
        // The sender lives in this struct.
        known
            .ok()
            .and_then(|ends| *ends)
            .unwrap_or_else(Instant::now)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(super) fn speak_for(&self, local: Endpoint) {
        // The first one counts.
        let _first = self.local.set(local);
    }
}

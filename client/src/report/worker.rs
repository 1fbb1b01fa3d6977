//! The thread that sends, on a runtime of its own: packing costs CPU, which is not taken from the
//! threads that answer requests.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};

use super::ReporterSettings;
use super::message::{Message, Packer};
use super::metrics::{Cause, add};
use super::post::{Failure, post};
use super::queue::Queue;
use crate::http::{Wire, wire};

/// The handle on the thread.
#[derive(Debug)]
pub(super) struct Worker {
    /// How many flushes were asked for.
    asked: Arc<AtomicU64>,
    /// How many of them are done; closed when the thread has ended.
    done: watch::Receiver<u64>,
    close_timeout: Duration,
}

impl Worker {
    pub(super) fn start(settings: ReporterSettings, queue: Arc<Queue>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let asked = Arc::new(AtomicU64::new(0));
        let (done, seen) = watch::channel(0);
        let worker = Self {
            asked: Arc::clone(&asked),
            done: seen,
            close_timeout: settings.close_timeout,
        };
        std::thread::Builder::new()
            .name("zipkin-reporter".into())
            .spawn(move || {
                let sending = Sending {
                    wire: wire(settings.connect_timeout),
                    packer: Packer::new(&settings),
                    settings,
                    queue,
                    asked,
                    done,
                    silent: false,
                };
                runtime.block_on(sending.run());
            })?;
        Ok(worker)
    }

    pub(super) async fn flush(&self, queue: &Queue, within: Duration) -> bool {
        let mine = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
        queue.wake();
        let mut done = self.done.clone();
        let reached = timeout(within, done.wait_for(|done| *done >= mine)).await;
        // The thread ends only with an empty queue or at its deadline.
        reached.is_ok()
    }

    pub(super) async fn close(&self, queue: &Queue) {
        queue.close();
        let mut done = self.done.clone();
        // Twice: the thread keeps its own deadline, and a try may be under way.
        let ended = async { while done.changed().await.is_ok() {} };
        let _ended = timeout(self.close_timeout * 2, ended).await;
    }
}

struct Sending {
    wire: Wire,
    packer: Packer,
    settings: ReporterSettings,
    queue: Arc<Queue>,
    asked: Arc<AtomicU64>,
    done: watch::Sender<u64>,
    /// Whether the last message was dropped, which is said once.
    silent: bool,
}

impl Sending {
    async fn run(mut self) {
        while !self.queue.is_closed() {
            let asked = self.asked.load(Ordering::Acquire);
            let flushing = asked > *self.done.borrow();
            if !flushing && !self.queue.is_due() && !self.packer.holds_one() {
                let _due = timeout(self.settings.message_timeout, self.queue.woken()).await;
            }
            // Those who wait for a flush wait for what was there when they asked; what comes
            // meanwhile goes with the next message, which is the fuller for it.
            let asked = self.asked.load(Ordering::Acquire);
            let mut left = self.queue.len() + usize::from(self.packer.holds_one());
            while left > 0 && !self.queue.is_closed() {
                let Some(message) = self.packer.pack(&self.queue) else {
                    break;
                };
                left = left.saturating_sub(message.spans);
                self.send(message).await;
            }
            self.done.send_replace(asked);
        }
        // What waits still has until the deadline; the rest is counted.
        while let Some(message) = self.packer.pack(&self.queue) {
            self.send(message).await;
        }
    }

    /// Sends a message, a few times when it must be, but not beyond the end.
    async fn send(&mut self, message: Message) {
        let metrics = self.queue.metrics();
        add(&metrics.messages, 1);
        add(&metrics.message_bytes, message.plain_bytes);
        let end = async { sleep_until(self.queue.closing().await).await };
        let sent = tokio::select! {
            sent = self.attempts(&message) => sent,
            () = end => Err(Failure::Unreachable("the end came first".into())),
        };
        match sent {
            Ok(()) => {
                add(&metrics.spans_sent, message.spans);
                self.silent = false;
            }
            Err(failure) => {
                let cause = match failure {
                    Failure::Refused(_) => Cause::Refused,
                    _ => Cause::Unreachable,
                };
                add(&metrics.messages_dropped, 1);
                metrics.drop(cause, message.spans);
                if !self.silent {
                    tracing::warn!(spans = message.spans, error = %failure, "spans were dropped");
                }
                self.silent = true;
            }
        }
    }

    async fn attempts(&self, message: &Message) -> Result<(), Failure> {
        let mut attempt = 0;
        loop {
            let failure = match self.attempt(message).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            attempt += 1;
            let wait = failure.wait(attempt - 1);
            let Some(wait) = wait.filter(|_| attempt < self.settings.attempts_max) else {
                return Err(failure);
            };
            // When the reporter closes, there is no time to wait.
            let _closed = timeout(wait, self.queue.closing()).await;
            add(&self.queue.metrics().retries, 1);
        }
    }

    async fn attempt(&self, message: &Message) -> Result<(), Failure> {
        let Some(uri) = self.settings.destination.now() else {
            return Err(Failure::Unreachable("no instance of it is known".into()));
        };
        add(&self.queue.metrics().sent_bytes, message.body.len());
        post(&self.wire, uri, message, self.settings.read_timeout).await
    }
}

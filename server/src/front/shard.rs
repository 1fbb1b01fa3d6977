//! A shard: a thread with a runtime of its own, its connections and its way in. Nothing is stolen
//! between shards; they meet in the hand-over queue.

use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use speargun_collector::inlet::Shared;
use speargun_collector::reply::Waiters;
use speargun_collector::{Dial, Inlet, Mailbox, Sampler};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::connection;
use super::service::Service;
use crate::app::App;
use crate::self_tracing::Recorder;

/// Which port a connection came by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Door {
    /// The port of everything.
    Main,
    /// A port that knows OTLP and nothing else.
    Otlp,
}

/// A connection that was accepted, with its share of the limit.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// The socket.
    pub(crate) stream: std::net::TcpStream,
    /// Where it came in.
    pub(crate) door: Door,
    /// Given back when the connection ends.
    pub(crate) permit: OwnedSemaphorePermit,
}

/// What a shard is made of.
#[derive(Debug)]
pub(crate) struct Shard {
    /// Which one.
    pub(crate) number: u32,
    /// What all shards share.
    pub(crate) app: Arc<App>,
    /// What all ways in share.
    pub(crate) shared: Shared,
    /// Where its outcomes come.
    pub(crate) mailbox: Arc<Mailbox>,
    /// Where its connections come; closed when the process is ending.
    pub(crate) accepted: mpsc::Receiver<Accepted>,
    /// Turns true when the process is ending.
    pub(crate) ending: watch::Receiver<bool>,
}

impl Shard {
    /// Starts the shard's thread, which ends when no connection is left and none can come.
    pub(crate) fn start(self) -> std::io::Result<thread::JoinHandle<std::io::Result<()>>> {
        thread::Builder::new()
            .name(format!("shard-{}", self.number))
            .spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build_local(tokio::runtime::LocalOptions::default())?;
                runtime.block_on(self.run());
                Ok(())
            })
    }

    async fn run(mut self) {
        let waiters = Rc::new(Waiters::default());
        let handover = Arc::clone(&self.shared.handover);
        let delivery =
            tokio::task::spawn_local(Rc::clone(&waiters).deliver(self.mailbox, handover));
        let own = OwnSpans::start(&self.app, (&self.shared, self.number), &waiters);
        let service = Rc::new(Service {
            app: self.app,
            shard: self.number,
            inlet: Inlet::new(self.shared, self.number, waiters),
            recorder: own.as_ref().map(|own| Rc::clone(&own.recorder)),
        });
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.accepted.recv() => {
                    let Some(Accepted { stream, door, permit }) = accepted else {
                        break;
                    };
                    let Ok(stream) = TcpStream::from_std(stream) else {
                        continue;
                    };
                    let (service, ending) = (Rc::clone(&service), self.ending.clone());
                    let serving = connection::serve((stream, door), service, ending);
                    connections.spawn_local(async move {
                        serving.await;
                        drop(permit);
                    });
                }
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
            }
        }
        while connections.join_next().await.is_some() {}
        if let Some(own) = own {
            own.end().await;
        }
        delivery.abort();
    }
}

/// The shard's spans of itself, and what stores them.
struct OwnSpans {
    recorder: Rc<Recorder>,
    inlet: Rc<Inlet>,
    storing: JoinHandle<()>,
}

impl OwnSpans {
    fn start(app: &App, (shared, number): (&Shared, u32), waiters: &Rc<Waiters>) -> Option<Self> {
        let recorder = Rc::new(Recorder::new(Arc::clone(app.self_tracing.as_ref()?)));
        // They were sampled before they were made.
        let shared = Shared {
            sampler: Dial::new(Sampler::KEEP_ALL),
            ..shared.clone()
        };
        let inlet = Rc::new(Inlet::new(shared, number, Rc::clone(waiters)));
        let storing = tokio::task::spawn_local(Rc::clone(&recorder).run(Rc::clone(&inlet)));
        Some(Self {
            recorder,
            inlet,
            storing,
        })
    }

    async fn end(self) {
        self.storing.abort();
        self.recorder.flush(&self.inlet).await;
    }
}

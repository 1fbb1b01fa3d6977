//! Puts the parts together, starts them in order and ends them in order. The only place that names
//! an engine.

pub(crate) mod backup;
pub(crate) mod database;
pub(crate) mod engine;
mod otlp;
mod queues;

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use speargun_collector::handover::{Budget, HandoverConfig};
use speargun_collector::inlet::Shared;
use speargun_collector::receive::body::BodyBounds;
use speargun_collector::receive::http::Limits;
use speargun_collector::{Committer, Condition, Dial, Handover, Ledger, Mailbox, Pace, Transport};
use speargun_journal::Journal;
use speargun_model::batch::Bounds;
use speargun_storage::{Retention, SpanReader, WriteError};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::admin::requests::Requests;
use crate::admin::status;
use crate::app::App;
use crate::front::accept;
use crate::front::cors::Origins;
use crate::front::shard::{Accepted, Door, Shard};
use crate::live::{Changing, Live};
use crate::log::LogLevel;
use crate::page::Page;
use crate::queries::{Queries, QueryLimits};
use crate::registration::Registration;
use crate::self_tracing::{SelfTracing, calls};
use crate::settings::{Engine, Settings, Sources, Texts};
use database::Background;
use engine::Store;
use otlp::OtlpDoors;
use queues::Queues;

/// How long the process may take to end once it is asked to.
const END_WITHIN: Duration = Duration::from_secs(10);
/// How long a request's body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(11);
/// Connections that a shard has not taken up yet.
const ACCEPTED_MAX: usize = 64;

/// Runs the backend until a signal ends it.
pub(crate) fn run(
    settings: Settings,
    (sources, texts, log): (Sources, Texts, LogLevel),
) -> anyhow::Result<()> {
    raise_open_files();
    use_small_pages();
    status::start();
    let bounds = bounds(&settings);
    let store = engine::open(&settings)?;
    let address = SocketAddr::new(settings.address, settings.port);
    let listener = accept::listen(address)?;
    let otlp = OtlpDoors::open(&settings)?;
    let backend = Backend::start(settings, store, bounds)?;
    announce(&backend.app.settings, (&listener, &otlp))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let changing = Changing {
        sampler: backend.sampler.clone(),
        log,
        connections: Arc::clone(&backend.app.connections),
        retention: backend.retention.clone(),
        following: Arc::clone(&backend.app.following),
    };
    let live = Live::new(&backend.app.settings, (sources, &texts), changing);
    let ended = runtime.block_on(backend.run((listener, otlp), live));
    // What did not end within the deadline does not hold up the process either.
    runtime.shutdown_background();
    ended
}

/// Everything that was started.
struct Backend {
    app: Arc<App>,
    /// Turned when the configuration changes.
    sampler: Dial,
    retention: Option<Retention>,
    committer: JoinHandle<Result<(), WriteError>>,
    /// Those of shards and of queues.
    shards: Vec<ShardThread>,
    doors: Doors,
    ending: watch::Sender<bool>,
    background: Option<Background>,
    /// Held to the end, so that no other process takes the folder before all is written.
    _lock: Option<crate::lock::FolderLock>,
}

impl Backend {
    fn start(settings: Settings, mut store: Store, bounds: Bounds) -> anyhow::Result<Self> {
        let limits = settings.limits;
        let queues = Queues::of(&settings);
        // Behind the shards come the consumers of queues.
        let threads = limits.shards + queues.consumers();
        let ledger = Arc::new(Ledger::new(threads));
        let handover = Arc::new(Handover::new(HandoverConfig {
            items_max: limits.queue_items,
            bytes_max: limits.queue_bytes,
        }));
        let mailboxes: Vec<Arc<Mailbox>> = (0..threads)
            .map(|_| Arc::new(Mailbox::new(limits.queue_items)))
            .collect();
        let condition = Arc::new(Condition::default());
        let self_tracing = SelfTracing::new(settings.self_tracing).map(Arc::new);
        if let Some(tracing) = &self_tracing {
            ledger.open(Transport::Local);
            store.trace(tracing);
        }
        let committer = Committer::<Journal> {
            handover: Arc::clone(&handover),
            log: store.journal,
            sync: settings.sync,
            writer: store.writer,
            mailboxes: mailboxes.clone(),
            ledger: Arc::clone(&ledger),
            condition: Arc::clone(&condition),
            position: store.position,
            pace: Pace::default(),
        };
        let committer = start_committer(committer)?;
        let shared = Shared {
            ledger: Arc::clone(&ledger),
            handover: Arc::clone(&handover),
            sampler: Dial::new(settings.sampler),
            bounds,
        };
        let sampler = shared.sampler.clone();
        let app = Arc::new(App {
            origins: Origins::new(&settings.query.allowed_origins),
            page: Page::new(&settings.page, settings.query.search),
            queries: queries(&settings, &store.reader)?,
            requests: Requests::new(limits.shards),
            limits: body_limits(&settings),
            ledger,
            handover,
            condition,
            reader: store.reader,
            self_tracing,
            figures: store.figures,
            parts: store.parts,
            following: Arc::default(),
            connections: Arc::new(Semaphore::new(limits.connections_max)),
            queues: queues.standings(),
            settings,
        });
        let (ending, ends) = watch::channel(false);
        let mut of_shards = mailboxes;
        let of_queues = of_shards.split_off(limits.shards);
        let (mut shards, doors) = start_shards(&app, &shared, (of_shards, ends.clone()))?;
        shards.extend(queues.start(shared, limits.body_bytes_max, (of_queues, ends))?);
        Ok(Self {
            app,
            sampler,
            retention: store.retention,
            committer,
            shards,
            doors,
            ending,
            background: store.background,
            _lock: store.lock,
        })
    }

    /// Serves until a signal, then ends from left to right: no more connections, the last requests
    /// of those there are, what they handed over, the engine.
    async fn run(
        self,
        (listener, otlp): (TcpListener, OtlpDoors),
        live: Option<Live>,
    ) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut accepting = JoinSet::new();
        let port = listener.local_addr()?.port();
        let registration = Registration::start(&self.app, port);
        let mut following = JoinSet::new();
        if let Some(live) = live {
            following.spawn(live.run());
        }
        let listeners = otlp.into_listeners().map(|listener| (listener, Door::Otlp));
        for listening in listeners.chain([(listener, Door::Main)]) {
            let permits = Arc::clone(&self.app.connections);
            accepting.spawn(accept::accept(listening, self.doors.clone(), permits));
        }
        drop(self.doors);
        tokio::select! {
            Some(ended) = accepting.join_next() => ended??,
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("ending");
        accepting.shutdown().await;
        self.ending.send_replace(true);
        let (shards, committer, handover) =
            (self.shards, self.committer, Arc::clone(&self.app.handover));
        let background = self.background;
        let drained = tokio::task::spawn_blocking(move || {
            for shard in shards {
                shard.join().map_err(|_| anyhow!("a shard panicked"))??;
            }
            handover.close();
            let closed = committer
                .join()
                .map_err(|_| anyhow!("the committer panicked"))?;
            if let Some(background) = background {
                background.end();
            }
            closed.context("the store could not be closed")
        });
        // Clients should look elsewhere while the last requests are answered.
        let left = async {
            if let Some(registration) = registration {
                registration.end().await;
            }
        };
        let (drained, ()) = tokio::join!(tokio::time::timeout(END_WITHIN, drained), left);
        match drained {
            Ok(done) => done??,
            Err(_) => bail!("not all was written within {END_WITHIN:?}; the journal has the rest"),
        }
        tracing::info!("ended");
        Ok(())
    }
}

type Doors = Vec<mpsc::Sender<Accepted>>;
type ShardThread = JoinHandle<std::io::Result<()>>;

/// Starts a shard for each mailbox; connections go in by the doors.
fn start_shards(
    app: &Arc<App>,
    ways_in: &Shared,
    (mailboxes, ending): (Vec<Arc<Mailbox>>, watch::Receiver<bool>),
) -> std::io::Result<(Vec<ShardThread>, Doors)> {
    let mut threads = Vec::new();
    let mut doors = Vec::new();
    for (number, mailbox) in (0..).zip(mailboxes) {
        let (door, accepted) = mpsc::channel(ACCEPTED_MAX);
        doors.push(door);
        let shard = Shard {
            number,
            app: Arc::clone(app),
            shared: ways_in.clone(),
            mailbox,
            accepted,
            ending: ending.clone(),
        };
        threads.push(shard.start()?);
    }
    Ok((threads, doors))
}

fn start_committer(
    committer: Committer<Journal>,
) -> std::io::Result<JoinHandle<Result<(), WriteError>>> {
    std::thread::Builder::new()
        .name("committer".to_owned())
        .spawn(move || committer.run())
}

fn queries(settings: &Settings, reader: &Arc<dyn SpanReader>) -> std::io::Result<Queries> {
    let limits = QueryLimits {
        threads: settings.limits.query_threads,
        waiting_max: settings.limits.query_queue,
        timeout: settings.query.timeout,
    };
    let answer = engine::answer(&settings.query, reader);
    let answer = if settings.self_tracing.enabled {
        calls::handing_on(answer)
    } else {
        answer
    };
    Queries::start(limits, &answer)
}

fn bounds(settings: &Settings) -> Bounds {
    let default = Bounds::default();
    Bounds {
        body_bytes_max: settings.limits.inflated_bytes_max,
        more_bytes_max: settings.limits.inflated_bytes_max.saturating_mul(2),
        spans_max: match settings.engine {
            // More than it holds would fail with all that came at the same time.
            Engine::Memory => default.spans_max.min(settings.mem_spans_max),
            Engine::Segment | Engine::Database(_) => default.spans_max,
        },
        ..default
    }
}

fn body_limits(settings: &Settings) -> Limits {
    Limits {
        bodies: BodyBounds {
            bytes_max: settings.limits.body_bytes_max,
            together: Budget::new(settings.limits.bodies_bytes),
        },
        read_timeout: BODY_WITHIN,
    }
}

/// Every connection is a file; the soft limit of 1024 is there for programs that this is not.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limits.maximum,
        maximum: limits.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}

/// Memory of spans comes and goes by some megabytes: with huge pages the kernel clears two at each
/// fault, of which a few kilobytes may be used, and that was a fifth of all CPU under load.
fn use_small_pages() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "the kernel decides about huge pages");
    }
}

/// Returns an address as somebody on this machine writes it.
fn place(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}

fn announce(
    settings: &Settings,
    (listener, otlp): (&TcpListener, &OtlpDoors),
) -> anyhow::Result<()> {
    let port = listener.local_addr()?.port();
    let base = format!("http://{}", place(SocketAddr::new(settings.address, port)));
    let page = if settings.page.enabled {
        format!("{base}/zipkin/")
    } else {
        "off".to_owned()
    };
    let data = match settings.engine {
        Engine::Memory => format!("memory, the newest {} spans", settings.mem_spans_max),
        Engine::Segment => {
            let folder = std::path::absolute(&settings.data)?;
            folder.display().to_string()
        }
        Engine::Database(kind) => {
            let folder = std::path::absolute(&settings.data)?;
            format!("{}, by way of {}", kind.name(), folder.display())
        }
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "page   {page}")?;
    writeln!(out, "spans  {base}/api/v2/spans")?;
    for line in otlp.lines()? {
        writeln!(out, "otlp   {line}")?;
    }
    for (transport, line) in queues::lines(settings) {
        writeln!(out, "{transport:<6} {line}")?;
    }
    writeln!(out, "data   {data}")?;
    out.flush()?;
    Ok(())
}

//! A registry's life: what it knew is read, peers are asked, clients are served, and what it knows
//! is left behind.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::book::{Book, Known};
use crate::desk::Desk;
use crate::http::eureka::Operation;
use crate::http::{App, listen};
use crate::meter::{Count, Meter};
use crate::peer::courier::Deps;
use crate::peer::{Peers, State, find};
use crate::settings::Settings;
use crate::snapshot;
use crate::time::{MachineTime, Time};
use crate::tls::{self, Authorities};

/// Leases are looked through so often.
const EXPIRE_EVERY: Duration = Duration::from_secs(1);
/// A changed book is written no more often.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(2);
/// Writing takes no more than this share of the time.
const SNAPSHOT_SHARE: u32 = 20;
/// An older snapshot tells of another day.
const SNAPSHOT_AGE_MAX_MS: u64 = 15 * 60_000;
/// How long peers are waited for before lists are told.
const PEERS_WITHIN: Duration = Duration::from_secs(5);
const END_WITHIN: Duration = Duration::from_secs(8);
/// More threads than these have nothing to do.
const THREADS_MAX: usize = 4;

/// Runs a registry until a signal ends it.
pub fn run(settings: Settings) -> Result<()> {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cpus.clamp(2, THREADS_MAX))
        .thread_name("registry")
        .enable_all()
        .build()?;
    let ended = runtime.block_on(live(settings));
    // What did not end within the deadline does not hold up the process either.
    runtime.shutdown_background();
    ended
}

async fn live(settings: Settings) -> Result<()> {
    let mut stop = Stop::new()?;
    let running = Running::start(settings).await?;
    announce(&running.app.settings, running.port)?;
    stop.wait().await;
    tracing::info!("ending");
    running.end().await;
    Ok(())
}

/// A registry that serves.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub port: u16,
    app: Arc<App>,
    tasks: JoinSet<()>,
    ending: watch::Sender<bool>,
}

// === impl Running ===

impl Running {
    /// Starts a registry on the runtime it is called on.
    pub async fn start(settings: Settings) -> Result<Self> {
        let tls = settings.tls.as_ref().map(tls::acceptor).transpose()?;
        let is_tls = settings.peers.iter().any(|peer| peer.is_tls);
        let peer_tls = tls::peers(match settings.peer_ca.as_deref() {
            Some(file) => Authorities::File(file),
            None if is_tls => Authorities::System,
            None => Authorities::Nobody,
        })?;
        let address = SocketAddr::new(settings.address, settings.port);
        let listener = TcpListener::bind(address).await;
        let listener = listener.with_context(|| format!("{address} can't be listened on"))?;
        let port = listener.local_addr()?.port();
        let node = node_id()?;

        let time: Arc<dyn Time> = Arc::new(MachineTime::default());
        let meter = Meter::new(Operation::NAMES.len());
        let book = Book::new(settings.rules);
        let desk = Arc::new(Desk::new(book, Peers::default(), settings.bounds, meter));
        let file = settings
            .data
            .as_deref()
            .map(|data| prepare(data, port))
            .transpose()?;
        if let Some(file) = &file {
            recall(&desk, file, &*time);
        }
        let app = App::new(Arc::clone(&desk), Arc::clone(&time), settings, node.clone());
        let app = Arc::new(app);
        let deps = Arc::new(Deps {
            desk: Arc::clone(&desk),
            time: Arc::clone(&time),
            tls: peer_tls,
            node,
        });
        let (ending, ends) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(expire(desk, time, ends.clone()));
        tasks.spawn(find::keep(app.settings.peers.clone(), deps, ends.clone()));
        tasks.spawn(become_ready(Arc::clone(&app)));
        if let Some(file) = file {
            tasks.spawn(keep_snapshot(Arc::clone(&app), file, ends.clone()));
        }
        tasks.spawn(listen::serve(Arc::clone(&app), listener, tls, ends));
        Ok(Self {
            port,
            app,
            tasks,
            ending,
        })
    }

    /// Ends it: answers under way are finished, peers told, the snapshot written.
    pub async fn end(mut self) {
        // Nobody listens any more when all tasks have ended by themselves.
        self.ending.send(true).ok();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        timeout(END_WITHIN, all).await.ok();
    }
}

/// The signals that end a registry.
struct Stop {
    term: tokio::signal::unix::Signal,
    int: tokio::signal::unix::Signal,
}

// === impl Stop ===

impl Stop {
    fn new() -> Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

/// Returns a name that no other registry has.
fn node_id() -> Result<String> {
    let mut bytes = [0_u8; 16];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

fn announce(settings: &Settings, port: u16) -> Result<()> {
    let peers = settings.peers.len();
    tracing::info!(port, peers, "registry is up");
    let scheme = if settings.tls.is_some() {
        "https"
    } else {
        "http"
    };
    // Somebody on this machine reads it.
    let host = if settings.address.is_unspecified() {
        "localhost".to_owned()
    } else {
        SocketAddr::new(settings.address, 0).to_string()
    };
    let host = host.strip_suffix(":0").unwrap_or(&host);
    let base = format!("{scheme}://{host}:{port}");
    // At once: whoever reads may want the first line alone.
    let lines = format!("page   {base}/\neureka {base}/eureka/\n");
    let mut out = std::io::stdout().lock();
    out.write_all(lines.as_bytes())?;
    Ok(out.flush()?)
}

fn prepare(folder: &Path, port: u16) -> Result<PathBuf> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("the data folder {} can't be made", folder.display()))?;
    Ok(snapshot::path(folder, port))
}

/// Reads what was known in an earlier life. Clients could not renew meanwhile, so leases begin
/// anew.
fn recall(desk: &Desk, file: &Path, time: &dyn Time) {
    let shown = file.display();
    let leases = match snapshot::load(file) {
        Ok(Some(leases)) => leases,
        Ok(None) => return,
        Err(error) => {
            tracing::warn!("the snapshot {shown} is left alone: {error}");
            return;
        }
    };
    let now = time.now();
    let age_ms = now.wall_ms.saturating_sub(leases.wall_ms);
    if age_ms > SNAPSHOT_AGE_MAX_MS {
        tracing::info!(age_ms, "the snapshot {shown} is too old to be believed");
        return;
    }
    let known = leases.known.into_iter();
    let known: Vec<Known> = known
        .map(|known| Known {
            silent_ms: 0,
            ..known
        })
        .collect();
    let instances = desk.adopt(known, now);
    tracing::info!(instances, age_ms, "read the snapshot {shown}");
}

async fn expire(desk: Arc<Desk>, time: Arc<dyn Time>, mut ends: watch::Receiver<bool>) {
    let mut ticks = interval(EXPIRE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => desk.expire(time.now()),
            _ = ends.changed() => return,
        }
    }
}

/// Lists are told once all peers were asked, or when it takes too long.
async fn become_ready(app: Arc<App>) {
    const LOOK_EVERY: Duration = Duration::from_millis(10);
    let deadline = Instant::now() + PEERS_WITHIN;
    let wants = !app.settings.peers.is_empty();
    while wants && Instant::now() < deadline {
        let peers = app.desk.peers().all();
        let is_asked = |state: &State| *state != State::Unknown;
        if !peers.is_empty() && peers.iter().all(|peer| is_asked(&peer.state())) {
            break;
        }
        sleep(LOOK_EVERY).await;
    }
    app.set_ready();
}

/// Writes the book whenever it changed, and a last time at the end.
async fn keep_snapshot(app: Arc<App>, file: PathBuf, mut ends: watch::Receiver<bool>) {
    let mut written = None;
    let mut pause = SNAPSHOT_EVERY;
    loop {
        let is_last = tokio::select! {
            () = sleep(pause) => false,
            _ = ends.changed() => true,
        };
        let version = app.desk.book().version();
        if written != Some(version) || is_last {
            let began = Instant::now();
            written = write_snapshot(&app, &file).await.then_some(version);
            pause = SNAPSHOT_EVERY.max(began.elapsed() * SNAPSHOT_SHARE);
        }
        if is_last {
            return;
        }
    }
}

async fn write_snapshot(app: &App, file: &Path) -> bool {
    let leases = snapshot::leases(&app.desk.book());
    let (now, path) = (app.time.now(), file.to_owned());
    let written = tokio::task::spawn_blocking(move || {
        snapshot::write(&path, &leases, now).map_err(|error| error.to_string())
    });
    let why = match written.await {
        Ok(Ok(())) => {
            app.desk.meter.add(Count::Snapshots, 1);
            return true;
        }
        Ok(Err(why)) => why,
        Err(error) => error.to_string(),
    };
    app.desk.meter.add(Count::SnapshotsFailed, 1);
    let what = format!("the snapshot {} can't be written: {why}", file.display());
    app.desk.complaints.tell("snapshot", app.time.now(), &what);
    false
}

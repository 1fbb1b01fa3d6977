//! A connection to the servers: one small runtime under blocking calls, deadlines on both sides,
//! and the next server after one that can't be reached. It knows no table.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clickhouse::Client;
use clickhouse::query::Query;
use speargun_storage::ReadContext;
use tokio::runtime::{Builder, Runtime};

use crate::config::Config;
use crate::fault::Fault;

/// How much longer than the server this side waits: the server's own word is the better one.
const GRACE: Duration = Duration::from_millis(250);

/// Threads that carry bytes between the sockets and those who wait. Only HTTP runs on them.
const THREADS: usize = 2;

/// How long a server that nobody has heard of lately may take to be connected to, when there are
/// others.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How often something is tried at least: a connection that was kept for later may have died.
const ATTEMPTS_MIN: usize = 2;

/// A server.
struct Place {
    url: String,
    client: Client,
    /// Whether its last answer came.
    heard: AtomicBool,
}

/// The servers of a [`Config`]. Calls block the calling thread, which must not be one of an
/// asynchronous runtime.
pub struct Server {
    runtime: Option<Runtime>,
    places: Vec<Place>,
    /// The index of the server that is asked first; it counts on when one fails.
    current: AtomicUsize,
    query_timeout: Duration,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let urls: Vec<&str> = self.urls().collect();
        f.debug_struct("Server")
            .field("urls", &urls)
            .finish_non_exhaustive()
    }
}

/// When to give up, as both sides are told.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

// === impl Deadline ===

impl Deadline {
    /// Returns the deadline in so much time.
    pub fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// Returns what is left; an error when it is nothing.
    fn left(self) -> Result<Duration, Fault> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Fault::Deadline);
        }
        Ok(left)
    }
}

// === impl Server ===

impl Server {
    /// Returns the servers without asking any; an error when the runtime can't be made.
    pub fn new(config: &Config) -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("clickhouse")
            .enable_all()
            .build()?;
        let place = |url: &String| Place {
            url: url.clone(),
            client: Client::default()
                .with_url(url)
                .with_user(&config.user)
                .with_password(&config.password.0)
                .with_database(&config.database)
                .with_product_info("speargun", env!("CARGO_PKG_VERSION")),
            heard: AtomicBool::new(false),
        };
        Ok(Self {
            runtime: Some(runtime),
            places: config.urls.iter().map(place).collect(),
            current: AtomicUsize::new(0),
            query_timeout: config.query_timeout,
        })
    }

    /// Returns the deadline of a query.
    pub fn deadline(&self, context: &ReadContext) -> Deadline {
        Deadline(
            context
                .deadline
                .unwrap_or_else(|| Instant::now() + self.query_timeout),
        )
    }

    /// Returns the urls, as configured.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        self.places.iter().map(|place| place.url.as_str())
    }

    /// Does `work` with a client, again with the next server's while they can't be reached.
    pub fn with_client<T>(
        &self,
        deadline: Deadline,
        work: impl AsyncFn(Client) -> Result<T, Failed>,
    ) -> Result<T, Fault> {
        let mut outcome = Err(Fault::Deadline);
        for _ in 0..self.places.len().max(ATTEMPTS_MIN) {
            let current = self.current.load(Ordering::Relaxed);
            let Some(place) = self.places.get(current % self.places.len().max(1)) else {
                break;
            };
            outcome = self.once(deadline, place, work(place.client.clone()));
            if !outcome.as_ref().is_err_and(Fault::is_of_the_server) {
                return outcome;
            }
            self.pass_on(current);
        }
        outcome
    }

    /// Lets the next server be asked first. Of several threads that notice at once only one counts
    /// on; that the others fail to is as it should be.
    fn pass_on(&self, from: usize) {
        let next = from.wrapping_add(1);
        self.current
            .compare_exchange(from, next, Ordering::Relaxed, Ordering::Relaxed)
            .ok();
    }

    fn once<T>(
        &self,
        deadline: Deadline,
        place: &Place,
        work: impl Future<Output = Result<T, Failed>>,
    ) -> Result<T, Fault> {
        let wait = deadline.left()? + GRACE;
        let Some(runtime) = &self.runtime else {
            return Err(Fault::Deadline);
        };
        let is_alone = self.places.len() < 2;
        let outcome = runtime.block_on(async {
            if !is_alone && !place.heard.load(Ordering::Relaxed) {
                place.connect().await?;
            }
            match tokio::time::timeout(wait, work).await {
                Err(_) => Err(Fault::Deadline),
                Ok(Err(Failed::Client(error))) => Err(Fault::of(&error, &place.url)),
                Ok(Err(Failed::Fault(fault))) => Err(fault),
                Ok(Ok(value)) => Ok(value),
            }
        });
        let silent = matches!(outcome, Err(Fault::Deadline | Fault::Unreachable { .. }));
        place.heard.store(!silent, Ordering::Relaxed);
        outcome
    }
}

impl Place {
    /// Connects and says nothing: a server that is gone without a word must not take the time that
    /// the others need.
    async fn connect(&self) -> Result<(), Fault> {
        let fault = |text: String| Fault::Unreachable {
            url: self.url.clone(),
            text,
        };
        let connecting = tokio::net::TcpStream::connect(address(&self.url));
        match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Err(_) => Err(fault(format!("no connection in {CONNECT_TIMEOUT:?}"))),
            Ok(Err(error)) => Err(fault(error.to_string())),
            Ok(Ok(_)) => Ok(()),
        }
    }
}

/// Returns the host and port of a URL of ours.
fn address(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let host = rest.split('/').next().unwrap_or(rest);
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    match (has_port, scheme) {
        (true, _) => host.to_owned(),
        (false, "https") => format!("{host}:443"),
        (false, _) => format!("{host}:80"),
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Dropping waits for the threads, which a thread of another runtime must not do.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Why work with a client did not end well.
#[derive(Debug)]
pub enum Failed {
    /// The client library says so.
    Client(clickhouse::error::Error),
    /// It was found here.
    Fault(Fault),
}

impl From<clickhouse::error::Error> for Failed {
    fn from(error: clickhouse::error::Error) -> Self {
        Self::Client(error)
    }
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Returns a query whose text is taken as it is, and which the server ends at the deadline.
pub(crate) fn query(client: &Client, text: &str, deadline: Deadline) -> Result<Query, Fault> {
    let seconds = deadline.left()?.as_secs_f64();
    Ok(client
        .query_raw(text)
        .with_setting("max_execution_time", format!("{seconds:.3}"))
        // Exactly that long, not until the server's estimate says so.
        .with_setting("timeout_before_checking_execution_speed", "0")
        // Subqueries ask the shard that they run on: all spans of a trace lie on one.
        .with_setting("distributed_product_mode", "local"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_the_port_of_their_scheme() {
        assert_eq!(address("http://a:8123/x"), "a:8123");
        assert_eq!(address("https://a/x"), "a:443");
        assert_eq!(address("http://a"), "a:80");
        assert_eq!(address("http://[::1]"), "[::1]:80");
        assert_eq!(address("http://[::1]:1"), "[::1]:1");
    }
}

//! The way to the server: a pool of connections on a runtime of its own, on whose thread sockets
//! are watched while callers block. Each piece of work gets a connection, a deadline that the
//! server knows too, and a few more tries after what may work at once. It knows no spans.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{
    Conn, OptsBuilder, Params, Pool, PoolConstraints, PoolOpts, Row, SslOpts, Value,
};
use parking_lot::Mutex;
use speargun_storage::ReadContext;
use tokio::runtime::Runtime;

use crate::config::{Config, Texts, Tls};
use crate::error::{Fault, Verdict};
use crate::schema::{self, Schema};

/// Tries of one piece of work, as long as it fails in ways that may not last.
const TRIES_MAX: u32 = 4;

/// The wait before the second try; each further one waits four times as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// How long a connection may take to come about, or to become free.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// How much longer than the deadline the caller waits for the server to notice it.
const GRACE: Duration = Duration::from_millis(500);

/// How long a connection that nobody needs is kept.
const IDLE_MAX: Duration = Duration::from_mins(2);

/// Prepared statements that a connection keeps.
const STATEMENTS_MAX: usize = 64;

/// The pool.
pub(crate) struct Link {
    runtime: Option<Runtime>,
    pool: Pool,
    /// What texts are in tables that are made; none if they are not.
    creates: Option<Texts>,
    /// The tables as they were last looked at; none until they were.
    schema: Mutex<Option<Arc<Schema>>>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

/// A connection with all that a piece of work needs to know.
pub(crate) struct Session {
    pub(crate) conn: Conn,
    pub(crate) schema: Arc<Schema>,
    limit: Limit,
}

/// How long a piece of work may take.
#[derive(Clone, Copy, Debug)]
enum Limit {
    /// Until then, all of it.
    Until(Instant),
    /// As long as the server answers each statement within so much time.
    Each(Duration),
    /// However long.
    None,
}

impl Limit {
    fn deadline(self) -> Option<Instant> {
        match self {
            Self::Until(deadline) => Some(deadline),
            Self::Each(_) | Self::None => None,
        }
    }

    /// Waits for the answer to a statement. A connection that is given up in the middle of one is
    /// closed, not used again.
    async fn answer<T>(
        self,
        answer: impl Future<Output = mysql_async::Result<T>>,
    ) -> Result<T, Fault> {
        match self {
            Self::Each(patience) => match tokio::time::timeout(patience, answer).await {
                Ok(answer) => Ok(answer?),
                Err(_) => Err(Fault::Silent(patience)),
            },
            // The deadline is kept by whoever waits for all of the work.
            Self::Until(_) | Self::None => Ok(answer.await?),
        }
    }
}

// === impl Link ===

impl Link {
    /// Makes a pool, and no connection yet: the server may be away.
    pub(crate) fn new(config: &Config) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("mysql-io")
            .enable_all()
            .build()?;
        // A pool spawns a task that closes what is no longer used.
        let entered = runtime.enter();
        let pool = Pool::new(options(config));
        drop(entered);
        Ok(Self {
            runtime: Some(runtime),
            pool,
            creates: config.creates_tables.then_some(config.new_texts),
            schema: Mutex::new(None),
        })
    }

    /// Does a piece of work within the caller's deadline.
    pub(crate) fn read<T>(
        &self,
        context: &ReadContext,
        work: impl AsyncFn(&mut Session) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let limit = context.deadline.map_or(Limit::None, Limit::Until);
        self.wait_for(self.tried(limit, work))
    }

    /// Does a piece of work that takes as long as it takes, while the server answers each statement
    /// within `patience`.
    pub(crate) fn run<T>(
        &self,
        patience: Duration,
        work: impl AsyncFn(&mut Session) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.wait_for(self.tried(Limit::Each(patience), work))
    }

    /// Does a piece of work on a connection of which nothing is known, once.
    pub(crate) fn bare<T>(
        &self,
        work: impl AsyncFnOnce(&mut Conn) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.wait_for(async {
            let mut conn = self.connect(None).await?;
            work(&mut conn).await
        })
    }

    fn wait_for<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        match &self.runtime {
            Some(runtime) => runtime.block_on(work),
            None => Err(Fault::Schema("the pool is closed".into())),
        }
    }

    async fn tried<T>(
        &self,
        limit: Limit,
        work: impl AsyncFn(&mut Session) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut pause = FIRST_PAUSE;
        let mut tries = 1;
        loop {
            let attempt = self.attempt(limit, &work);
            let fault = match limit.deadline() {
                Some(deadline) => {
                    let last = tokio::time::Instant::from_std(deadline + GRACE);
                    let done = tokio::time::timeout_at(last, attempt).await;
                    done.unwrap_or(Err(Fault::Deadline))
                }
                None => attempt.await,
            };
            let fault = match fault {
                Err(fault) => fault,
                done => return done,
            };
            if fault.is_about_tables() {
                *self.schema.lock() = None;
            }
            if fault.verdict() != Verdict::Again || tries == TRIES_MAX {
                return Err(fault);
            }
            tracing::debug!(%fault, tries, "trying again");
            tokio::time::sleep(pause).await;
            (tries, pause) = (tries + 1, pause * 4);
        }
    }

    async fn attempt<T>(
        &self,
        limit: Limit,
        work: &impl AsyncFn(&mut Session) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut conn = self.connect(limit.deadline()).await?;
        let schema = self.schema(&mut conn, limit).await?;
        let settings = schema.session_settings(limit.deadline())?;
        limit.answer(conn.query_drop(settings)).await?;
        let mut session = Session {
            conn,
            schema,
            limit,
        };
        work(&mut session).await
    }

    async fn connect(&self, deadline: Option<Instant>) -> Result<Conn, Fault> {
        let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
        let wait = left.map_or(CONNECT_MAX, |left| left.min(CONNECT_MAX));
        match tokio::time::timeout(wait, self.pool.get_conn()).await {
            Ok(conn) => Ok(conn?),
            Err(_) if wait < CONNECT_MAX => Err(Fault::Deadline),
            Err(_) => Err(Fault::Database(mysql_async::Error::from(
                std::io::Error::new(std::io::ErrorKind::TimedOut, "no connection within 10 s"),
            ))),
        }
    }

    /// Returns what the tables are like, looking at them if need be.
    async fn schema(&self, conn: &mut Conn, limit: Limit) -> Result<Arc<Schema>, Fault> {
        if let Some(known) = self.schema.lock().clone() {
            return Ok(known);
        }
        let opening = schema::open(conn, self.creates);
        let opened = match limit {
            // Many statements, some of which make tables.
            Limit::Each(patience) => {
                let opened = tokio::time::timeout(patience, opening).await;
                opened.unwrap_or(Err(Fault::Silent(patience)))
            }
            Limit::Until(_) | Limit::None => opening.await,
        };
        let found = Arc::new(opened?);
        *self.schema.lock() = Some(found.clone());
        Ok(found)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Connections end with their sockets; nobody waits for goodbyes.
            runtime.shutdown_background();
        }
    }
}

fn options(config: &Config) -> OptsBuilder {
    let constraints = PoolConstraints::new(0, config.connections_max).unwrap_or_default();
    let pool = PoolOpts::default()
        .with_constraints(constraints)
        .with_inactive_connection_ttl(IDLE_MAX)
        // A reset would forget prepared statements; each piece of work sets what it needs.
        .with_reset_connection(false);
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    OptsBuilder::default()
        .ip_or_hostname(config.host.clone())
        .tcp_port(config.port)
        .user(some(&config.user))
        .pass(some(&config.password))
        .db_name(some(&config.database))
        .pool_opts(pool)
        .prefer_socket(false)
        .tcp_keepalive(Some(Duration::from_secs(30)))
        .stmt_cache_size(STATEMENTS_MAX)
        .ssl_opts(ssl(&config.tls))
}

fn ssl(tls: &Tls) -> Option<SslOpts> {
    match tls {
        Tls::Off => None,
        Tls::Unverified => Some(
            SslOpts::default()
                .with_danger_accept_invalid_certs(true)
                .with_danger_skip_domain_validation(true),
        ),
        Tls::Verified(None) => Some(SslOpts::default()),
        Tls::Verified(Some(file)) => {
            Some(SslOpts::default().with_root_certs(vec![file.clone().into()]))
        }
    }
}

// === impl Session ===

impl Session {
    /// Returns an error once the deadline has passed.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        match self.limit {
            Limit::Until(deadline) if Instant::now() >= deadline => Err(Fault::Deadline),
            // Given up in the middle of a statement, it may still say what that one's answer is.
            _ if self.conn.is_disconnected() => {
                Err(mysql_async::Error::from(mysql_async::DriverError::ConnectionClosed).into())
            }
            _ => Ok(()),
        }
    }

    /// Runs a statement without values.
    pub(crate) async fn order(&mut self, sql: &str) -> Result<(), Fault> {
        self.check()?;
        self.limit.answer(self.conn.query_drop(sql)).await
    }

    /// Does a piece of work in a transaction, of which nothing is left when it fails.
    pub(crate) async fn transaction<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.order("BEGIN").await?;
        match work(self).await {
            Ok(done) => {
                self.order("COMMIT").await?;
                Ok(done)
            }
            Err(fault) => {
                // It ends with the connection if not this way.
                if let Err(fault) = self.order("ROLLBACK").await {
                    tracing::debug!(%fault, "no rollback");
                }
                Err(fault)
            }
        }
    }

    /// Returns the rows of a query. Values are parameters, always.
    pub(crate) async fn rows(&mut self, sql: &str, values: Vec<Value>) -> Result<Vec<Row>, Fault> {
        self.check()?;
        let rows = self.conn.exec(sql, positional(values));
        self.limit.answer(rows).await
    }

    /// Hands out the rows of a query one by one; what `take` refuses ends it.
    pub(crate) async fn each(
        &mut self,
        sql: &str,
        values: Vec<Value>,
        mut take: impl FnMut(&Row) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.check()?;
        let limit = self.limit;
        let result = self.conn.exec_iter(sql, positional(values));
        let mut result = limit.answer(result).await?;
        while let Some(row) = limit.answer(result.next()).await? {
            take(&row)?;
        }
        Ok(())
    }

    /// Does something, and returns how many rows it changed.
    pub(crate) async fn change(&mut self, sql: &str, values: Vec<Value>) -> Result<u64, Fault> {
        self.check()?;
        let done = self.conn.exec_drop(sql, positional(values));
        self.limit.answer(done).await?;
        Ok(self.conn.affected_rows())
    }
}

fn positional(values: Vec<Value>) -> Params {
    if values.is_empty() {
        Params::Empty
    } else {
        Params::Positional(values)
    }
}

/// Returns a row's number.
pub(crate) fn int(row: &Row, place: usize) -> Option<i64> {
    match row.as_ref(place)? {
        Value::Int(number) => Some(*number),
        Value::UInt(number) => Some(number.cast_signed()),
        Value::Bytes(digits) => std::str::from_utf8(digits).ok()?.parse().ok(),
        _ => None,
    }
}

/// Returns a row's bytes.
pub(crate) fn bytes(row: &Row, place: usize) -> Option<&[u8]> {
    match row.as_ref(place)? {
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

/// Returns a row's text; what is no UTF-8 is replaced.
pub(crate) fn text(row: &Row, place: usize) -> Option<String> {
    bytes(row, place).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// Returns `count` parameters in brackets, `groups` times.
pub(crate) fn places(groups: usize, count: usize) -> String {
    let group = format!("({})", vec!["?"; count].join(","));
    vec![group; groups].join(",")
}

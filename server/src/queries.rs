//! Queries block, so they run on threads of their own: a few at a time, some waiting, the rest
//! refused. It knows nothing of what they ask.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use speargun_query::{Lines, api};
use tokio::sync::oneshot;

use crate::front::reply::{self, Reply};
use crate::front::stream::stream;
use crate::front::unread::Unread;

/// How long lines may be made where queries may take for ever: somebody has to read them.
const LINES_WITHIN: Duration = Duration::from_mins(10);

/// Answers a path and its query, or says that there is no such path.
pub(crate) type AskApi = dyn Fn(&str, Option<&str>) -> Option<Reply> + Send + Sync;

/// How many, how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueryLimits {
    /// Queries that run at a time.
    pub(crate) threads: usize,
    /// Queries that wait.
    pub(crate) waiting_max: usize,
    /// How long one may take, waiting included; `None` is for ever.
    pub(crate) timeout: Option<Duration>,
}

/// Said when clients read too little.
const NO_ROOM: &str = "too many answers wait to be read";

struct Query {
    path: String,
    query: Option<String>,
    headers: HeaderMap,
    reply: oneshot::Sender<Reply>,
}

/// The threads that answer queries. They end when this is dropped.
#[derive(Debug)]
pub(crate) struct Queries {
    waiting: SyncSender<Query>,
    /// Those that take little time, which long searches must not hold up.
    quick: SyncSender<Query>,
    unread: Arc<Unread>,
    /// Answers that are no queries': who does not read those must not cost operators theirs.
    others: Arc<Unread>,
    timeout: Option<Duration>,
}

impl Queries {
    /// Starts the threads.
    pub(crate) fn start(limits: QueryLimits, answer: &Arc<AskApi>) -> std::io::Result<Self> {
        let unread = Arc::new(Unread::default());
        let start = |threads: std::ops::Range<usize>| {
            let (waiting, queries) = sync_channel(limits.waiting_max);
            let queries = Arc::new(Mutex::new(queries));
            for number in threads {
                let (queries, answer) = (Arc::clone(&queries), Arc::clone(answer));
                let answering = Answering {
                    unread: Arc::clone(&unread),
                    timeout: limits.timeout.unwrap_or(LINES_WITHIN),
                };
                std::thread::Builder::new()
                    .name(format!("query-{number}"))
                    .spawn(move || answering.run(&queries, &*answer))?;
            }
            std::io::Result::Ok(waiting)
        };
        Ok(Self {
            waiting: start(1..limits.threads + 1)?,
            quick: start(0..1)?,
            unread,
            others: Arc::default(),
            timeout: limits.timeout,
        })
    }

    /// Returns the bytes of answers that clients have not read yet.
    pub(crate) fn unread_bytes(&self) -> usize {
        self.unread.bytes() + self.others.bytes()
    }

    /// Counts the body of another answer until it is sent; such bodies have a bound of their own.
    /// Few bytes always pass: probes ask for those.
    pub(crate) fn count_unread(&self, mut reply: Reply) -> Reply {
        const PASS_BYTES: usize = 4096;
        if reply::data(&reply).len() <= PASS_BYTES || reply::hold(&mut reply, &self.others) {
            reply
        } else {
            reply::busy(NO_ROOM)
        }
    }

    /// Answers a query of the API.
    pub(crate) async fn answer(
        &self,
        path: &str,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Reply {
        let is_page = is_page(path);
        if !is_page && !path.starts_with("/api/v2/") {
            return reply::not_found();
        }
        let (sender, answer) = oneshot::channel();
        let query = Query {
            path: path.to_owned(),
            query: query.map(str::to_owned),
            headers: headers.clone(),
            reply: sender,
        };
        let queue = if is_long(path) {
            &self.waiting
        } else {
            &self.quick
        };
        match queue.try_send(query) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return busy(path, "too many queries are waiting"),
            Err(TrySendError::Disconnected(_)) => return busy(path, "the server is ending"),
        }
        let answered = match self.timeout {
            Some(timeout) => tokio::time::timeout(timeout, answer).await,
            None => Ok(answer.await),
        };
        match answered {
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) if is_page => failed_page("failed", "the query was given up"),
            Ok(Err(_)) => failed("the query was given up"),
            Err(_) if is_page => failed_page("timeout", "the query took too long"),
            Err(_) => failed("RequestTimeoutException"),
        }
    }
}

/// Returns whether a query looks at many traces.
fn is_long(path: &str) -> bool {
    ["traces", "traceMany", "dependencies", "overview", "why"]
        .iter()
        .any(|name| path.ends_with(name))
}

fn failed(text: &'static str) -> Reply {
    reply::with_body(StatusCode::INTERNAL_SERVER_ERROR, reply::ANY_TEXT, text)
}

/// Returns the same for our page, in the form that it reads.
fn failed_page(code: &str, text: &str) -> Reply {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    reply::with_body(status, "application/json", page_error(code, text))
}

/// Answers that a query should come again later.
fn busy(path: &str, text: &'static str) -> Reply {
    let reply = reply::busy(text);
    if !is_page(path) {
        return reply;
    }
    let body = page_error("busy", text);
    let (mut head, _) = reply.into_parts();
    let (page_head, body) = reply::with_body(head.status, "application/json", body).into_parts();
    head.headers.extend(page_head.headers);
    Reply::from_parts(head, body)
}

/// Returns whether our page alone asks this, and reads errors as JSON.
fn is_page(path: &str) -> bool {
    path.starts_with(api::ui::PREFIX)
}

fn page_error(code: &str, text: &str) -> String {
    format!("{{\"error\":{{\"code\":\"{code}\",\"message\":\"{text}\"}}}}")
}

/// What the threads share.
struct Answering {
    unread: Arc<Unread>,
    timeout: Duration,
}

impl Answering {
    fn run(&self, queries: &Mutex<Receiver<Query>>, answer: &AskApi) {
        loop {
            // One thread waits for the next query; the others wait for the lock.
            let next = queries.lock().recv();
            let Ok(query) = next else {
                return;
            };
            // A client that went away, or waited too long in the queue, gets no work done.
            if query.reply.is_closed() {
                continue;
            }
            let mut reply =
                answer(&query.path, query.query.as_deref()).unwrap_or_else(reply::not_found);
            match reply::take_lines(&mut reply) {
                Some(lines) => self.stream(query, reply, lines),
                None => self.send(query, reply),
            }
        }
    }

    fn send(&self, query: Query, mut reply: Reply) {
        reply::compress(&mut reply, &query.headers);
        if !reply::hold(&mut reply, &self.unread) {
            reply = busy(&query.path, NO_ROOM);
        }
        // It fails when the client went away meanwhile.
        let _unheard = query.reply.send(reply);
    }

    /// Sends the head, and then the lines while they are made, until nobody reads them.
    fn stream(&self, query: Query, mut reply: Reply, lines: Lines) {
        let (sink, source) = stream(Instant::now().checked_add(self.timeout));
        if !reply::hold_stream(&mut reply, source, (&self.unread, self.timeout)) {
            // It fails when the client went away meanwhile.
            let _unheard = query.reply.send(busy(&query.path, NO_ROOM));
            return;
        }
        if query.reply.send(reply).is_ok() && lines.write_to(&mut |some| sink.push(some.into())) {
            sink.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn limits(waiting_max: usize, timeout: Duration) -> QueryLimits {
        QueryLimits {
            threads: 1,
            waiting_max,
            timeout: Some(timeout),
        }
    }

    async fn status(queries: &Queries, path: &str) -> StatusCode {
        queries.answer(path, None, &HeaderMap::new()).await.status()
    }

    #[tokio::test]
    async fn only_paths_of_the_api_are_asked() {
        let answer: Arc<AskApi> =
            Arc::new(|path, _| (path == "/api/v2/x").then(|| reply::empty(StatusCode::OK)));
        let queries = Queries::start(limits(4, Duration::from_mins(1)), &answer).unwrap();
        assert_eq!(status(&queries, "/api/v2/x").await, StatusCode::OK);
        assert_eq!(status(&queries, "/api/v2/y").await, StatusCode::NOT_FOUND);
        assert_eq!(status(&queries, "/api/v1/x").await, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn other_answers_are_counted_until_they_are_sent() {
        let answer: Arc<AskApi> = Arc::new(|_, _| None);
        let queries = Queries::start(limits(4, Duration::from_mins(1)), &answer).unwrap();
        let answer = |bytes: usize| {
            let reply = reply::with_body(StatusCode::OK, reply::PLAIN_TEXT, vec![0; bytes]);
            queries.count_unread(reply)
        };
        let mut reply = answer(4097);
        assert_eq!(queries.unread_bytes(), 4097);
        assert!(reply::take_watch(&mut reply).is_some());
        drop(reply);
        assert_eq!(queries.unread_bytes(), 0);
        // One answer may be larger than the bound; then there is room for what probes ask for.
        let _large = answer(200 << 20);
        assert_eq!(answer(4097).status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer(4096).status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn too_many_are_refused_and_too_slow_ones_time_out() {
        let (release, gate) = mpsc::sync_channel::<()>(0);
        let (begun, begins) = mpsc::sync_channel::<()>(1);
        let gate = Mutex::new(gate);
        let answer: Arc<AskApi> = Arc::new(move |_, _| {
            begun.send(()).unwrap();
            let _released = gate.lock().recv();
            Some(reply::empty(StatusCode::OK))
        });
        let queries = Queries::start(limits(1, Duration::from_millis(20)), &answer).unwrap();
        // The first runs, the second waits, the third finds no place.
        let headers = HeaderMap::new();
        let mut first = Box::pin(queries.answer("/api/v2/x", None, &headers));
        assert!(futures_poll(first.as_mut()).is_none());
        begins.recv().unwrap();
        let mut second = Box::pin(queries.answer("/api/v2/x", None, &headers));
        assert!(futures_poll(second.as_mut()).is_none());
        assert_eq!(
            status(&queries, "/api/v2/x").await,
            StatusCode::SERVICE_UNAVAILABLE
        );
        // Nobody answers it before its timeout.
        assert_eq!(first.await.status(), StatusCode::INTERNAL_SERVER_ERROR);
        drop(release);
    }

    #[tokio::test]
    async fn searches_do_not_hold_up_what_takes_little_time() {
        let (release, gate) = mpsc::sync_channel::<()>(0);
        let gate = Mutex::new(gate);
        let answer: Arc<AskApi> = Arc::new(move |path, _| {
            if path == "/api/v2/traces" {
                let _released = gate.lock().recv();
            }
            Some(reply::empty(StatusCode::OK))
        });
        let queries = Queries::start(limits(4, Duration::from_mins(1)), &answer).unwrap();
        let headers = HeaderMap::new();
        let mut search = Box::pin(queries.answer("/api/v2/traces", None, &headers));
        assert!(futures_poll(search.as_mut()).is_none());
        for path in ["/api/v2/services", "/api/v2/trace/1"] {
            assert_eq!(status(&queries, path).await, StatusCode::OK, "{path}");
        }
        drop(release);
        assert_eq!(search.await.status(), StatusCode::OK);
    }

    fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match future.poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}

//! Git's way over HTTP by a client that can be interrupted while it waits for the remote; the one
//! of git's library holds its thread until the remote has said something.

use std::any::Any;
use std::io::{BufRead, Cursor, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use gix::error::{Error, Result};
use gix::protocol::transport::client::AuthenticationRequired;
use gix::protocol::transport::client::blocking_io::http::{
    GetResponse, Http, PostBodyDataKind, PostResponse,
};
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use parking_lot::Mutex;
use reqwest::redirect::Policy;
use tokio::runtime::Handle;

use super::interrupt::Interrupt;

/// How long a remote may be silent, which it is while it looks for what a clone needs.
const SILENCE_MAX: Duration = Duration::from_mins(5);
/// Addresses that one may lead to, one after the other.
const REDIRECTS_MAX: usize = 10;
/// Bytes that are sent: what is wanted and what is there, 50 bytes a commit.
const SENT_BYTES_MAX: usize = 64 << 20;

/// How a remote is spoken to.
pub(super) struct Setup {
    /// The address of the repository: whatever lets in is for this place alone.
    pub(super) home: String,
    pub(super) connect_within: Duration,
    pub(super) any_certificate: bool,
    /// What lets in, when it is not git's library that says it.
    pub(super) authorization: Option<HeaderValue>,
}

/// A client.
pub(super) struct Client {
    http: reqwest::Client,
    wire: Arc<Wire>,
    authorization: Option<HeaderValue>,
    home: Option<reqwest::Url>,
}

/// What all exchanges share.
struct Wire {
    runtime: Handle,
    interrupt: Arc<Interrupt>,
    /// Where the remote is, when it said that it is elsewhere.
    base: Mutex<Option<String>>,
}

impl Client {
    /// Returns a client; it is to be used within a runtime, on a thread that may block.
    pub(super) fn new(
        setup: Setup,
        interrupt: &Arc<Interrupt>,
    ) -> std::result::Result<Self, String> {
        let runtime = Handle::try_current().map_err(|error| error.to_string())?;
        // What lets in is for this remote alone.
        let policy = if setup.authorization.is_some() {
            Policy::none()
        } else {
            Policy::custom(follow)
        };
        let http = reqwest::Client::builder()
            .connect_timeout(setup.connect_within)
            .tls_danger_accept_invalid_certs(setup.any_certificate)
            .http1_title_case_headers()
            .redirect(policy);
        Ok(Self {
            http: http.build().map_err(|error| error.to_string())?,
            wire: Arc::new(Wire {
                runtime,
                interrupt: Arc::clone(interrupt),
                base: Mutex::default(),
            }),
            authorization: setup.authorization,
            home: setup.home.parse().ok(),
        })
    }

    /// Returns whether a place is where the repository was said to be, and not where that leads to.
    fn is_home(&self, url: &str) -> bool {
        let home = self.home.as_ref().zip(url.parse().ok());
        home.is_some_and(|(home, url)| is_same_place(home, &url))
    }

    fn exchange(
        &self,
        request: reqwest::RequestBuilder,
        (url, base): (&str, &str),
        lines: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Arc<Mutex<Exchange>> {
        let mut headers = HeaderMap::new();
        for line in lines {
            let Some((name, value)) = line.as_ref().split_once(':') else {
                continue;
            };
            let pair = (
                HeaderName::try_from(name),
                HeaderValue::try_from(value.trim()),
            );
            if let (Ok(name), Ok(value)) = pair {
                headers.append(name, value);
            }
        }
        if let Some(value) = &self.authorization {
            headers.insert(AUTHORIZATION, value.clone());
        }
        if !self.is_home(url) {
            headers.remove(AUTHORIZATION);
        }
        Arc::new(Mutex::new(Exchange {
            wire: Arc::clone(&self.wire),
            request: Some(request.headers(headers)),
            tail: url.strip_prefix(base).unwrap_or_default().to_owned(),
            url: url.to_owned(),
            sent: Vec::new(),
            answer: None,
        }))
    }
}

/// Returns whether two addresses are of the same place, the way to which may be secret now.
fn is_same_place(home: &reqwest::Url, url: &reqwest::Url) -> bool {
    let is_upgrade = home.scheme() == "http"
        && url.scheme() == "https"
        && home.port().is_none()
        && url.port().is_none();
    home.host_str() == url.host_str() && (home.origin() == url.origin() || is_upgrade)
}

/// Follows what leads to the same thing elsewhere, from clear to secret but not the other way, and
/// never a request that sends something.
fn follow(attempt: reqwest::redirect::Attempt<'_>) -> reqwest::redirect::Action {
    let to = attempt.url();
    let is_safe = attempt.previous().last().is_some_and(|from| {
        let upgrades = from.scheme() == "http" && to.scheme() == "https";
        let tail = |url: &reqwest::Url| {
            url.path()
                .rsplit_once("/info/")
                .map(|(_, tail)| tail.to_owned())
        };
        (to.scheme() == from.scheme() || upgrades)
            && tail(from).is_some_and(|of_from| tail(to) == Some(of_from))
            && to.query() == from.query()
    });
    if !is_safe {
        return attempt.stop();
    }
    if attempt.previous().len() > REDIRECTS_MAX {
        return attempt.error("it leads to too many addresses");
    }
    attempt.follow()
}

impl Http for Client {
    type Headers = Head;
    type ResponseBody = Body;
    type PostBody = Sending;

    fn get(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<GetResponse<Head, Body>> {
        let exchange = self.exchange(self.http.get(url), (url, base_url), headers);
        Ok(GetResponse {
            headers: Head::of(&exchange),
            body: Body::of(&exchange),
        })
    }

    fn post(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        _: PostBodyDataKind,
    ) -> Result<PostResponse<Head, Body, Sending>> {
        self.wire.interrupt.check().map_err(Error::from_error)?;
        let exchange = self.exchange(self.http.post(url), (url, base_url), headers);
        Ok(PostResponse {
            post_body: Sending(Arc::clone(&exchange)),
            headers: Head::of(&exchange),
            body: Body::of(&exchange),
        })
    }

    fn configure(&mut self, _: &dyn Any) -> Result {
        // All there is to say was said when it was made.
        Ok(())
    }

    fn redirected_base_url(&self) -> Option<String> {
        self.wire.base.lock().clone()
    }
}

/// A request, sent when its answer is read first, and the answer.
struct Exchange {
    wire: Arc<Wire>,
    request: Option<reqwest::RequestBuilder>,
    url: String,
    /// What stands behind the repository's address.
    tail: String,
    sent: Vec<u8>,
    answer: Option<reqwest::Response>,
}

impl Exchange {
    /// Returns the answer, for which the request may have to be sent.
    fn answer(&mut self) -> std::io::Result<&mut reqwest::Response> {
        if let Some(request) = self.request.take() {
            let body = std::mem::take(&mut self.sent);
            let request = if body.is_empty() {
                request
            } else {
                request.body(body)
            };
            let send = async { request.send().await.map_err(std::io::Error::other) };
            let wire = &self.wire;
            let answer = wire.interrupt.wait(&wire.runtime, SILENCE_MAX, send)?;
            self.note_place(answer.url().as_str());
            self.answer = Some(whole(answer)?);
        }
        let over = || std::io::Error::other("there was no answer");
        self.answer.as_mut().ok_or_else(over)
    }

    fn note_place(&self, from: &str) {
        if from != self.url
            && let Some(base) = from.strip_suffix(&self.tail)
        {
            *self.wire.base.lock() = Some(base.to_owned());
        }
    }

    /// Returns the next part of the answer, which may be empty; none at its end.
    fn part(&mut self) -> std::io::Result<Option<Bytes>> {
        self.answer()?;
        let Some(answer) = &mut self.answer else {
            return Ok(None);
        };
        let next = async { answer.chunk().await.map_err(std::io::Error::other) };
        let wire = &self.wire;
        wire.interrupt.wait(&wire.runtime, SILENCE_MAX, next)
    }
}

/// Returns an answer that is what was asked for.
fn whole(answer: reqwest::Response) -> std::io::Result<reqwest::Response> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    if status != http::StatusCode::UNAUTHORIZED {
        return Err(std::io::Error::other(format!("it answered {status}")));
    }
    let told = answer.headers().get_all(WWW_AUTHENTICATE).iter();
    let told = told.map(|value| value.as_bytes().into());
    let why = AuthenticationRequired {
        www_authenticate: told.collect(),
    };
    // By this kind git's library knows that it is to say who it is.
    Err(std::io::Error::new(
        std::io::ErrorKind::PermissionDenied,
        why,
    ))
}

/// The headers of an answer, one a line.
pub(super) struct Head {
    exchange: Arc<Mutex<Exchange>>,
    lines: Option<Cursor<Vec<u8>>>,
}

impl Head {
    fn of(exchange: &Arc<Mutex<Exchange>>) -> Self {
        Self {
            exchange: Arc::clone(exchange),
            lines: None,
        }
    }

    fn lines(&mut self) -> std::io::Result<&mut Cursor<Vec<u8>>> {
        if self.lines.is_none() {
            let mut lines = Vec::new();
            for (name, value) in self.exchange.lock().answer()?.headers() {
                for part in [name.as_str().as_bytes(), b":", value.as_bytes(), b"\n"] {
                    lines.extend_from_slice(part);
                }
            }
            self.lines = Some(Cursor::new(lines));
        }
        Ok(self.lines.get_or_insert_default())
    }
}

impl Read for Head {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.lines()?.read(buffer)
    }
}

impl BufRead for Head {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.lines()?.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if let Some(lines) = &mut self.lines {
            lines.consume(amount);
        }
    }
}

/// The body of an answer.
pub(super) struct Body {
    exchange: Arc<Mutex<Exchange>>,
    part: Bytes,
    is_over: bool,
}

impl Body {
    fn of(exchange: &Arc<Mutex<Exchange>>) -> Self {
        Self {
            exchange: Arc::clone(exchange),
            part: Bytes::new(),
            is_over: false,
        }
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut here = self.fill_buf()?;
        let count = here.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Body {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        while self.part.is_empty() && !self.is_over {
            match self.exchange.lock().part()? {
                Some(part) => self.part = part,
                None => self.is_over = true,
            }
        }
        Ok(&self.part)
    }

    fn consume(&mut self, amount: usize) {
        self.part.advance(amount.min(self.part.len()));
    }
}

/// What is sent with a request.
pub(super) struct Sending(Arc<Mutex<Exchange>>);

impl Write for Sending {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut exchange = self.0.lock();
        if exchange.sent.len() + bytes.len() > SENT_BYTES_MAX {
            return Err(std::io::Error::other(
                "there is too much to say to the remote",
            ));
        }
        exchange.sent.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_port_or_host_or_a_clear_way_is_another_place() {
        for (home, url, expected) in [
            ("https://h/x", "https://h/y", true),
            ("https://me:token@h/x", "https://h:443/y", true),
            ("http://h/x", "https://h/x", true),
            ("https://h/x", "http://h/x", false),
            ("https://h/x", "https://h:444/x", false),
            ("https://h/x", "https://i/x", false),
            ("http://h:80/x", "https://h:8443/x", false),
        ] {
            let (home, url) = (home.parse().unwrap(), url.parse().unwrap());
            assert_eq!(is_same_place(&home, &url), expected, "{home} {url}");
        }
    }
}

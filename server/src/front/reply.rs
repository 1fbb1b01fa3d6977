//! Answers: a status, headers, a body that is already in memory or is made while it is sent, and
//! trailers where gRPC wants them.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE,
    LOCATION, RETRY_AFTER, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use speargun_query::Lines;

use super::stream::{Source, WAITING_BYTES_MAX};
use super::unread::{HeldPlace, Unread, Watch};

/// The body of an answer.
#[derive(Debug, Default)]
pub(crate) struct ReplyBody {
    data: Bytes,
    trailers: Option<HeaderMap>,
    watch: Option<Watch>,
    /// What is to make the body, until it is made.
    lines: Option<Lines>,
    /// What follows the data, in place of trailers.
    rest: Option<Rest>,
}

/// A body that is being made.
struct Rest {
    source: Source,
    _place: HeldPlace,
    status: StatusCode,
    /// Told how it ended.
    told: Option<Box<Told>>,
}

type Told = dyn FnOnce(StatusCode) + Send;

impl Drop for Rest {
    fn drop(&mut self) {
        // Who leaves before the end has got what the head said.
        let status = if self.source.has_failed() {
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            self.status
        };
        if let Some(told) = self.told.take() {
            told(status);
        }
    }
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rest").finish_non_exhaustive()
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !self.data.is_empty() {
            let data = std::mem::take(&mut self.data);
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if let Some(rest) = &self.rest {
            let next = rest.source.poll_next(context);
            return next.map(|piece| piece.map(|piece| Ok(Frame::data(piece))));
        }
        Poll::Ready(self.trailers.take().map(|t| Ok(Frame::trailers(t))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_empty() && self.trailers.is_none() && self.rest.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.trailers.is_some() || self.rest.is_some() {
            // With an exact size HTTP/1.1 would announce a length, and then no trailers.
            SizeHint::default()
        } else {
            SizeHint::with_exact(self.data.len() as u64)
        }
    }
}

/// An answer.
pub(crate) type Reply = Response<ReplyBody>;

/// The type of Zipkin's error texts, which is a wildcard indeed.
pub(crate) const ANY_TEXT: &str = "text/*";
/// The type of answers to paths and methods that do not exist.
pub(crate) const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

/// Returns an answer without a body.
pub(crate) fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(ReplyBody::default());
    *reply.status_mut() = status;
    reply
}

/// Returns an answer with a body of this type.
pub(crate) fn with_body(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Reply {
    let mut reply = empty(status);
    reply.body_mut().data = body.into();
    set(&mut reply, CONTENT_TYPE, content_type);
    reply
}

/// Returns an answer whose body is yet to be made, of [`take_lines`].
pub(crate) fn with_lines(lines: Lines) -> Reply {
    let mut reply = empty(StatusCode::OK);
    set(&mut reply, CONTENT_TYPE, lines.content_type());
    set(&mut reply, CACHE_CONTROL, "no-store");
    // Proxies that wait for all of it would hide that rows come one by one.
    set(
        &mut reply,
        HeaderName::from_static("x-accel-buffering"),
        "no",
    );
    reply.body_mut().lines = Some(lines);
    reply
}

/// Takes what is to make the body.
pub(crate) fn take_lines(reply: &mut Reply) -> Option<Lines> {
    reply.body_mut().lines.take()
}

/// Returns an answer that ends in trailers.
pub(crate) fn with_trailers(content_type: &'static str, body: Bytes, trailers: HeaderMap) -> Reply {
    let mut reply = with_body(StatusCode::OK, content_type, body);
    reply.body_mut().trailers = Some(trailers);
    reply
}

/// Returns the answer to what is not there.
pub(crate) fn not_found() -> Reply {
    with_body(StatusCode::NOT_FOUND, PLAIN_TEXT, "404 Not Found")
}

/// Returns the answer to a method that a path does not know.
pub(crate) fn method_not_allowed() -> Reply {
    with_body(
        StatusCode::METHOD_NOT_ALLOWED,
        PLAIN_TEXT,
        "405 Method Not Allowed",
    )
}

/// Returns the answer to a request that should come again later.
pub(crate) fn busy(text: &'static str) -> Reply {
    let mut reply = with_body(StatusCode::SERVICE_UNAVAILABLE, ANY_TEXT, text);
    set(&mut reply, RETRY_AFTER, "1");
    reply
}

/// Returns the answer to a request line that no route ever sees; the connection ends.
pub(crate) fn invalid(status: StatusCode, description: &str) -> Reply {
    let text = format!("Status: {}\nDescription: {description}\n", status.as_u16());
    closing(with_body(status, PLAIN_TEXT, text))
}

/// Returns the answer to bytes that are no request; the connection ends.
pub(crate) fn undecodable() -> Reply {
    invalid(StatusCode::BAD_REQUEST, "Decoder failure")
}

/// Says that the connection ends with this answer.
pub(crate) fn closing(mut reply: Reply) -> Reply {
    set(&mut reply, CONNECTION, "close");
    reply
}

/// Returns a redirect that keeps the query.
pub(crate) fn redirect(to: &str, query: Option<&str>) -> Reply {
    let to = query.map_or_else(|| to.to_owned(), |query| format!("{to}?{query}"));
    let mut reply = empty(StatusCode::FOUND);
    if let Ok(location) = HeaderValue::from_str(&to) {
        reply.headers_mut().insert(LOCATION, location);
    }
    // Said to a HEAD too, where the HTTP library would leave it out.
    set(&mut reply, CONTENT_LENGTH, "0");
    reply
}

/// Sets how long an answer may be cached.
pub(crate) fn cache_for(reply: &mut Reply, policy: &str) {
    if let Ok(value) = HeaderValue::from_str(policy) {
        reply.headers_mut().insert(CACHE_CONTROL, value);
    }
}

/// Returns the part of the body that is in memory.
pub(crate) fn data(reply: &Reply) -> &[u8] {
    &reply.body().data
}

/// Compresses the body as Zipkin does: when it is large and the client takes gzip.
pub(crate) fn compress(reply: &mut Reply, request: &HeaderMap) {
    const WORTH_BYTES: usize = 2048;
    if reply.body().data.len() < WORTH_BYTES || !takes(request, "gzip") {
        return;
    }
    let packed = gzip(&reply.body().data);
    reply.body_mut().data = packed.into();
    set(reply, CONTENT_ENCODING, "gzip");
    reply
        .headers_mut()
        .append(VARY, HeaderValue::from_static("accept-encoding"));
}

/// Returns whether a client takes bodies in this coding.
pub(crate) fn takes(request: &HeaderMap, coding: &str) -> bool {
    let accepted = request.get_all(ACCEPT_ENCODING).iter();
    accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|accepted| accepted.trim().strip_prefix(coding))
        .any(|weight| weight.is_empty() || (weight.starts_with(';') && !weight.ends_with("=0")))
}

/// Counts the body until it is sent; returns false when there is no room for it.
pub(crate) fn hold(reply: &mut Reply, unread: &Arc<Unread>) -> bool {
    let data = std::mem::take(&mut reply.body_mut().data);
    if data.is_empty() {
        return true;
    }
    let held = unread.hold(data);
    let fits = held.is_some();
    if let Some((data, watch)) = held {
        reply.body_mut().data = data;
        reply.body_mut().watch = Some(watch);
    }
    fits
}

/// Makes a body of what comes out of the source, which may take so long to make; returns false
/// when there is no room for it.
pub(crate) fn hold_stream(
    reply: &mut Reply,
    source: Source,
    (unread, within): (&Arc<Unread>, Duration),
) -> bool {
    let Some((place, watch)) = unread.hold_place(WAITING_BYTES_MAX, within) else {
        return false;
    };
    reply.body_mut().watch = Some(watch);
    reply.body_mut().rest = Some(Rest {
        source,
        _place: place,
        status: reply.status(),
        told: None,
    });
    true
}

/// Returns whether the body is being made while it is sent.
pub(crate) fn is_streamed(reply: &Reply) -> bool {
    reply.body().rest.is_some()
}

/// Calls `told` once such a body is sent or given up, with the status that it turned out to have:
/// that of the head, or 500 when it failed on the way.
pub(crate) fn when_ended(reply: &mut Reply, told: impl FnOnce(StatusCode) + Send + 'static) {
    if let Some(rest) = &mut reply.body_mut().rest {
        rest.told = Some(Box::new(told));
    }
}

/// Takes what tells whether the client reads the answer.
pub(crate) fn take_watch(reply: &mut Reply) -> Option<Watch> {
    reply.body_mut().watch.take()
}

fn gzip(data: &[u8]) -> Vec<u8> {
    use std::io::Read;
    let mut packed = Vec::with_capacity(data.len() / 4);
    let read =
        flate2::bufread::GzEncoder::new(data, flate2::Compression::fast()).read_to_end(&mut packed);
    debug_assert!(read.is_ok(), "memory can be read");
    packed
}

/// Sets a header.
pub(crate) fn set(reply: &mut Reply, name: HeaderName, value: &'static str) {
    reply
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_streamed_answer_is_told_of_when_it_ends() {
        use super::super::stream::stream;
        use std::sync::mpsc;

        let ended = |end: fn(super::super::stream::Sink, Reply)| {
            let (sink, source) = stream(None);
            let mut reply = empty(StatusCode::OK);
            assert!(!is_streamed(&reply));
            let unread = Arc::new(Unread::default());
            assert!(hold_stream(
                &mut reply,
                source,
                (&unread, Duration::from_mins(1))
            ));
            assert!(is_streamed(&reply));
            let (tell, told) = mpsc::sync_channel(2);
            when_ended(&mut reply, move |status| tell.send(status).unwrap());
            assert!(told.try_recv().is_err());
            end(sink, reply);
            let status = told.try_recv().unwrap();
            assert!(told.try_recv().is_err());
            status
        };
        let whole = ended(|sink, reply| {
            sink.finish();
            drop(reply);
        });
        let failed = ended(|sink, reply| {
            drop(sink);
            drop(reply);
        });
        let given_up = ended(|sink, reply| {
            drop(reply);
            drop(sink);
        });
        assert_eq!(
            (whole, failed, given_up),
            (
                StatusCode::OK,
                StatusCode::INTERNAL_SERVER_ERROR,
                StatusCode::OK
            )
        );
    }

    #[test]
    fn only_large_answers_are_packed_and_only_for_those_who_take_it() {
        let body = b"[]".repeat(2000);
        let packed = |len: usize, accepts: &str| {
            let mut request = HeaderMap::new();
            request.insert(ACCEPT_ENCODING, accepts.parse().unwrap());
            let part = Bytes::copy_from_slice(&body[..len]);
            let mut reply = with_body(StatusCode::OK, "application/json", part);
            compress(&mut reply, &request);
            reply.headers().contains_key(CONTENT_ENCODING).then(|| {
                let mut text = Vec::new();
                flate2::read::GzDecoder::new(&reply.body().data[..])
                    .read_to_end(&mut text)
                    .unwrap();
                text
            })
        };
        assert_eq!(packed(4000, "br, gzip").as_deref(), Some(&body[..]));
        assert_eq!(
            packed(2048, "gzip;q=0.5").map(|text| text.len()),
            Some(2048)
        );
        assert_eq!(packed(2047, "gzip"), None);
        assert_eq!(packed(4000, "br"), None);
        assert_eq!(packed(4000, "gzip;q=0"), None);
    }
}

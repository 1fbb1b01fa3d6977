//! One message on its way: a request, and what the answer means. 2xx is taken; 429, 5xx and silence
//! mean to try again, a few times and a little later; anything else will not become better.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};

use super::message::Message;
use crate::http::{Wire, in_full};

/// The first wait between tries; it doubles.
const WAIT: Duration = Duration::from_millis(100);
/// No wait is longer, whatever the server asks for: spans pile up meanwhile.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Bytes of an answer that are read, so that its connection can be used again.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Why a message was not taken this time.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Sending it again is of no use.
    #[error("zipkin answered {0}")]
    Refused(StatusCode),
    /// It may be taken later, after the wait that the server asks for.
    #[error("zipkin is busy: it answered {0}")]
    Busy(StatusCode, Option<Duration>),
    /// There was no answer.
    #[error("zipkin can't be reached: {0}")]
    Unreachable(String),
}

impl Failure {
    /// Returns how long to wait before the try after `attempt`; `None` when there is none.
    pub(super) fn wait(&self, attempt: u32) -> Option<Duration> {
        let doubled = WAIT.saturating_mul(1 << attempt.min(10));
        match self {
            Self::Refused(_) => None,
            Self::Busy(_, asked) => Some(asked.unwrap_or(doubled).clamp(WAIT, WAIT_MAX)),
            Self::Unreachable(_) => Some(doubled.min(WAIT_MAX)),
        }
    }
}

/// Posts a message once.
pub(super) async fn post(
    wire: &Wire,
    uri: Uri,
    message: &Message,
    within: Duration,
) -> Result<(), Failure> {
    let request = request(uri, message).map_err(|error| Failure::Unreachable(error.to_string()))?;
    let exchange = async {
        let answer = wire.request(request).await;
        let answer = answer.map_err(|error| Failure::Unreachable(in_full(&error)))?;
        let (head, body) = answer.into_parts();
        // Nobody reads it, but a connection with an unread answer is lost.
        let _read = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        judge(head.status, head.headers.get(RETRY_AFTER))
    };
    let slow = || Failure::Unreachable(format!("no answer within {within:?}"));
    tokio::time::timeout(within, exchange)
        .await
        .unwrap_or_else(|_| Err(slow()))
}

fn request(uri: Uri, message: &Message) -> http::Result<Request<Full<Bytes>>> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(uri)
        .header(CONTENT_TYPE, &message.content_type)
        // Says that these requests are not to be traced.
        .header(HeaderName::from_static("b3"), HeaderValue::from_static("0"));
    if message.gzip {
        request = request.header(CONTENT_ENCODING, "gzip");
    }
    request.body(Full::new(message.body.clone()))
}

fn judge(status: StatusCode, retry_after: Option<&HeaderValue>) -> Result<(), Failure> {
    if status.is_success() {
        return Ok(());
    }
    let again = status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
        || status.is_server_error();
    if !again {
        return Err(Failure::Refused(status));
    }
    let seconds = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
    Err(Failure::Busy(status, seconds.map(Duration::from_secs)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_say_whether_to_try_again() {
        let judged = |status: u16, after: Option<&'static str>| {
            let after = after.map(HeaderValue::from_static);
            judge(StatusCode::from_u16(status).unwrap(), after.as_ref())
        };
        assert!(judged(202, None).is_ok());
        let wait = |status, after| judged(status, after).unwrap_err().wait(1);
        assert_eq!(wait(400, None), None);
        assert_eq!(wait(413, None), None);
        assert_eq!(wait(503, None), Some(Duration::from_millis(200)));
        assert_eq!(wait(429, Some("2")), Some(Duration::from_secs(2)));
        assert_eq!(wait(503, Some("3600")), Some(WAIT_MAX));
        assert_eq!(wait(503, Some("0")), Some(WAIT));
        let away = Failure::Unreachable(String::new());
        assert_eq!(away.wait(30), Some(WAIT_MAX));
    }
}

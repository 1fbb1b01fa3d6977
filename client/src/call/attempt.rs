//! One try: a client's span, the context in the headers, the exchange with one instance within its
//! time, and what the instance's record learns from it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use speargun_model::Kind;
use tokio::time::timeout;

use super::instance::Instance;
use super::{Call, CallError};
use crate::http::in_full;
use crate::trace::{ActiveSpan, TraceContext, naming};

impl Call {
    /// Asks one instance.
    pub(super) async fn attempt(
        &self,
        instance: &Arc<Instance>,
        parent: Option<&TraceContext>,
    ) -> Result<Response<Bytes>, CallError> {
        let inner = &self.client.0;
        let mut span = InFlight(Some(inner.tracer.start_within(parent)));
        let request = self.request(instance, &mut span)?;
        let _going_on = instance.begin();
        let begun = inner.clock.elapsed();
        let answer = self.exchange(instance, request).await;
        let now = inner.clock.elapsed();
        match &answer {
            Err(CallError::Unreachable(..)) => instance.learn_unreachable(now),
            Err(error) => {
                let client = error
                    .status()
                    .is_some_and(|status| !status.is_server_error());
                instance.learn(now.saturating_sub(begun), !client, now);
            }
            Ok(_) => instance.learn(now.saturating_sub(begun), false, now),
        }
        span.finish(&answer);
        answer
    }

    fn request(
        &self,
        instance: &Instance,
        span: &mut InFlight,
    ) -> Result<Request<Full<Bytes>>, CallError> {
        let mut uri = String::with_capacity(128);
        uri.push_str(instance.origin());
        uri.push_str(&self.path);
        if !self.query.is_empty() {
            uri.push('?');
            uri.push_str(&self.query);
        }
        let wrong = |error: http::Error| CallError::Request(error.to_string());
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(uri)
            .body(Full::new(self.body.clone()))
            .map_err(wrong)?;
        request.headers_mut().clone_from(&self.headers);
        let inner = &self.client.0;
        if let Some(span) = &mut span.0 {
            span.kind(Kind::Client);
            span.name(naming::client_name(&self.method));
            naming::tag_request(span, &self.method, &self.path);
            span.remote_service(&inner.name);
            if let Ok(address) = instance.place.host.parse::<IpAddr>() {
                span.remote_address(SocketAddr::new(address, instance.place.port));
            }
            inner
                .tracer
                .propagation()
                .inject(span.context(), request.headers_mut());
        }
        Ok(request)
    }

    async fn exchange(
        &self,
        instance: &Instance,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, CallError> {
        let inner = &self.client.0;
        let who = || format!("{} at {}", inner.name, instance.origin());
        let within = inner.settings.read_timeout;
        let slow = || CallError::TooSlow(who(), within);
        let answer = timeout(within, inner.wire.request(request))
            .await
            .map_err(|_| slow())?;
        let answer = answer.map_err(|error| {
            if error.is_connect() {
                CallError::Unreachable(who(), in_full(&error))
            } else {
                CallError::Broken(who(), in_full(&error))
            }
        })?;
        let (head, body) = answer.into_parts();
        let max = inner.settings.answer_bytes_max;
        let body = read(body, max, within)
            .await
            .map_err(|failure| match failure {
                Unread::TooLarge => CallError::TooLarge(max),
                Unread::TooSlow => slow(),
                Unread::Broken(error) => CallError::Broken(who(), in_full(&error)),
            })?;
        if !head.status.is_success() {
            return Err(CallError::Status {
                service: inner.name.to_string(),
                status: head.status,
                body,
            });
        }
        Ok(Response::from_parts(head, body))
    }
}

enum Unread {
    TooLarge,
    TooSlow,
    Broken(hyper::Error),
}

/// Reads a body, each part of it within a time.
async fn read(
    mut body: hyper::body::Incoming,
    max: usize,
    within: Duration,
) -> Result<Bytes, Unread> {
    let mut whole = BytesMut::new();
    let mut first = Bytes::new();
    while !body.is_end_stream() {
        let frame = timeout(within, body.frame())
            .await
            .map_err(|_| Unread::TooSlow)?;
        let Some(frame) = frame else { break };
        let Ok(data) = frame.map_err(Unread::Broken)?.into_data() else {
            continue;
        };
        if first.len() + whole.len() + data.len() > max {
            return Err(Unread::TooLarge);
        }
        // Most answers come in one piece, which needs no copy.
        if first.is_empty() && whole.is_empty() {
            first = data;
        } else {
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&data);
        }
    }
    Ok(if whole.is_empty() {
        first
    } else {
        whole.freeze()
    })
}

/// A client's span. When the call is cut off, by its time limit or by whoever asked, the span says
/// so.
struct InFlight(Option<ActiveSpan>);

impl InFlight {
    fn finish(mut self, answer: &Result<Response<Bytes>, CallError>) {
        let Some(mut span) = self.0.take() else {
            return;
        };
        match answer {
            Ok(answer) => naming::tag_response(&mut span, answer.status()),
            Err(CallError::Status { status, .. }) => naming::tag_response(&mut span, *status),
            Err(error) if span.is_recorded() => span.error(&error.to_string()),
            Err(_) => {}
        }
        span.finish();
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(mut span) = self.0.take() {
            span.error("cancelled");
        }
    }
}

//! Files as they are, with placeholders resolved; as bytes when those are asked for.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

use super::environment::refused;
use super::reply::{Reply, TEXT_UTF8, empty, error, with};
use super::{Api, Asked};
use crate::environment::assemble::Request;
use crate::environment::merged::Merged;
use crate::environment::placeholder::Resolver;
use crate::source::SourceError;

const BYTES: &str = "application/octet-stream";

impl Api {
    pub(super) async fn plain(&self, asked: &Asked, request: &Request, path: &str) -> Reply {
        let plain = match self.sources.plain(request, path).await {
            Ok(Some(plain)) => plain,
            Ok(None) | Err(SourceError::NoLabel(_)) => return empty(StatusCode::NOT_FOUND),
            Err(problem) => return refused(asked, &problem),
        };
        let mut reply = if is_unchanged(asked, plain.changed) {
            empty(StatusCode::NOT_MODIFIED)
        } else if asked.header(header::ACCEPT).contains(BYTES) {
            with(StatusCode::OK, BYTES, plain.bytes)
        } else {
            match self.text(asked, request, plain.bytes).await {
                Ok(text) => with(StatusCode::OK, TEXT_UTF8, text),
                Err(reply) => return *reply,
            }
        };
        let changed = plain.changed.map(httpdate::fmt_http_date);
        if let Some(value) = changed.and_then(|text| HeaderValue::from_str(&text).ok()) {
            reply.headers_mut().insert(header::LAST_MODIFIED, value);
        }
        reply
    }

    /// Resolves placeholders, when there are any and the file is a text.
    async fn text(
        &self,
        asked: &Asked,
        request: &Request,
        bytes: Bytes,
    ) -> Result<Bytes, Box<Reply>> {
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return Ok(bytes);
        };
        if !asked.resolves() || !text.contains("${") {
            return Ok(bytes);
        }
        let environment = self.sources.environment(request).await;
        let environment = environment.map_err(|problem| Box::new(refused(asked, &problem)))?;
        let merged = Merged::of(&environment);
        let values = merged.values();
        let resolved = Resolver::new(&values).resolve(text);
        let resolved = resolved.map_err(|problem| {
            let message = problem.to_string();
            Box::new(error(asked, StatusCode::BAD_REQUEST, Some(&message)))
        })?;
        Ok(resolved.into())
    }
}

/// Returns whether a client has the file as it is. Dates of HTTP have no fractions of seconds.
fn is_unchanged(asked: &Asked, changed: Option<SystemTime>) -> bool {
    let since = httpdate::parse_http_date(asked.header(header::IF_MODIFIED_SINCE));
    let (Ok(since), Some(changed)) = (since, changed) else {
        return false;
    };
    changed.duration_since(since).unwrap_or_default() < Duration::from_secs(1)
}

//! Files as they are, with placeholders resolved; as bytes when those are asked for.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use httpdate::HttpDate;

use super::decrypt;
use super::environment::refused;
use super::reply::{Reply, TEXT_UTF8, empty, error, with};
use super::{Api, Asked};
use crate::environment::assemble::Request;
use crate::environment::merged;
use crate::environment::placeholder::Resolver;
use crate::source::SourceError;

const BYTES: &str = "application/octet-stream";

impl Api {
    pub(super) async fn plain(&self, asked: &Asked, request: &Request, path: &str) -> Reply {
        let gives_bytes = asked.header(header::ACCEPT).contains(BYTES);
        let resolves = match asked.resolves() {
            Ok(resolves) => resolves,
            // Of bytes nothing is resolved in any case.
            Err(_) if gives_bytes => false,
            Err(reply) => return *reply,
        };
        let plain = match self.sources.plain(request, path).await {
            Ok(Some(plain)) => plain,
            Ok(None) | Err(SourceError::NoLabel(_)) => return empty(StatusCode::NOT_FOUND),
            Err(problem) => return refused(asked, &problem),
        };
        let mut reply = if is_unchanged(asked.header(header::IF_MODIFIED_SINCE), plain.changed) {
            empty(StatusCode::NOT_MODIFIED)
        } else if gives_bytes {
            with(StatusCode::OK, BYTES, plain.bytes)
        } else {
            let text = if resolves {
                self.text(asked, request, plain.bytes).await
            } else {
                Ok(plain.bytes)
            };
            let text = match text {
                Ok(text) if self.decrypts_files => self.decrypted(asked, path, text).await,
                text => text,
            };
            match text {
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
        if !text.contains("${") {
            return Ok(bytes);
        }
        let environment = self.sources.environment(request).await;
        let environment = environment.map_err(|problem| Box::new(refused(asked, &problem)))?;
        let values = merged::values(&environment);
        let resolved = Resolver::new(&values).resolve(text);
        let resolved = resolved.map_err(|problem| {
            let message = problem.to_string();
            Box::new(error(asked, StatusCode::BAD_REQUEST, Some(&message)))
        })?;
        Ok(resolved.into())
    }

    /// Decrypts the values of a file, on a thread that may take its time.
    async fn decrypted(
        &self,
        asked: &Asked,
        path: &str,
        bytes: Bytes,
    ) -> Result<Bytes, Box<Reply>> {
        let failed = |what: &str| {
            tracing::error!(path = asked.path, error = what, "answered 500");
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Box::new(error(asked, status, Some(what)))
        };
        let (cipher, path) = (Arc::clone(&self.cipher), path.to_owned());
        let decrypted = tokio::task::spawn_blocking(move || match std::str::from_utf8(&bytes) {
            Ok(text) => decrypt::decrypted(&cipher, &path, text).map(Bytes::from),
            Err(_) => Ok(bytes),
        });
        match decrypted.await {
            Ok(text) => text.map_err(|what| failed(&what)),
            Err(_) => Err(failed("the file could not be decrypted")),
        }
    }
}

/// Returns whether a client has the file as it is. What is older than what it has is another one
/// too: a branch may have been pushed back by force. Dates of HTTP have no fractions of seconds.
fn is_unchanged(since: &str, changed: Option<SystemTime>) -> bool {
    let since = httpdate::parse_http_date(since);
    let (Ok(since), Some(changed)) = (since, changed) else {
        return false;
    };
    HttpDate::from(changed) == HttpDate::from(since)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_older_than_what_a_client_has_is_another_file() {
        let noon = SystemTime::UNIX_EPOCH + Duration::from_hours(12);
        let since = "Thu, 01 Jan 1970 12:00:00 GMT";
        assert!(is_unchanged(since, Some(noon)));
        assert!(is_unchanged(since, Some(noon + Duration::from_millis(999))));
        for seconds in [1, 3600] {
            let seconds = Duration::from_secs(seconds);
            assert!(!is_unchanged(since, Some(noon + seconds)));
            assert!(!is_unchanged(since, Some(noon - seconds)));
        }
        assert!(!is_unchanged(since, None));
        assert!(!is_unchanged("", Some(noon)));
    }
}

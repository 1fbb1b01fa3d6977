//! Environments and merged documents.

use http::{HeaderValue, StatusCode, header};

use super::reply::{JSON, Reply, TEXT, V2, error, wants_v2, with};
use super::route::Form;
use super::{Api, Asked};
use crate::environment::assemble::Request;
use crate::environment::json::{self, Version};
use crate::environment::merged::Merged;
use crate::source::SourceError;

/// How soon a client should ask again that came too early, in seconds.
const RETRY_AFTER_S: u16 = 1;

/// Returns the answer when there is no environment.
pub(super) fn refused(asked: &Asked, problem: &SourceError) -> Reply {
    let message = problem.to_string();
    match problem {
        SourceError::NoLabel(_) => error(asked, StatusCode::NOT_FOUND, None),
        SourceError::Unavailable { .. } => {
            tracing::warn!(path = asked.path, error = message, "answered 404");
            error(asked, StatusCode::NOT_FOUND, Some(&message))
        }
        SourceError::NotReady(_) => {
            let mut reply = error(asked, StatusCode::SERVICE_UNAVAILABLE, Some(&message));
            let after = HeaderValue::from(RETRY_AFTER_S);
            reply.headers_mut().insert(header::RETRY_AFTER, after);
            reply
        }
        SourceError::Broken(_) | SourceError::Undecryptable { .. } => {
            tracing::error!(path = asked.path, error = message, "answered 500");
            error(asked, StatusCode::INTERNAL_SERVER_ERROR, Some(&message))
        }
    }
}

impl Api {
    pub(super) async fn environment(&self, asked: &Asked, request: &Request) -> Reply {
        let environment = match self.sources.environment(request).await {
            Ok(environment) => environment,
            Err(problem) => return refused(asked, &problem),
        };
        if environment.sources.is_empty() && !self.accept_empty {
            return error(asked, StatusCode::NOT_FOUND, None);
        }
        let (version, media_type) = if wants_v2(asked) {
            (Version::V2, V2)
        } else {
            (Version::V1, JSON)
        };
        let body = json::environment(&environment, version);
        with(StatusCode::OK, media_type, body)
    }

    pub(super) async fn merged(&self, asked: &Asked, request: &Request, form: Form) -> Reply {
        let resolves = match asked.resolves() {
            Ok(resolves) => resolves,
            Err(reply) => return *reply,
        };
        let environment = match self.sources.environment(request).await {
            Ok(environment) => environment,
            Err(problem) => return refused(asked, &problem),
        };
        if environment.sources.is_empty() && !self.accept_empty {
            return error(asked, StatusCode::NOT_FOUND, None);
        }
        let mut merged = Merged::of(&environment);
        if resolves {
            merged = match merged.resolved(&environment) {
                Ok(merged) => merged,
                Err(problem) => {
                    return error(asked, StatusCode::BAD_REQUEST, Some(&problem.to_string()));
                }
            };
        }
        match form {
            Form::Yaml => with(StatusCode::OK, TEXT, merged.to_yaml()),
            Form::Properties => with(StatusCode::OK, TEXT, merged.to_properties()),
            Form::Json => with(StatusCode::OK, JSON, merged.to_json()),
        }
    }
}

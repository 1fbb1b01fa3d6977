//! What browsers on other origins may do: Zipkin's headers, on every answer of a request that
//! names its origin. It refuses nothing: browsers do that.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::reply::{self, Reply};

/// Which origins may call.
#[derive(Clone, Debug)]
pub(crate) enum Origins {
    /// Any.
    All,
    /// These.
    Listed(Vec<String>),
}

/// What a request's origin is told.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    origin: HeaderValue,
    echoed: bool,
}

const ALLOWED_HEADERS: &str = "content-type,x-grpc-web";
const EXPOSED_HEADERS: &str = "grpc-status,grpc-message,armeria.grpc.throwableproto-bin";

impl Origins {
    /// Returns the origins of the setting; `*` among them is any.
    pub(crate) fn new(list: &[String]) -> Self {
        if list.iter().any(|origin| origin == "*") {
            Self::All
        } else {
            Self::Listed(list.to_vec())
        }
    }

    /// Returns what the origin of this request is granted.
    pub(crate) fn grant(&self, headers: &HeaderMap) -> Option<Grant> {
        let origin = headers.get(ORIGIN)?;
        match self {
            Self::All if origin.as_bytes() != b"null" => Some(Grant {
                origin: HeaderValue::from_static("*"),
                echoed: false,
            }),
            Self::All => Some(Grant {
                origin: origin.clone(),
                echoed: false,
            }),
            Self::Listed(list) => list
                .iter()
                .any(|listed| listed.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
                .then(|| Grant {
                    origin: origin.clone(),
                    echoed: true,
                }),
        }
    }
}

/// Returns whether the request asks what it may ask.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Answers a preflight, whatever it asks for.
pub(crate) fn preflight(grant: Option<Grant>) -> Reply {
    let mut reply = reply::empty(StatusCode::OK);
    if let Some(grant) = grant {
        allow(grant, &mut reply);
        reply::set(&mut reply, ACCESS_CONTROL_ALLOW_METHODS, "GET,POST");
        reply::set(&mut reply, ACCESS_CONTROL_MAX_AGE, "0");
    }
    reply
}

/// Adds the headers of a grant to an answer that is none to a preflight.
pub(crate) fn apply(grant: Option<Grant>, reply: &mut Reply) {
    if let Some(grant) = grant {
        allow(grant, reply);
        reply::set(reply, ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
    }
}

fn allow(Grant { origin, echoed }: Grant, reply: &mut Reply) {
    let headers = reply.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if echoed {
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
    reply::set(reply, ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
}

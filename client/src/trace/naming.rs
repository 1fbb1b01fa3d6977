//! Names and tags of HTTP spans, as Sleuth's have them: names begin with the method and have the
//! route, never the path, so that there are few; the status is a tag when it is not 2xx, and an
//! error from 400 on.

use http::{Method, StatusCode};

use super::span::ActiveSpan;

/// Tags a span with what is asked.
pub fn tag_request(span: &mut ActiveSpan, method: &Method, path: &str) {
    span.tag("http.method", method.as_str());
    span.tag("http.path", path);
}

/// Tags a span with what was answered.
pub fn tag_response(span: &mut ActiveSpan, status: StatusCode) {
    if !status.is_success() {
        span.tag("http.status_code", status.as_str());
    }
    if status.is_client_error() || status.is_server_error() {
        span.error(status.as_str());
    }
}

/// Returns the name of a server's span: method and route, or what became of a request without one.
pub fn server_name(method: &Method, route: Option<&str>, status: Option<StatusCode>) -> String {
    let method = method.as_str().to_ascii_lowercase();
    let what = match (route, status) {
        (Some(route), _) if !route.is_empty() => route,
        (_, Some(StatusCode::NOT_FOUND)) => "not_found",
        (_, Some(status)) if status.is_redirection() => "redirected",
        _ => return method,
    };
    format!("{method} {what}").to_lowercase()
}

/// Returns the name of a client's span.
pub fn client_name(method: &Method) -> String {
    method.as_str().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_named_by_route_or_by_what_became_of_it() {
        let name = |route, status: u16| {
            server_name(&Method::GET, route, StatusCode::from_u16(status).ok())
        };
        assert_eq!(name(Some("/Users/{id}"), 200), "get /users/{id}");
        assert_eq!(name(Some("/users/{id}"), 404), "get /users/{id}");
        assert_eq!(name(None, 404), "get not_found");
        assert_eq!(name(None, 302), "get redirected");
        assert_eq!(name(None, 200), "get");
        assert_eq!(name(Some(""), 500), "get");
        assert_eq!(server_name(&Method::POST, None, None), "post");
    }
}

//! One request, from its path to its answer.

use std::convert::Infallible;
use std::sync::Arc;

use http::header::{ALLOW, HOST, ORIGIN, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;

use super::eureka::{self, Operation};
use super::operate::{self, Order};
use super::path::{self, Query};
use super::reply::{self, Reply};
use super::{App, body, metrics, watch};
use crate::dashboard;
use crate::meter::Refusal;
use crate::peer::line::NODE;

/// Bytes of a form of the page.
const FORM_BYTES_MAX: usize = 16 << 10;

/// Answers a request.
pub async fn answer(app: Arc<App>, request: Request<Incoming>) -> Result<Reply, Infallible> {
    let (mut head, body) = request.into_parts();
    if head.method == Method::HEAD {
        // The library leaves the body out.
        head.method = Method::GET;
    }
    let Some(parts) = path::parts(head.uri.path()) else {
        return Ok(reply::empty(StatusCode::BAD_REQUEST));
    };
    let words: Vec<&str> = parts.iter().map(String::as_str).collect();
    if matches!(words.as_slice(), ["health"] | ["actuator", "health"]) {
        return Ok(operate::health(&app));
    }
    let credentials = app.settings.credentials.as_ref();
    if credentials.is_some_and(|own| !own.are_in(&head.headers)) {
        app.desk.meter.refuse(Refusal::Unauthorized);
        let mut reply = reply::empty(StatusCode::UNAUTHORIZED);
        let realm = HeaderValue::from_static("Basic realm=\"registry\"");
        reply.headers_mut().insert(WWW_AUTHENTICATE, realm);
        return Ok(reply);
    }
    let operation = match words.as_slice() {
        ["eureka", "v2", ..] => Operation::parse(&parts[2..], true),
        ["eureka", ..] => Operation::parse(&parts[1..], false),
        _ => return Ok(own(&app, &words, &head, body).await),
    };
    let Some(operation) = operation else {
        return Ok(reply::empty(StatusCode::NOT_FOUND));
    };
    let index = operation.index();
    let is_for_peers = matches!(operation, Operation::Batch | Operation::Leases);
    let mut reply = if operation.methods().contains(&head.method) {
        eureka::answer(&app, operation, &head, body).await
    } else {
        wrong_method(operation.methods())
    };
    app.desk.meter.answer(index, reply.status().as_u16());
    if is_for_peers && let Ok(node) = HeaderValue::from_str(&app.node) {
        reply.headers_mut().insert(NODE, node);
    }
    Ok(reply)
}

fn wrong_method(methods: &[Method]) -> Reply {
    let mut reply = reply::empty(StatusCode::METHOD_NOT_ALLOWED);
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    if let Ok(names) = HeaderValue::from_str(&names.join(", ")) {
        reply.headers_mut().insert(ALLOW, names);
    }
    reply
}

/// Answers what is ours alone.
async fn own(app: &Arc<App>, words: &[&str], head: &Parts, body: Incoming) -> Reply {
    if head.method == Method::POST {
        return match words {
            ["speargun", order] => operate(app, order, head, body).await,
            _ => reply::empty(StatusCode::NOT_FOUND),
        };
    }
    if head.method != Method::GET {
        return wrong_method(&[Method::GET]);
    }
    match words {
        ["metrics" | "prometheus"] | ["metrics" | "actuator", "prometheus"] => metrics::answer(app),
        ["speargun", "explain"] => operate::explain(app),
        ["speargun", "peers"] => operate::peers(app),
        ["speargun", "recent"] => operate::recent(app),
        ["speargun", "watch"] => watch::answer(app, &head.headers),
        _ => dashboard::answer(app, words, head),
    }
}

/// Does what an operator wants, and shows the page again.
async fn operate(app: &App, order: &str, head: &Parts, body: Incoming) -> Reply {
    if app.settings.read_only {
        app.desk.meter.refuse(Refusal::ReadOnly);
        return reply::with_body(
            StatusCode::FORBIDDEN,
            reply::TEXT,
            "this registry is read-only",
        );
    }
    if !is_from_own_page(head) {
        let text = "a page of another site asks for this";
        return reply::with_body(StatusCode::FORBIDDEN, reply::TEXT, text);
    }
    let form = match body::read(app, &head.headers, body, FORM_BYTES_MAX).await {
        Ok(form) => Query::parse(&form),
        Err(error) => return eureka::unread(app, error),
    };
    let whom = || Some((form.get("app")?.to_uppercase(), form.get("id")?.to_owned()));
    let order = match (order, whom()) {
        ("purge-expired", _) => Order::PurgeExpired,
        ("purge", Some((app, id))) => Order::Purge(app, id),
        ("take-out", Some((app, id))) => Order::TakeOut(app, id),
        ("give-back", Some((app, id))) => Order::GiveBack(app, id),
        ("purge" | "take-out" | "give-back", None) => {
            return reply::with_body(
                StatusCode::BAD_REQUEST,
                reply::TEXT,
                "app, id: both are needed",
            );
        }
        _ => return reply::empty(StatusCode::NOT_FOUND),
    };
    let is_done = operate::obey(app, &order);
    if form.get("page").is_some() {
        return dashboard::back();
    }
    reply::empty(if is_done || order == Order::PurgeExpired {
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    })
}

/// Browsers say which site a form comes from; tools that are no browsers say nothing.
fn is_from_own_page(head: &Parts) -> bool {
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(ORIGIN.as_str()) else {
        return true;
    };
    let host = origin.split_once("://").map(|(_, host)| host);
    host.is_some() && host == text(HOST.as_str())
}

//! Eureka's operations under `/eureka` and `/eureka/v2`, with the codes that its clients compare.

use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use hyper::body::Incoming;

use super::lists::{self, Kind};
use super::path::Query;
use super::reply::{self, JSON, Reply};
use super::{App, body};
use crate::book::{Heartbeat, Origin, Override, Renewed, StatusChange};
use crate::codec::{ReadError, batch, json, xml};
use crate::desk::Unfit;
use crate::meter::Refusal;
use crate::model::{Status, Vip};

/// What clients of Eureka's registries wait for when their body is not understood.
const UNREADABLE: &str = "{\"error\": \"cannot parse request body\"}";

/// An operation and whom it is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Everything.
    All,
    /// What changed lately.
    Delta,
    /// One application, or registering in it.
    App(String),
    /// One instance: asking, renewing, saying goodbye.
    Instance(String, String),
    /// Its override.
    Status(String, String),
    /// Its metadata.
    Metadata(String, String),
    /// An instance by its id alone.
    ById(String),
    /// By virtual name.
    Vip(String, Vip),
    /// Amazon's groups, which are not here.
    Asg,
    /// A batch of a peer.
    Batch,
    /// What the server says of itself.
    Server,
    /// All overrides.
    Overrides,
    /// All leases, for peers of ours.
    Leases,
}

impl Operation {
    /// Returns the operation that a path means, without `eureka` in front. `is_v2` says whether
    /// `v2` stood there.
    pub fn parse(parts: &[String], is_v2: bool) -> Option<Self> {
        let words: Vec<&str> = parts.iter().map(String::as_str).collect();
        let owned = |text: &str| text.to_owned();
        let app = |text: &str| text.to_uppercase();
        Some(match words.as_slice() {
            ["apps"] => Self::All,
            ["apps", "delta"] => Self::Delta,
            ["apps", name] => Self::App(app(name)),
            ["apps", name, id] => Self::Instance(app(name), owned(id)),
            ["apps", name, id, "status"] => Self::Status(app(name), owned(id)),
            ["apps", name, id, "metadata"] => Self::Metadata(app(name), owned(id)),
            ["instances", id] => Self::ById(owned(id)),
            ["vips", name] => Self::Vip(owned(name), Vip::Plain),
            ["svips", name] => Self::Vip(owned(name), Vip::Secure),
            ["asg", _, "status"] => Self::Asg,
            ["peerreplication", "batch"] => Self::Batch,
            ["status"] => Self::Server,
            // Spring's servers do not have it; Netflix's own has it there.
            ["serverinfo", "statusoverrides"] if is_v2 => Self::Overrides,
            ["speargun", "leases"] => Self::Leases,
            _ => return None,
        })
    }

    /// Returns its place among the counted operations.
    pub fn index(&self) -> usize {
        match self {
            Self::All => 0,
            Self::Delta => 1,
            Self::App(_) => 2,
            Self::Instance(..) => 3,
            Self::Status(..) => 4,
            Self::Metadata(..) => 5,
            Self::ById(_) => 6,
            Self::Vip(..) => 7,
            Self::Asg => 8,
            Self::Batch => 9,
            Self::Server => 10,
            Self::Overrides => 11,
            Self::Leases => 12,
        }
    }

    /// Their names in metrics.
    pub const NAMES: [&str; 13] = [
        "apps",
        "delta",
        "app",
        "instance",
        "status",
        "metadata",
        "by-id",
        "vip",
        "asg",
        "batch",
        "server",
        "overrides",
        "leases",
    ];

    /// Returns the methods it has.
    pub fn methods(&self) -> &'static [Method] {
        const GET: Method = Method::GET;
        match self {
            Self::App(_) => &[GET, Method::POST],
            Self::Instance(..) => &[GET, Method::PUT, Method::DELETE],
            Self::Status(..) => &[Method::PUT, Method::DELETE],
            Self::Metadata(..) | Self::Asg => &[Method::PUT],
            Self::Batch => &[Method::POST],
            _ => &[GET],
        }
    }
}

/// Does an operation. The method is one that it has.
pub async fn answer(app: &App, operation: Operation, head: &Parts, body: Incoming) -> Reply {
    let headers = &head.headers;
    let query = Query::parse(head.uri.query().unwrap_or_default().as_bytes());
    let is_put = head.method == Method::PUT;
    match operation {
        Operation::All => lists::kept(app, headers, Kind::All),
        Operation::Delta => lists::kept(app, headers, Kind::Delta),
        Operation::App(name) if head.method == Method::POST => {
            register(app, &name, headers, body).await
        }
        Operation::App(name) => lists::application(app, headers, &name),
        Operation::Instance(name, id) if is_put => renew(app, (&name, &id), headers, &query),
        Operation::Instance(name, id) if head.method == Method::DELETE => {
            let dirty_ms = query
                .get("lastDirtyTimestamp")
                .and_then(|text| text.parse().ok());
            let key = (name.as_str(), id.as_str());
            found(
                app.desk
                    .cancel(key, dirty_ms, origin(headers), app.time.now()),
            )
        }
        Operation::Instance(name, id) => {
            let found = app
                .desk
                .book()
                .lease(&name, &id)
                .map(crate::book::Lease::fresh);
            one(headers, found)
        }
        Operation::Status(name, id) => change_status(app, (&name, &id), head, &query),
        Operation::Metadata(name, id) => add_metadata(app, (&name, &id), query),
        Operation::ById(id) => {
            let found = app.desk.book().lease_of(&id).map(crate::book::Lease::fresh);
            one(headers, found)
        }
        Operation::Vip(name, which) => lists::virtual_name(app, headers, &name, which),
        Operation::Asg => reply::empty(StatusCode::BAD_REQUEST),
        Operation::Batch => replicate(app, headers, body).await,
        Operation::Server => super::operate::server_status(app),
        Operation::Overrides => super::operate::overrides(app),
        Operation::Leases => super::operate::leases(app),
    }
}

fn one(headers: &HeaderMap, found: Option<crate::model::Instance>) -> Reply {
    match found {
        Some(instance) => lists::instance(headers, StatusCode::OK, &instance),
        None => reply::empty(StatusCode::NOT_FOUND),
    }
}

fn found(is_there: bool) -> Reply {
    reply::empty(if is_there {
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    })
}

/// Returns whether a client asks or a registry passes on what a client asked.
fn origin(headers: &HeaderMap) -> Origin {
    match headers.get("x-netflix-discovery-replication") {
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"true") => Origin::Peer,
        _ => Origin::Client,
    }
}

async fn register(app: &App, name: &str, headers: &HeaderMap, body: Incoming) -> Reply {
    let bytes = match body::read(app, headers, body, app.settings.body_bytes_max).await {
        Ok(bytes) => bytes,
        Err(error) => return unread(app, error),
    };
    let instance = if is_xml(headers) {
        xml::read_instance(&bytes)
    } else {
        json::read_instance(&bytes)
    };
    let instance = match instance {
        Ok(instance) => instance,
        Err(error) => return unreadable(app, &error),
    };
    let now = app.time.now();
    match app.desk.register(name, instance, origin(headers), now) {
        Ok(()) => reply::empty(StatusCode::NO_CONTENT),
        Err(error) => {
            app.desk.refuse("registration", &error, now);
            unfit(&error)
        }
    }
}

fn is_xml(headers: &HeaderMap) -> bool {
    let kind = headers.get(http::header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.to_str().is_ok_and(|kind| kind.contains("xml")))
}

/// Refuses a body that could not be read.
pub fn unread(app: &App, error: body::BodyError) -> Reply {
    let (status, text) = error.answer();
    app.desk.meter.refuse(match error {
        body::BodyError::TooLarge(_) => Refusal::TooLarge,
        _ => Refusal::Malformed,
    });
    app.desk.complaints.tell("body", app.time.now(), &text);
    let mut reply = reply::with_body(status, reply::TEXT, text);
    // What is left of the body is not waited for.
    let close = http::HeaderValue::from_static("close");
    reply.headers_mut().insert(http::header::CONNECTION, close);
    reply
}

/// Refuses a body that is not understood. Where a field is at fault that Eureka's servers do not
/// name, it is named beside their words.
fn unreadable(app: &App, error: &ReadError) -> Reply {
    app.desk.meter.refuse(Refusal::Malformed);
    app.desk
        .complaints
        .tell("malformed body", app.time.now(), error);
    let text = match error {
        ReadError::Field(field) if *field != "app" => {
            let begin = UNREADABLE.trim_end_matches('}');
            format!("{begin}, \"field\": \"{field}\"}}")
        }
        _ => UNREADABLE.to_owned(),
    };
    reply::with_body(StatusCode::BAD_REQUEST, JSON, text)
}

fn unfit(error: &Unfit) -> Reply {
    let status = match error {
        // Spring's servers call these plain texts JSON.
        Unfit::Missing(text) => {
            return reply::with_body(StatusCode::BAD_REQUEST, JSON, text.clone());
        }
        Unfit::TooLarge { .. } => StatusCode::BAD_REQUEST,
        Unfit::Full(_) => StatusCode::TOO_MANY_REQUESTS,
    };
    reply::with_body(status, reply::TEXT, error.to_string())
}

/// Refuses a parameter by its name.
fn bad_parameter(app: &App, status: StatusCode, name: &str, wanted: &str) -> Reply {
    let text = format!("{name}: {wanted}");
    app.desk.meter.refuse(Refusal::Malformed);
    app.desk.complaints.tell("parameter", app.time.now(), &text);
    reply::with_body(status, reply::TEXT, text)
}

/// Returns the parameter as a number; it may be absent.
fn dirty(app: &App, query: &Query) -> Result<Option<u64>, Box<Reply>> {
    const NAME: &str = "lastDirtyTimestamp";
    match query.get(NAME).filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| {
            let wanted = "milliseconds since the epoch";
            Box::new(bad_parameter(app, StatusCode::BAD_REQUEST, NAME, wanted))
        }),
    }
}

fn renew(app: &App, key: (&str, &str), headers: &HeaderMap, query: &Query) -> Reply {
    let dirty_ms = match dirty(app, query) {
        Ok(dirty_ms) => dirty_ms,
        Err(reply) => return *reply,
    };
    let beat = Heartbeat {
        dirty_ms,
        overridden: query.get("overriddenstatus").and_then(Status::parse),
    };
    match app.desk.renew(key, beat, origin(headers), app.time.now()) {
        Renewed::Yes => reply::empty(StatusCode::OK),
        // Clients fail to register again when there is a body.
        Renewed::Unknown | Renewed::Outdated => reply::empty(StatusCode::NOT_FOUND),
        Renewed::Newer(instance) => lists::instance(headers, StatusCode::CONFLICT, &instance),
    }
}

fn change_status(app: &App, key: (&str, &str), head: &Parts, query: &Query) -> Reply {
    let dirty_ms = match dirty(app, query) {
        Ok(dirty_ms) => dirty_ms,
        Err(reply) => return *reply,
    };
    let is_there = app.desk.book().lease(key.0, key.1).is_some();
    if !is_there {
        return reply::empty(StatusCode::NOT_FOUND);
    }
    let value = query.get("value");
    let status = match value.map(Status::parse) {
        Some(Some(status)) => Some(status),
        None if head.method == Method::DELETE => None,
        // Eureka's servers fail here, and clients know that code.
        _ => {
            let wanted = "UP, DOWN, STARTING, OUT_OF_SERVICE or UNKNOWN";
            return bad_parameter(app, StatusCode::INTERNAL_SERVER_ERROR, "value", wanted);
        }
    };
    let what = if head.method == Method::DELETE {
        Override::Remove(status.unwrap_or_default())
    } else {
        Override::Set(status.unwrap_or_default())
    };
    let change = StatusChange { what, dirty_ms };
    found(
        app.desk
            .change_status(key, change, origin(&head.headers), app.time.now()),
    )
}

fn add_metadata(app: &App, key: (&str, &str), query: Query) -> Reply {
    let now = app.time.now();
    match app.desk.add_metadata(key, &query.firsts(), now) {
        Ok(is_there) => found(is_there),
        Err(error) => {
            app.desk.refuse("metadata", &error, now);
            unfit(&error)
        }
    }
}

async fn replicate(app: &App, headers: &HeaderMap, body: Incoming) -> Reply {
    let bytes = match body::read(app, headers, body, app.settings.batch_bytes_max).await {
        Ok(bytes) => bytes,
        Err(error) => return unread(app, error),
    };
    let items = match batch::read_items(&bytes) {
        Ok(Some(items)) => items,
        // Eureka's servers fail here.
        Ok(None) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return bad_parameter(app, status, "replicationList", "a list");
        }
        Err(error) => {
            unreadable(app, &error);
            return reply::with_body(StatusCode::BAD_REQUEST, JSON, UNREADABLE);
        }
    };
    let responses = app.desk.batch(items, app.time.now());
    let mut out = String::new();
    batch::write_responses(&mut out, &responses);
    reply::with_body(StatusCode::OK, JSON, out)
}

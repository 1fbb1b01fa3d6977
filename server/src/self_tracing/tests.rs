//! Which requests become which spans.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use http::{Request, StatusCode};
use speargun_model::span::Kind;
use speargun_model::{Span, SpanId, TraceId};

use super::*;
use crate::front::reply;
use crate::settings::Sampling;

fn recorder(sampling: Sampling) -> Recorder {
    let settings = SelfTracingSettings {
        enabled: true,
        sampling,
        flush_interval: Duration::from_secs(1),
    };
    Recorder::new(SelfTracing::new(settings).unwrap().into())
}

async fn record(recorder: &Recorder, request: http::request::Builder, status: u16) {
    let peer: SocketAddr = "[::ffff:10.0.0.7]:4711".parse().unwrap();
    let request = request.body(()).unwrap();
    let answer = async |_| {
        let status = StatusCode::from_u16(status).unwrap();
        Ok::<_, Infallible>(reply::empty(status))
    };
    let reply = recorder
        .record((Some(peer), request), answer)
        .await
        .unwrap();
    assert_eq!(reply.status().as_u16(), status);
}

async fn one(request: http::request::Builder, status: u16) -> Span {
    let recorder = recorder(Sampling::All);
    record(&recorder, request, status).await;
    let mut spans = recorder.take();
    assert_eq!(spans.len(), 1, "{spans:?}");
    spans.remove(0)
}

fn get(path: &str) -> http::request::Builder {
    Request::get(path)
}

#[tokio::test]
async fn a_request_becomes_a_server_span() {
    let span = one(get("//api/v2/traces?limit=1"), 200).await;
    assert_eq!(span.name.as_deref(), Some("get /api/v2/traces"));
    assert_eq!(span.kind, Some(Kind::Server));
    assert_eq!(span.local_service_name(), Some("zipkin-server"));
    assert_eq!(span.id.0, span.trace_id.low);
    assert_eq!(
        (span.parent_id, span.shared, span.debug),
        (None, false, false)
    );
    let remote = span.remote_endpoint.clone().unwrap();
    assert_eq!(
        (remote.ipv4, remote.port),
        (Some([10, 0, 0, 7].into()), 4711)
    );
    let values: Vec<&str> = span.annotations.iter().map(|a| a.value.as_str()).collect();
    assert_eq!(values, ["wr", "ws"]);
    assert_eq!(span.tags.len(), 2);
    assert_eq!(span.tag("http.method"), Some("GET"));
    assert_eq!(span.tag("http.path"), Some("/api/v2/traces"));
    assert!(span.duration_us > 0);
}

#[tokio::test]
async fn routes_and_failures_as_zipkin_names_them() {
    for (request, status, name, tags) in [
        (
            get("/api/v2/trace/aa"),
            404,
            "get /api/v2/trace/:traceid",
            "404 404",
        ),
        (
            get("/zipkin/api/v2/trace/aa"),
            200,
            "get /zipkin/api/v2/trace/:traceid",
            "- -",
        ),
        (
            get("/zipkin/api/v2/services"),
            200,
            "get /zipkin/api/v2/services",
            "- -",
        ),
        (
            get("/api/v2/autocompleteKeys"),
            200,
            "get /api/v2/autocompletekeys",
            "- -",
        ),
        (get("/api/v2/nosuch"), 404, "get /**", "404 404"),
        (get("/zipkin/apix"), 404, "get /zipkin/*", "404 404"),
        (
            Request::head("/api/v2/services"),
            404,
            "head /**",
            "404 404",
        ),
        (
            Request::delete("/api/v2/services"),
            404,
            "delete /**",
            "404 404",
        ),
        (
            Request::post("/api/v2/spans"),
            202,
            "post /api/v2/spans",
            "- -",
        ),
        (
            Request::post("/api/v1/spans"),
            400,
            "post /api/v1/spans",
            "400 400",
        ),
        (
            Request::post("/api/v2/spans"),
            503,
            "post /api/v2/spans",
            "503 503",
        ),
        (
            get("/api/v2/services"),
            302,
            "get /api/v2/services",
            "- 302",
        ),
    ] {
        let span = one(request, status).await;
        assert_eq!(span.name.as_deref(), Some(name));
        let tag = |key| span.tag(key).unwrap_or("-");
        assert_eq!(
            format!("{} {}", tag("error"), tag("http.status_code")),
            tags,
            "{name}"
        );
    }
}

#[tokio::test]
async fn only_the_api_is_traced() {
    let recorder = recorder(Sampling::All);
    let preflight = Request::options("/api/v2/traces")
        .header("origin", "http://a")
        .header("access-control-request-method", "GET");
    for request in [
        get("/health"),
        get("/zipkin/"),
        get("/zipkin/config.json"),
        get("/metrics"),
        Request::post("/zipkin.proto3.SpanService/Report"),
        preflight,
    ] {
        record(&recorder, request, 200).await;
    }
    assert_eq!(recorder.take(), []);
}

#[tokio::test]
async fn the_clients_trace_is_joined_and_its_decision_kept() {
    // Nothing is chosen here, so what is recorded was chosen by the client.
    let recorder = recorder(Sampling::Share(
        speargun_collector::Sampler::new(0.0).unwrap(),
    ));
    let joined = get("/api/v2/services")
        .header("b3", "00000000000000a2-0000000000000b02-1-0000000000000c02");
    record(&recorder, joined, 200).await;
    let debug = get("/api/v2/services").header("x-b3-flags", "1");
    record(&recorder, debug, 200).await;
    record(&recorder, get("/api/v2/services"), 200).await;
    let undecided = get("/api/v2/services").header("b3", "00000000000000a2-0000000000000b02");
    record(&recorder, undecided, 200).await;
    let spans = recorder.take();
    assert_eq!(spans.len(), 2);
    assert_eq!(spans[0].trace_id, TraceId { high: 0, low: 0xa2 });
    assert_eq!(
        (spans[0].id, spans[0].parent_id),
        (SpanId(0xb02), Some(SpanId(0xc02)))
    );
    assert!(spans[0].shared && !spans[0].debug);
    assert!(spans[1].debug && !spans[1].shared);

    let all = self::recorder(Sampling::All);
    record(&all, get("/api/v2/services").header("b3", "0"), 200).await;
    assert_eq!(all.take(), []);
}

#[tokio::test]
async fn what_has_no_place_is_dropped_and_counted() {
    let recorder = recorder(Sampling::All);
    for _ in 0..recorder::SPANS_MAX + 3 {
        record(&recorder, get("/api/v2/services"), 200).await;
    }
    assert_eq!(recorder.take().len(), recorder::SPANS_MAX);
    assert_eq!(recorder.shared().dropped(), 3);
}

#[test]
fn ids_are_never_zero_and_spread() {
    let ids = Ids::default();
    let mut seen: Vec<u64> = (0..1000).map(|_| ids.next()).collect();
    let upper_half = seen.iter().filter(|id| **id > u64::MAX / 2).count();
    assert!((300..700).contains(&upper_half), "{upper_half}");
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 1000);
    assert!(seen[0] > 0);
}

//! Spans as they are reported, for requests with and without a caller.

use std::time::Duration;

use http::HeaderMap;

use super::*;
use crate::clock::ManualClock;
use crate::report::{Destination, ReporterSettings};
use crate::testing::{TestServer, plain};
use crate::trace::{Format, scope};

/// Reports to a server of the test, with a clock of the test.
struct Bench {
    zipkin: TestServer,
    tracer: Tracer,
    clock: Arc<ManualClock>,
}

impl Bench {
    async fn new(change: impl FnOnce(&mut TracerSettings)) -> Self {
        let zipkin = TestServer::answering(202, "").await;
        let uri = zipkin.url("/api/v2/spans").parse().unwrap();
        let settings = ReporterSettings::new(Destination::Fixed(uri));
        let reporter = Reporter::start(settings).unwrap();
        let clock = Arc::new(ManualClock::new(1_700_000_000_000_000));
        let mut settings = TracerSettings::new("Order-Service");
        settings.clock = Arc::<ManualClock>::clone(&clock);
        change(&mut settings);
        Self {
            zipkin,
            tracer: Tracer::new(settings, reporter),
            clock,
        }
    }

    async fn spans(&self) -> Vec<serde_json::Value> {
        assert!(self.tracer.reporter().flush(Duration::from_secs(20)).await);
        let asked = self.zipkin.asked();
        let bodies = asked
            .iter()
            .map(|asked| serde_json::from_slice::<Vec<serde_json::Value>>(&plain(asked)).unwrap());
        bodies.flatten().collect()
    }
}

fn extract(tracer: &Tracer, pairs: &[(&'static str, &'static str)]) -> Extracted {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.insert(*name, value.parse().unwrap());
    }
    tracer.propagation().extract(&headers)
}

#[tokio::test]
async fn a_span_is_reported_with_all_that_was_said() {
    let bench = Bench::new(|settings| settings.trace_id_128 = false).await;
    let mut span = bench.tracer.start("Charge");
    span.tag("k", "1");
    span.tag("k", "2");
    span.error("first");
    span.error("second");
    bench.clock.advance(Duration::from_micros(7));
    span.annotate("event");
    span.remote_service("DB");
    span.remote_address("10.0.0.1:3306".parse().unwrap());
    bench.clock.advance(Duration::from_micros(5));
    let id = span.context().span_id.to_string();
    span.finish();
    assert_eq!(
        bench.spans().await,
        [serde_json::json!({
            "traceId": id, "id": id, "name": "charge", "timestamp": 1_700_000_000_000_000_u64, "duration": 12,
            "localEndpoint": {"serviceName": "order-service"},
            "remoteEndpoint": {"serviceName": "db", "ipv4": "10.0.0.1", "port": 3306},
            "annotations": [{"timestamp": 1_700_000_000_000_007_u64, "value": "event"}],
            "tags": {"k": "2", "error": "first"},
        })]
    );
}

#[tokio::test]
async fn a_server_joins_the_span_of_a_b3_client() {
    let bench = Bench::new(|_| {}).await;
    let sent = [
        ("x-b3-traceid", "427afc988e8e5a23"),
        ("x-b3-spanid", "27e72932813a05a3"),
        ("x-b3-parentspanid", "8ff3d86b9134adbc"),
        ("x-b3-sampled", "1"),
    ];
    bench.tracer.serve(extract(&bench.tracer, &sent)).finish();
    let spans = bench.spans().await;
    assert_eq!(spans[0]["traceId"], "427afc988e8e5a23");
    assert_eq!(spans[0]["id"], "27e72932813a05a3");
    assert_eq!(spans[0]["parentId"], "8ff3d86b9134adbc");
    assert_eq!(spans[0]["shared"], true);
    assert_eq!(spans[0]["kind"], "SERVER");
}

#[tokio::test]
async fn a_server_begins_a_child_for_w3c_and_where_joining_is_off() {
    let bench = Bench::new(|_| {}).await;
    let sent = [(
        "traceparent",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-d04a9fb0c91f368e-01",
    )];
    bench.tracer.serve(extract(&bench.tracer, &sent)).finish();
    let off = Bench::new(|settings| settings.join = false).await;
    let sent = [("b3", "4bf92f3577b34da6a3ce929d0e0e4736-d04a9fb0c91f368e-1")];
    off.tracer.serve(extract(&off.tracer, &sent)).finish();
    for spans in [bench.spans().await, off.spans().await] {
        assert_eq!(spans[0]["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(spans[0]["parentId"], "d04a9fb0c91f368e");
        assert_eq!(spans[0].get("shared"), None);
    }
}

#[tokio::test]
async fn an_open_decision_is_taken_here_and_the_span_is_ours() {
    let bench = Bench::new(|_| {}).await;
    let sent = [("b3", "00000000000000a2-0000000000000b02")];
    bench.tracer.serve(extract(&bench.tracer, &sent)).finish();
    let spans = bench.spans().await;
    assert_eq!(spans[0]["id"], "0000000000000b02");
    assert_eq!(spans[0].get("shared"), None);
}

#[tokio::test]
async fn what_the_caller_decided_overrules_the_sampler() {
    let keeps = Bench::new(|settings| settings.sampler = Sampler::never()).await;
    keeps
        .tracer
        .serve(extract(&keeps.tracer, &[("b3", "1")]))
        .finish();
    keeps
        .tracer
        .serve(extract(&keeps.tracer, &[("b3", "d")]))
        .finish();
    keeps.tracer.serve(Extracted::default()).finish();
    let spans = keeps.spans().await;
    assert_eq!(spans.len(), 2);
    assert_eq!(spans[1]["debug"], true);
    let drops = Bench::new(|_| {}).await;
    let span = drops.tracer.serve(extract(&drops.tracer, &[("b3", "0")]));
    // The decision goes on with every call, with ids.
    let mut out = HeaderMap::new();
    drops.tracer.propagation().inject(span.context(), &mut out);
    assert_eq!(out["x-b3-sampled"], "0");
    assert!(out.contains_key("x-b3-traceid"));
    span.finish();
    assert!(drops.spans().await.is_empty());
}

#[tokio::test]
async fn children_belong_to_the_current_span_of_the_task() {
    let bench = Bench::new(|settings| settings.propagation.produce = vec![Format::B3]).await;
    let parent = bench.tracer.start("parent");
    let context = parent.context().clone();
    let tracer = bench.tracer.clone();
    let child = scope(context.clone(), async move {
        tracer.start("child").context().clone()
    })
    .await;
    assert_eq!(child.parent_id, Some(context.span_id));
    assert_eq!(child.trace_id, context.trace_id);
    assert_ne!(
        bench.tracer.start("other").context().trace_id,
        context.trace_id
    );
}

#[tokio::test]
async fn new_ids_have_seconds_in_front_as_braves_do() {
    let bench = Bench::new(|_| {}).await;
    let id = bench.tracer.start("a").context().trace_id;
    assert_eq!(id.high >> 32, 1_700_000_000);
    assert_ne!(id.low, 0);
}

#[tokio::test]
async fn texts_and_fields_are_bounded() {
    let bench = Bench::new(|_| {}).await;
    let mut span = bench.tracer.start("a");
    span.tag("long", &"é".repeat(10_000));
    for index in 0..1000 {
        span.tag(&index.to_string(), "");
        span.annotate("again");
    }
    span.finish();
    let spans = bench.spans().await;
    assert_eq!(spans[0]["tags"].as_object().unwrap().len(), 128);
    assert_eq!(spans[0]["annotations"].as_array().unwrap().len(), 128);
    assert_eq!(spans[0]["tags"]["long"].as_str().unwrap().len(), 8192);
}

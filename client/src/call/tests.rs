//! Calls over real sockets: who is called, what is tried again, what circuits and fallbacks do, and
//! the spans of all that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use serde::Deserialize;

use super::balance::RoundRobin;
use super::breaker::{BreakerSettings, BreakerState};
use super::bulkhead::BulkheadSettings;
use super::retry::RetrySettings;
use super::*;
use crate::exposition::Exposition;
use crate::report::{Destination, Reporter, ReporterSettings};
use crate::testing::{TestServer, plain, reply};
use crate::trace::{Sampler, Tracer, TracerSettings, scope};

const LONG: Duration = Duration::from_secs(20);

fn place(address: std::net::SocketAddr) -> Place {
    Place {
        id: address.to_string(),
        host: address.ip().to_string(),
        port: address.port(),
        ..Place::default()
    }
}

/// Returns an address where nobody listens.
async fn nobody() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

fn untraced() -> Tracer {
    Tracer::new(TracerSettings::new("test"), Reporter::none())
}

/// Generous with time, so that a slow machine changes nothing.
fn patient() -> CallSettings {
    CallSettings {
        connect_timeout: LONG,
        read_timeout: LONG,
        time_limit: LONG,
        ..CallSettings::default()
    }
}

fn client(
    addresses: impl IntoIterator<Item = std::net::SocketAddr>,
    settings: CallSettings,
) -> ServiceClient {
    let instances = FixedInstances::default().with("service-1", addresses.into_iter().map(place));
    ServiceClient::builder("service-1", Arc::new(instances), untraced())
        .settings(settings)
        .balance(RoundRobin::from(0))
        .build()
}

#[derive(Debug, PartialEq, Deserialize)]
struct Order {
    id: u32,
}

#[tokio::test]
async fn a_call_is_what_was_declared() {
    let server = TestServer::answering(200, r#"{"id":7}"#).await;
    let client = client([server.address], patient());
    let order: Order = client
        .post("/orders/{id}/items/{item}")
        .path("id", 7)
        .path("item", "a b/é?")
        .query("q", "x y&z")
        .query("p", 1)
        .json_body(&serde_json::json!({"n": 1}))
        .json()
        .await
        .unwrap();
    assert_eq!(order, Order { id: 7 });
    let asked = &server.asked()[0];
    assert_eq!(asked.method(), "POST");
    assert_eq!(
        asked.uri().to_string(),
        "/orders/7/items/a%20b%2F%C3%A9%3F?q=x+y%26z&p=1"
    );
    assert_eq!(asked.headers()["content-type"], "application/json");
    assert_eq!(asked.headers()["accept"], "application/json");
    assert_eq!(asked.body(), r#"{"n":1}"#);
}

#[tokio::test]
async fn mistakes_of_the_program_are_told_and_nothing_is_sent() {
    let server = TestServer::answering(200, "").await;
    let client = client([server.address], patient());
    let error = client.get("/a").path("id", 1).send().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no request can be made: /a has no part {id}"
    );
    let error = client.get("/a/{id}").send().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no request can be made: /a/{id} is not filled in"
    );
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn calls_alternate_over_instances() {
    let (one, two) = (
        TestServer::answering(200, "1").await,
        TestServer::answering(200, "2").await,
    );
    let client = client([one.address, two.address], patient());
    for _ in 0..10 {
        client.get("/").send().await.unwrap();
    }
    assert_eq!((one.asked().len(), two.asked().len()), (5, 5));
}

#[tokio::test]
async fn nobody_known_is_said_in_springs_words() {
    let client = client([], patient());
    let error = client.get("/").text().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Load balancer does not contain an instance for the service service-1"
    );
}

#[tokio::test]
async fn with_one_instance_dead_no_call_fails() {
    let alive = TestServer::answering(200, "hi").await;
    let dead = nobody().await;
    let client = client([dead, alive.address], patient());
    for _ in 0..40 {
        // What never left may be sent again, whatever the method.
        client.post("/").send().await.unwrap();
    }
    assert_eq!(alive.asked().len(), 40);
    // After three failed connections it is left alone, so few tries were wasted.
    let retries = client.0.operations.all()[0].retries.load(Ordering::Relaxed);
    assert_eq!(retries, 3);
}

#[tokio::test]
async fn only_what_reads_is_tried_again_after_it_left() {
    let breaks = || TestServer::start(|_| async { std::future::pending().await });
    let (one, two) = (breaks().await, breaks().await);
    let settings = CallSettings {
        read_timeout: Duration::from_millis(50),
        ..patient()
    };
    let client = client([one.address, two.address], settings);
    let asked = || one.asked().len() + two.asked().len();
    let error = client.post("/").send().await.unwrap_err();
    assert!(matches!(error, CallError::TooSlow(..)), "{error}");
    assert_eq!(asked(), 1);
    client.post("/").repeatable().send().await.unwrap_err();
    assert_eq!(asked(), 3);
    client.get("/").send().await.unwrap_err();
    assert_eq!(asked(), 5);
    // The next server first: each was asked once by the last two calls.
    assert!(one.asked().len().abs_diff(two.asked().len()) <= 1);
    // Ribbon leaves alone also what HTTP would let one do twice.
    client.put("/").send().await.unwrap_err();
    client.delete("/").send().await.unwrap_err();
    assert_eq!(asked(), 7);
}

#[tokio::test]
async fn a_change_leaves_the_other_settings_as_they_are() {
    let nobody = Arc::new(FixedInstances::default());
    let client = ServiceClient::builder("service-1", nobody, untraced())
        .settings(patient())
        .change(|settings| settings.breaker = None)
        .build();
    assert_eq!(client.settings().breaker, None);
    assert_eq!(client.settings().read_timeout, LONG);
}

#[tokio::test]
async fn the_same_server_is_tried_again_when_that_is_wanted() {
    let status = Arc::new(AtomicU16::new(503));
    let now = Arc::clone(&status);
    let server = TestServer::start(move |_| {
        let answer = now.swap(200, Ordering::Relaxed);
        async move { reply(answer, "hi") }
    })
    .await;
    let settings = CallSettings {
        retry: RetrySettings {
            same_server: 1,
            next_servers: 0,
            statuses: vec![http::StatusCode::SERVICE_UNAVAILABLE],
            ..RetrySettings::default()
        },
        ..patient()
    };
    let client = client([server.address], settings);
    assert_eq!(client.get("/").text().await.unwrap(), "hi");
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn retries_end_with_their_budget() {
    let dead = nobody().await;
    let settings = CallSettings {
        breaker: None,
        retry: RetrySettings {
            budget_ratio: 0.0,
            budget_per_second: 0.0,
            ..RetrySettings::default()
        },
        ..patient()
    };
    let client = client([dead], settings);
    for _ in 0..5 {
        client.get("/").send().await.unwrap_err();
    }
    assert_eq!(
        client.0.operations.all()[0].retries.load(Ordering::Relaxed),
        0
    );
}

#[tokio::test]
async fn the_breaker_opens_tries_and_closes_and_the_fallback_answers_meanwhile() {
    let status = Arc::new(AtomicU16::new(500));
    let now = Arc::clone(&status);
    let server = TestServer::start(move |_| {
        let answer = now.load(Ordering::Relaxed);
        async move { reply(answer, "hi") }
    })
    .await;
    let clock = Arc::new(crate::ManualClock::new(0));
    let instances = FixedInstances::default().with("SERVICE-1", [place(server.address)]);
    let client = ServiceClient::builder("service-1", Arc::new(instances), untraced())
        .settings(patient())
        .clock(Arc::<crate::ManualClock>::clone(&clock))
        .build();
    let call = || {
        client
            .get("/fail")
            .text_or(|error| format!("sorry: {}", error.kind()))
    };
    for _ in 0..20 {
        assert_eq!(call().await, "sorry: status");
    }
    assert!(client.has_open_circuit());
    assert_eq!(call().await, "sorry: not_permitted");
    assert_eq!(server.asked().len(), 20);
    // Another operation of the same service has a circuit of its own.
    status.store(200, Ordering::Relaxed);
    assert_eq!(client.get("/hi").text().await.unwrap(), "hi");
    clock.advance(Duration::from_secs(5));
    assert_eq!(call().await, "hi");
    assert_eq!(client.breakers()[0].state(), BreakerState::Closed);
    let mut out = Exposition::default();
    ServiceClient::write_metrics(std::slice::from_ref(&client), &mut out);
    let text = out.into_text();
    for line in [
        r#"http_client_fallbacks_total{client_name="service-1",method="GET",uri="/fail"} 21"#,
        r#"resilience4j_circuitbreaker_state{name="service-1#GET /fail",state="closed"} 1"#,
        r#"resilience4j_circuitbreaker_not_permitted_calls_total{name="service-1#GET /fail",kind="not_permitted"} 1"#,
        r#"http_client_requests_seconds_count{client_name="service-1",method="GET",uri="/fail",outcome="SERVER_ERROR"} 20"#,
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[tokio::test]
async fn a_request_that_is_wrong_opens_no_circuit() {
    let server = TestServer::answering(404, "no").await;
    let client = client([server.address], patient());
    for _ in 0..50 {
        let error = client.get("/").send().await.unwrap_err();
        assert_eq!(error.status().unwrap(), 404);
        assert!(matches!(error, CallError::Status { body, .. } if body == "no"));
    }
    assert!(!client.has_open_circuit());
}

#[tokio::test]
async fn the_time_limit_is_for_all_tries_and_opens_the_circuit() {
    let server = TestServer::start(|_| std::future::pending()).await;
    let settings = CallSettings {
        time_limit: Duration::from_millis(20),
        breaker: Some(BreakerSettings {
            minimum_calls: 2,
            ..BreakerSettings::hystrix()
        }),
        ..patient()
    };
    let client = client([server.address], settings);
    for _ in 0..2 {
        let error = client.get("/").send().await.unwrap_err();
        assert_eq!(error.to_string(), "service-1 did not answer within 20ms");
    }
    assert!(client.has_open_circuit());
}

#[tokio::test]
async fn calls_beyond_the_bulkhead_are_refused() {
    let server = TestServer::start(|_| std::future::pending()).await;
    let settings = CallSettings {
        bulkhead: Some(BulkheadSettings {
            calls_max: 1,
            ..BulkheadSettings::default()
        }),
        ..patient()
    };
    let client = client([server.address], settings);
    let same = client.clone();
    let hanging = tokio::spawn(async move { same.get("/").send().await });
    crate::testing::until("the first call came", || server.asked().len() == 1).await;
    assert!(matches!(
        client.get("/").send().await,
        Err(CallError::Full(_))
    ));
    hanging.abort();
}

#[tokio::test]
async fn answers_are_bounded() {
    let server = TestServer::answering(200, "0123456789").await;
    let settings = |answer_bytes_max| CallSettings {
        answer_bytes_max,
        ..patient()
    };
    let fits = client([server.address], settings(10));
    assert_eq!(fits.get("/").text().await.unwrap().len(), 10);
    let short = client([server.address], settings(9));
    assert!(matches!(
        short.get("/").text().await,
        Err(CallError::TooLarge(9))
    ));
}

#[tokio::test]
async fn each_try_is_a_span_of_the_callers_trace() {
    let zipkin = TestServer::answering(202, "").await;
    let uri = zipkin.url("/api/v2/spans").parse().unwrap();
    let reporter = Reporter::start(ReporterSettings::new(Destination::Fixed(uri))).unwrap();
    let mut settings = TracerSettings::new("service-2");
    settings.sampler = Sampler::always();
    let tracer = Tracer::new(settings, reporter.clone());
    let alive = TestServer::answering(200, "hi").await;
    let dead = nobody().await;
    let instances = FixedInstances::default().with("service-1", [dead, alive.address].map(place));
    let client = ServiceClient::builder("service-1", Arc::new(instances), tracer.clone())
        .settings(patient())
        .balance(RoundRobin::from(1))
        .build();
    let parent = tracer.start("work");
    let context = parent.context().clone();
    scope(
        context.clone(),
        client.get("/hi/{name}").path("name", "bob").send(),
    )
    .await
    .unwrap();
    drop(parent);
    assert!(reporter.flush(LONG).await);
    let spans: Vec<serde_json::Value> = zipkin
        .asked()
        .iter()
        .flat_map(|a| serde_json::from_slice::<Vec<_>>(&plain(a)).unwrap())
        .collect();
    assert_eq!(spans.len(), 3);
    let (failed, answered) = (&spans[0], &spans[1]);
    for span in [failed, answered] {
        assert_eq!(span["traceId"], context.trace_id.to_string());
        assert_eq!(span["parentId"], context.span_id.to_string());
        assert_eq!(
            (&span["kind"], &span["name"]),
            (&"CLIENT".into(), &"get".into())
        );
        assert_eq!(span["tags"]["http.method"], "GET");
        assert_eq!(span["tags"]["http.path"], "/hi/bob");
        assert_eq!(span["remoteEndpoint"]["serviceName"], "service-1");
    }
    assert!(
        failed["tags"]["error"]
            .as_str()
            .unwrap()
            .contains("can't be reached")
    );
    assert_eq!(answered["tags"].get("error"), None);
    assert_eq!(answered["remoteEndpoint"]["port"], alive.address.port());
    let headers = alive.asked()[0].headers().clone();
    assert_eq!(headers["x-b3-spanid"], answered["id"].as_str().unwrap());
    assert_eq!(headers["x-b3-parentspanid"], context.span_id.to_string());
    assert!(
        headers["traceparent"]
            .to_str()
            .unwrap()
            .contains(answered["id"].as_str().unwrap())
    );
}

#[tokio::test]
async fn a_call_that_is_given_up_says_so_in_its_span() {
    let zipkin = TestServer::answering(202, "").await;
    let uri = zipkin.url("/api/v2/spans").parse().unwrap();
    let reporter = Reporter::start(ReporterSettings::new(Destination::Fixed(uri))).unwrap();
    let tracer = Tracer::new(TracerSettings::new("service-2"), reporter.clone());
    let server = TestServer::start(|_| std::future::pending()).await;
    let instances = FixedInstances::default().with("service-1", [place(server.address)]);
    let client = ServiceClient::builder("service-1", Arc::new(instances), tracer)
        .settings(patient())
        .build();
    let same = client.clone();
    let call = tokio::spawn(async move { same.get("/").send().await.map(drop) });
    crate::testing::until("the call came", || server.asked().len() == 1).await;
    call.abort();
    crate::testing::until("the span ended", || reporter.figures().spans == 1).await;
    assert!(reporter.flush(LONG).await);
    let body = plain(&zipkin.asked()[0]);
    assert!(String::from_utf8_lossy(&body).contains(r#""error":"cancelled""#));
    // Nobody waited, so it says nothing about the service.
    assert_eq!(client.breakers()[0].figures().ignored, 1);
}

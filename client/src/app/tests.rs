//! Whole services over real sockets: found, configured, called, traced, refreshed, and gone.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{Path, State};
use axum::routing::get;
use serde_json::Value;
use tokio::sync::oneshot;

use super::*;
use crate::call::{CallSettings, FixedInstances, Place};
use crate::report::Reporter;
use crate::testing::registry::Registry;
use crate::testing::{TestServer, plain, reply, until};
use crate::trace::TracerSettings;

/// A stack without services: a registry, a config server and somebody who takes spans.
struct Stack {
    registry: Arc<Registry>,
    eureka: TestServer,
    config: TestServer,
    zipkin: TestServer,
    /// Whether the config server has its second version.
    later: Arc<AtomicBool>,
}

const FIRST: &str = r#"{"version":"1","propertySources":[{"name":"a","source":{
    "greeting":"hi","spring.sleuth.sampler.probability":1.0}}]}"#;
const SECOND: &str = r#"{"version":"2","propertySources":[{"name":"a","source":{
    "greeting":"hello","spring.sleuth.sampler.probability":0}}]}"#;

impl Stack {
    async fn start() -> Self {
        let registry = Arc::new(Registry::default());
        let later = Arc::new(AtomicBool::new(false));
        let is_later = Arc::clone(&later);
        let config = TestServer::start(move |_| {
            let later = is_later.load(Ordering::Relaxed);
            async move { reply(200, if later { SECOND } else { FIRST }) }
        });
        Self {
            eureka: registry.serve().await,
            config: config.await,
            zipkin: TestServer::answering(202, "").await,
            registry,
            later,
        }
    }

    async fn app(&self, name: &str) -> App {
        App::builder(name)
            .defaults([
                ("server.address", "127.0.0.1".to_owned()),
                ("server.port", "0".to_owned()),
                (
                    "spring.config.import",
                    format!("configserver:{}", self.config.url("")),
                ),
                (
                    "eureka.client.service-url.defaultZone",
                    self.eureka.url("/eureka/"),
                ),
                ("spring.zipkin.base-url", self.zipkin.url("/")),
                (
                    "spring.cloud.openfeign.client.config.default.read-timeout",
                    "20s".to_owned(),
                ),
            ])
            .start()
            .await
            .unwrap()
    }

    fn spans(&self) -> Vec<Value> {
        let asked = self.zipkin.asked();
        let bodies = asked.iter().map(plain);
        bodies
            .flat_map(|body| serde_json::from_slice::<Vec<Value>>(&body).unwrap())
            .collect()
    }
}

/// A service that is serving, until it is told to end.
struct Running {
    address: SocketAddr,
    end: oneshot::Sender<()>,
    task: JoinHandle<Result<(), AppError>>,
}

impl Running {
    fn start(app: App, router: Router) -> Self {
        let (end, ended) = oneshot::channel();
        Self {
            address: app.address(),
            end,
            task: tokio::spawn(app.serve_until(router, async move {
                let _told = ended.await;
            })),
        }
    }

    async fn end(self) {
        self.end.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }

    /// Returns a client of this one, which says nothing of traces.
    fn client(&self) -> ServiceClient {
        let mut settings = TracerSettings::new("test");
        settings.propagation.produce.clear();
        let tracer = Tracer::new(settings, Reporter::none());
        let place = Place {
            host: self.address.ip().to_string(),
            port: self.address.port(),
            ..Place::default()
        };
        let instances = FixedInstances::default().with("it", [place]);
        ServiceClient::builder("it", Arc::new(instances), tracer)
            .settings(CallSettings {
                breaker: None,
                ..CallSettings::default()
            })
            .build()
    }
}

fn service_1(app: &App) -> Router {
    let (config, port) = (app.config().clone(), app.address().port());
    Router::new().route(
        "/hi/{name}",
        get(move |Path(name): Path<String>| async move {
            let greeting = config.settings().text("greeting").unwrap().unwrap();
            format!("{greeting} {name}, i am from port:{port}")
        }),
    )
}

fn service_2(app: &App) -> Router {
    let greeter = app.service("service-1").unwrap();
    let hi = |State(greeter): State<ServiceClient>| async move {
        let call = greeter.get("/hi/{name}").path("name", "bob");
        call.text_or(|error| format!("sorry: {}", error.kind()))
            .await
    };
    Router::new().route("/hi", get(hi)).with_state(greeter)
}

#[tokio::test]
async fn a_service_calls_two_instances_of_another_in_one_trace() {
    let stack = Stack::start().await;
    let one = stack.app("service-1").await;
    let two = stack.app("service-1").await;
    let (one_router, two_router) = (service_1(&one), service_1(&two));
    let (one, two) = (
        Running::start(one, one_router),
        Running::start(two, two_router),
    );
    until("both are registered", || {
        stack.registry.instances.lock().len() == 2
    })
    .await;
    let front = stack.app("service-2").await;
    let router = service_2(&front);
    let front = Running::start(front, router);
    let client = front.client();
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(client.get("/hi").text().await.unwrap());
    }
    for running in [&one, &two] {
        let own = format!("hi bob, i am from port:{}", running.address.port());
        assert_eq!(
            answers.iter().filter(|answer| **answer == own).count(),
            2,
            "{answers:?}"
        );
    }
    // One goes: it leaves the registry first, and no call fails.
    let gone = format!("127.0.0.1:service-1:{}", one.address.port());
    assert_eq!(stack.registry.status(&gone).as_deref(), Some("UP"));
    one.end().await;
    assert_eq!(stack.registry.status(&gone), None);
    for _ in 0..4 {
        let answer = client.get("/hi").text().await.unwrap();
        assert!(answer.starts_with("hi bob"), "{answer}");
    }
    two.end().await;
    assert_eq!(
        client.get("/hi").text().await.unwrap(),
        "sorry: unreachable"
    );
    front.end().await;
    assert!(stack.registry.instances.lock().is_empty());
    traced(&stack.spans());
}

/// Each call is one trace of three spans: the entry, and a client's and a server's half that share
/// an id.
fn traced(spans: &[Value]) {
    let of = |service: &str, kind: &str| -> Vec<&Value> {
        let is =
            |span: &&Value| span["localEndpoint"]["serviceName"] == service && span["kind"] == kind;
        spans.iter().filter(is).collect()
    };
    assert_eq!(of("service-2", "SERVER").len(), 9);
    let answered = of("service-1", "SERVER");
    assert_eq!(answered.len(), 8);
    for server in answered {
        assert_eq!(server["name"], "get /hi/{name}");
        assert_eq!(server["shared"], true);
        assert_eq!(server["remoteEndpoint"]["ipv4"], "127.0.0.1");
        let clients = of("service-2", "CLIENT");
        let client = clients
            .iter()
            .find(|client| client["id"] == server["id"])
            .unwrap();
        let entries = of("service-2", "SERVER");
        let entry = entries
            .iter()
            .find(|entry| entry["id"] == client["parentId"])
            .unwrap();
        assert_eq!(entry["name"], "get /hi");
        assert_eq!(entry["traceId"], server["traceId"]);
    }
}

#[tokio::test]
async fn a_refresh_changes_answers_and_the_sampling() {
    let stack = Stack::start().await;
    let app = stack.app("service-1").await;
    let (tracer, router) = (app.tracer().clone(), service_1(&app));
    let running = Running::start(app, router);
    let client = running.client();
    assert!(tracer.sampler().is_sampled(1));
    let changed: Vec<String> = client.post("/actuator/refresh").json().await.unwrap();
    assert!(changed.is_empty());
    stack.later.store(true, Ordering::Relaxed);
    let changed: Vec<String> = client.post("/actuator/refresh").json().await.unwrap();
    assert_eq!(
        changed,
        [
            "config.client.version",
            "greeting",
            "spring.sleuth.sampler.probability"
        ]
    );
    let answer = client.get("/hi/eve").text().await.unwrap();
    assert!(answer.starts_with("hello eve"), "{answer}");
    until("the sampler is another", || !tracer.sampler().is_sampled(1)).await;
    running.end().await;
}

#[tokio::test]
async fn a_service_tells_about_itself() {
    let stack = Stack::start().await;
    let app = stack.app("service-1").await;
    let well = Arc::new(AtomicBool::new(true));
    let is_well = Arc::clone(&well);
    app.health().add("pump", move || {
        if is_well.load(Ordering::Relaxed) {
            HealthState::Up
        } else {
            HealthState::Down("no water".into())
        }
    });
    let router = service_1(&app);
    let running = Running::start(app, router);
    let client = running.client();
    client.get("/hi/eve").send().await.unwrap();
    assert_eq!(
        client
            .get("/nothing")
            .send()
            .await
            .unwrap_err()
            .status()
            .unwrap(),
        404
    );
    until("it is registered", || {
        !stack.registry.instances.lock().is_empty()
    })
    .await;
    let health: Value = client.get("/actuator/health").json().await.unwrap();
    assert_eq!(health["status"], "UP");
    assert_eq!(health["components"]["eureka"]["status"], "UP");
    let info: Value = client.get("/actuator/info").json().await.unwrap();
    assert_eq!(info["app"]["name"], "service-1");
    let metrics = client.get("/actuator/prometheus").text().await.unwrap();
    for line in [
        r#"http_server_requests_seconds_count{method="GET",outcome="SUCCESS",status="200",uri="/hi/{name}"} 1"#,
        r#"http_server_requests_seconds_count{method="GET",outcome="CLIENT_ERROR",status="404",uri="NOT_FOUND"} 1"#,
        "eureka_client_registered 1",
        // What is below /actuator is not traced.
        "zipkin_reporter_spans_total 2",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    well.store(false, Ordering::Relaxed);
    let error = client.get("/actuator/health").send().await.unwrap_err();
    assert_eq!(error.status().unwrap(), 503);
    running.end().await;
}

#[tokio::test]
async fn settings_that_can_not_be_read_stop_the_start() {
    for (name, value) in [
        ("server.port", "many"),
        ("spring.sleuth.sampler.probability", "2"),
        ("management.tracing.propagation.produce", "B4"),
        ("spring.zipkin.encoder", "XML"),
        ("spring.zipkin.base-url", "http://a b"),
    ] {
        let builder = App::builder("a").defaults([("server.port", "0")]);
        let argument = format!("--{name}={value}");
        let error = builder.arguments([argument]).start().await.unwrap_err();
        assert!(
            error.to_string().starts_with(&format!("setting {name}: ")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn the_config_server_and_zipkin_are_found_by_name() {
    let stack = Stack::start().await;
    stack
        .registry
        .add("configserver", stack.config.address.port());
    stack.registry.add("zipkin", stack.zipkin.address.port());
    let app = App::builder("service-1")
        .defaults([
            ("server.address", "127.0.0.1".to_owned()),
            ("server.port", "0".to_owned()),
            ("spring.cloud.config.discovery.enabled", "true".to_owned()),
            (
                "eureka.client.service-url.defaultZone",
                stack.eureka.url("/eureka/"),
            ),
            ("spring.zipkin.base-url", "http://zipkin/".to_owned()),
        ])
        .start()
        .await
        .unwrap();
    assert_eq!(
        app.config().settings().text("greeting").unwrap().as_deref(),
        Some("hi")
    );
    app.tracer().start("work").finish();
    assert!(app.tracer().reporter().flush(Duration::from_secs(20)).await);
    assert_eq!(stack.spans().len(), 1);
}

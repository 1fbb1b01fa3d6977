//! The client of registries against a real one, in this process: found, called, left, forgotten,
//! and taken over by another.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failing step fails the test and says which"
)]

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use speargun_client::app::App;
use speargun_client::exposition::Exposition;
use speargun_client::{AppError, ServiceClient};
use speargun_registry::run::Running;
use speargun_registry::{Options, Settings};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(30);

/// A registry on a runtime of its own, so that it can crash.
struct Registry {
    runtime: Option<Runtime>,
    running: Option<Running>,
    url: String,
}

impl Registry {
    fn start() -> Self {
        let settings = [("PORT", "0"), ("ADDRESS", "127.0.0.1"), ("DATA", "none")];
        let settings =
            settings.map(|(name, value)| (format!("SPEARGUN_REGISTRY_{name}"), value.to_owned()));
        let settings: Settings = Options::default().settings(settings).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        // A runtime can't be waited for within another.
        let (started, runtime) =
            std::thread::spawn(move || (runtime.block_on(Running::start(settings)), runtime))
                .join()
                .unwrap();
        let running = started.unwrap();
        Self {
            url: format!("http://127.0.0.1:{}/eureka/", running.port),
            runtime: Some(runtime),
            running: Some(running),
        }
    }
}

impl Drop for Registry {
    /// Ends it as a crash does.
    fn drop(&mut self) {
        drop(self.running.take());
        self.runtime
            .take()
            .expect("taken once")
            .shutdown_background();
    }
}

async fn app(name: &str, registries: &[&Registry]) -> App {
    let urls: Vec<&str> = registries.iter().map(|registry| &*registry.url).collect();
    App::builder(name)
        .defaults([
            ("server.address", "127.0.0.1"),
            ("server.port", "0"),
            ("eureka.client.service-url.defaultZone", &urls.join(",")),
            ("eureka.instance.lease-renewal-interval-in-seconds", "1"),
            ("spring.zipkin.enabled", "false"),
        ])
        .start()
        .await
        .unwrap()
}

/// A service that greets, until it is told to end.
struct Greets {
    end: oneshot::Sender<()>,
    task: JoinHandle<Result<(), AppError>>,
}

impl Greets {
    async fn start(registries: &[&Registry]) -> Self {
        let app = app("service-1", registries).await;
        let router = Router::new().route("/hi", get(|| async { "hi" }));
        let (end, ended) = oneshot::channel();
        let until = async move {
            let _told = ended.await;
        };
        Self {
            end,
            task: tokio::spawn(app.serve_until(router, until)),
        }
    }

    async fn end(self) {
        self.end.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }
}

/// Fetches until so many instances of service-1 are known.
async fn until_known(app: &App, count: usize) {
    let eureka = app.eureka().unwrap();
    let known = || eureka.services().get("service-1").copied().unwrap_or(0);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while known() != count {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{} are known",
            known()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
        eureka.refresh().await;
    }
}

fn full_fetches(app: &App) -> u64 {
    let mut out = Exposition::default();
    app.eureka().unwrap().write_metrics(&mut out);
    let text = out.into_text();
    let line = "\neureka_client_full_fetches_total ";
    let value = text.split_once(line).unwrap().1.lines().next().unwrap();
    value.parse().unwrap()
}

async fn says_hi(client: &ServiceClient) -> bool {
    client
        .get("/hi")
        .text()
        .await
        .is_ok_and(|answer| answer == "hi")
}

#[tokio::test]
async fn services_find_and_call_each_other_and_changes_need_no_full_fetch() {
    let registry = Registry::start();
    let one = Greets::start(&[&registry]).await;
    let caller = app("service-2", &[&registry]).await;
    until_known(&caller, 1).await;
    let client = caller.service("service-1").unwrap();
    assert!(says_hi(&client).await);
    let full = full_fetches(&caller);
    let two = Greets::start(&[&registry]).await;
    until_known(&caller, 2).await;
    one.end().await;
    until_known(&caller, 1).await;
    assert!(says_hi(&client).await);
    assert_eq!(full_fetches(&caller), full);
    two.end().await;
    until_known(&caller, 0).await;
}

#[tokio::test]
async fn another_registry_takes_over_when_one_crashes() {
    let (one, two) = (Registry::start(), Registry::start());
    let service = Greets::start(&[&one, &two]).await;
    let caller = app("service-2", &[&one, &two]).await;
    until_known(&caller, 1).await;
    let client = caller.service("service-1").unwrap();
    drop(one);
    // Nothing is noticed: who is known stays known, until the other registry knows it too.
    assert!(says_hi(&client).await);
    let late = app("service-3", &[&two]).await;
    until_known(&late, 1).await;
    caller.eureka().unwrap().refresh().await;
    assert!(says_hi(&client).await);
    service.end().await;
    until_known(&late, 0).await;
}

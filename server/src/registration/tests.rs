//! What registries of a test hear, over real sockets, and what their answers make of it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;

use super::*;
use crate::settings::RegistryUrl;

/// A registry that notes what it is asked and answers what it is told to, or 200.
#[derive(Debug, Default)]
struct Recording {
    heard: Mutex<Vec<Heard>>,
    answers: Mutex<VecDeque<u16>>,
}

#[derive(Clone, Debug)]
struct Heard {
    line: String,
    authorization: String,
    body: String,
}

impl Recording {
    async fn start() -> (Arc<Self>, RegistryUrl) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let recording = Arc::new(Self::default());
        let shared = Arc::clone(&recording);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                let service = service_fn(move |request| Arc::clone(&shared).answer(request));
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await
                    .ok();
            }
        });
        (recording, url(port))
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Empty<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let authorization = head.headers.get("authorization");
        self.heard.lock().push(Heard {
            line: format!("{} {}", head.method, head.uri),
            authorization: authorization.map_or("", |a| a.to_str().unwrap()).to_owned(),
            body: String::from_utf8(body.to_vec()).unwrap(),
        });
        let status = self.answers.lock().pop_front().unwrap_or(200);
        let mut response = Response::new(Empty::new());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        Ok(response)
    }

    fn will_answer(&self, statuses: &[u16]) {
        self.answers.lock().extend(statuses);
    }

    /// Returns the methods heard since the last call, and the last request of all.
    fn take(&self) -> (Vec<String>, Heard) {
        let heard = std::mem::take(&mut *self.heard.lock());
        let method = |heard: &Heard| heard.line.split(' ').next().unwrap().to_owned();
        (
            heard.iter().map(method).collect(),
            heard.last().unwrap().clone(),
        )
    }
}

fn url(port: u16) -> RegistryUrl {
    RegistryUrl {
        authority: format!("127.0.0.1:{port}"),
        host: "127.0.0.1".to_owned(),
        port,
        path: "/eureka".to_owned(),
        credentials: None,
    }
}

/// Returns a registrar whose registration is due to be renewed at every look.
fn registrar(registries: Vec<RegistryUrl>) -> (Registrar, Arc<AtomicBool>) {
    let settings = RegistrySettings {
        registries,
        app_name: "zipkin".to_owned(),
        instance_id: String::new(),
        host_name: "here".to_owned(),
        renewal_interval: Duration::ZERO,
    };
    let healthy = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&healthy);
    let instance = Instance::new(&settings, 9411);
    let registrar = Registrar::new(
        settings,
        (instance, Some([10, 0, 0, 5].into())),
        Box::new(move || told.load(Ordering::Relaxed)),
    );
    (registrar, healthy)
}

fn json(body: &str) -> Value {
    serde_json::from_str(body).unwrap()
}

#[tokio::test]
async fn registers_renews_and_leaves() {
    let (registry, mut url) = Recording::start().await;
    url.credentials = Some("me:secret".to_owned());
    let (mut registrar, _) = registrar(vec![url]);
    registry.will_answer(&[204]);
    registrar.look().await;
    let (methods, last) = registry.take();
    assert_eq!(methods, ["POST"]);
    assert_eq!(last.line, "POST /eureka/apps/ZIPKIN");
    assert_eq!(last.authorization, "Basic bWU6c2VjcmV0");
    let instance = json(&last.body)["instance"].take();
    assert_eq!(
        (&instance["status"], &instance["ipAddr"]),
        (&"UP".into(), &"10.0.0.5".into())
    );
    let dirty = instance["lastDirtyTimestamp"].as_str().unwrap().to_owned();

    registrar.look().await;
    let (methods, last) = registry.take();
    assert_eq!(methods, ["PUT"]);
    assert_eq!(
        last.line,
        format!("PUT /eureka/apps/ZIPKIN/here:zipkin:9411?status=UP&lastDirtyTimestamp={dirty}")
    );
    assert_eq!(last.body, "");

    registrar.leave().await;
    let (methods, last) = registry.take();
    assert_eq!(methods, ["DELETE"]);
    assert_eq!(last.line, "DELETE /eureka/apps/ZIPKIN/here:zipkin:9411");
    assert_eq!(last.authorization, "Basic bWU6c2VjcmV0");
}

#[tokio::test]
async fn a_registry_that_forgot_is_told_again_at_once() {
    let (registry, url) = Recording::start().await;
    let (mut registrar, _) = registrar(vec![url]);
    registry.will_answer(&[204, 404, 204]);
    registrar.look().await;
    registrar.look().await;
    assert_eq!(registry.take().0, ["POST", "PUT", "POST"]);
    registrar.look().await;
    assert_eq!(registry.take().0, ["PUT"]);
}

#[tokio::test]
async fn a_refused_registration_is_tried_again_and_never_renewed() {
    let (registry, url) = Recording::start().await;
    let (mut registrar, _) = registrar(vec![url]);
    registry.will_answer(&[401, 500, 204]);
    for _ in 0..4 {
        registrar.look().await;
    }
    assert_eq!(registry.take().0, ["POST", "POST", "POST", "PUT"]);
}

#[tokio::test]
async fn a_renewal_that_failed_is_made_up_for() {
    let (registry, url) = Recording::start().await;
    let (mut registrar, _) = registrar(vec![url]);
    registry.will_answer(&[204, 503, 200]);
    for _ in 0..3 {
        registrar.look().await;
    }
    assert_eq!(registry.take().0, ["POST", "PUT", "PUT"]);
}

#[tokio::test]
async fn a_server_that_is_not_healthy_is_down() {
    let (registry, url) = Recording::start().await;
    let (mut registrar, healthy) = registrar(vec![url]);
    registrar.look().await;
    healthy.store(false, Ordering::Relaxed);
    registrar.look().await;
    let (methods, last) = registry.take();
    assert_eq!(methods, ["POST", "POST"]);
    assert_eq!(json(&last.body)["instance"]["status"], "DOWN");
    registrar.look().await;
    let (methods, last) = registry.take();
    assert_eq!(methods, ["PUT"]);
    assert!(last.line.contains("?status=DOWN&"), "{}", last.line);
    healthy.store(true, Ordering::Relaxed);
    registrar.look().await;
    let (methods, last) = registry.take();
    assert_eq!(methods, ["POST"]);
    assert_eq!(json(&last.body)["instance"]["status"], "UP");
}

#[tokio::test]
async fn a_server_that_starts_is_looked_at_more_often_until_it_is_healthy_once() {
    let (registry, url) = Recording::start().await;
    let (mut registrar, healthy) = registrar(vec![url]);
    registrar.settings.renewal_interval = Duration::from_secs(30);
    healthy.store(false, Ordering::Relaxed);
    registrar.look().await;
    assert_eq!(registrar.pause(), LOOK_AT_FIRST);
    for (is_healthy, status) in [(true, "UP"), (false, "DOWN")] {
        healthy.store(is_healthy, Ordering::Relaxed);
        registrar.look().await;
        let (_, last) = registry.take();
        assert_eq!(json(&last.body)["instance"]["status"], status);
        assert_eq!(registrar.pause(), LOOK_EVERY);
    }
    registry.will_answer(&[500]);
    let (mut registrar, _) = self::registrar(registrar.settings.registries.clone());
    registrar.settings.renewal_interval = Duration::from_secs(30);
    registrar.look().await;
    assert_eq!(
        registrar.pause(),
        LOOK_EVERY,
        "a registry that is away is not asked more"
    );
}

#[tokio::test]
async fn registries_are_tried_in_turn_and_the_last_good_one_is_kept() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = url(gone.local_addr().unwrap().port());
    drop(gone);
    let (failing, failing_url) = Recording::start().await;
    let (good, good_url) = Recording::start().await;
    let (mut registrar, _) = registrar(vec![nobody, failing_url, good_url]);
    failing.will_answer(&[500]);
    registrar.look().await;
    assert_eq!(failing.take().0, ["POST"]);
    assert_eq!(good.take().0, ["POST"]);
    registrar.look().await;
    assert_eq!(good.take().0, ["PUT"]);
    assert!(failing.heard.lock().is_empty());
    // When it fails too, the round goes on behind it, past its end.
    good.will_answer(&[500]);
    registrar.look().await;
    assert_eq!(failing.take().0, ["PUT"]);
}

#[tokio::test]
async fn the_task_ends_with_a_last_request() {
    let (registry, url) = Recording::start().await;
    let (registrar, _) = registrar(vec![url]);
    let (leave, left) = oneshot::channel();
    let registration = Registration {
        leave,
        task: tokio::spawn(registrar.run(left)),
    };
    registration.end().await;
    assert_eq!(registry.take().0.last().unwrap(), "DELETE");
}

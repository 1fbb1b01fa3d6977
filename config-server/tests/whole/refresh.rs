//! A webhook reaches the instances of the applications that a commit changed, one after the other.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::repository::{Daemon, Work};
use speargun_config_server::server::ConfigServer;
use speargun_config_server::settings::{Settings, Sources};
use speargun_config_server::source::config::Backend;
use speargun_config_server::source::sources::Standing;

/// A registry and all applications in one, on one port: notes what it is asked.
fn stack() -> (u16, Arc<Mutex<Vec<String>>>) {
    stack_that_is_busy("/", 0)
}

/// As much, of which what has this in its path has no time at first, so many times.
fn stack_that_is_busy(what: &'static str, times: usize) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&heard);
    let busy = Arc::new(AtomicUsize::new(times));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (shared, busy) = (Arc::clone(&shared), Arc::clone(&busy));
            std::thread::spawn(move || answer(&stream, port, (&shared, (what, &busy))));
        }
    });
    (port, heard)
}

type Busy<'a> = (&'static str, &'a AtomicUsize);

fn answer(stream: &TcpStream, port: u16, (heard, busy): (&Mutex<Vec<String>>, Busy<'_>)) {
    let (what, busy) = busy;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            if header.trim().is_empty() {
                break;
            }
            if let Some(value) = header.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let target = line.split(' ').nth(1).unwrap().to_owned();
        heard
            .lock()
            .unwrap()
            .push(line.trim().replace(" HTTP/1.1", ""));
        let is_busy = |times: usize| times.checked_sub(1).filter(|_| target.contains(what));
        let (status, body) = match target.as_str() {
            _ if busy.fetch_update(SeqCst, SeqCst, is_busy).is_ok() => {
                ("503 Service Unavailable", String::new())
            }
            "/eureka/apps/SHOP" => (
                "200 OK",
                instances("SHOP", &[("one", "/one"), ("two", "/two")], port),
            ),
            "/eureka/apps/CONFIGSERVER" => ("404 Not Found", String::new()),
            "/eureka/apps/OURS" => ("200 OK", instances("OURS", &[("us", "/us")], port)),
            "/eureka/apps/" => ("200 OK", everybody(port)),
            target if target.ends_with("/actuator/refresh") => ("200 OK", "[\"a\"]".to_owned()),
            _ => ("404 Not Found", String::new()),
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        (&*stream).write_all(answer.as_bytes()).unwrap();
    }
}

fn instances(name: &str, all: &[(&str, &str)], port: u16) -> String {
    let instance = |(id, path): &(&str, &str)| {
        format!(
            r#"{{"instanceId":"{id}","ipAddr":"127.0.0.1","status":"UP","port":{{"$":{port},"@enabled":"true"}},"metadata":{{"management.context-path":"{path}"}}}}"#
        )
    };
    let all: Vec<String> = all.iter().map(instance).collect();
    format!(
        r#"{{"application":{{"name":"{name}","instance":[{}]}}}}"#,
        all.join(",")
    )
}

/// Returns the answer about all: the shop, and a server of configurations that has a name of its
/// own.
fn everybody(port: u16) -> String {
    let all = [
        instances("SHOP", &[("one", "/one"), ("two", "/two")], port),
        instances("OURS", &[("us", "/us")], port),
    ];
    let inner = |one: &String| {
        let inner = one.strip_prefix(r#"{"application":"#).unwrap();
        inner.strip_suffix('}').unwrap().to_owned()
    };
    let all: Vec<String> = all.iter().map(inner).collect();
    format!(
        r#"{{"applications":{{"application":[{}]}}}}"#,
        all.join(",")
    )
}

async fn start(file: String, folder: &std::path::Path) -> ConfigServer {
    start_with(file, folder, |_| {}).await
}

async fn start_with(
    file: String,
    folder: &std::path::Path,
    change: impl FnOnce(&mut Settings),
) -> ConfigServer {
    let sources = Sources {
        file: Some(("config.yml".to_owned(), file.into_bytes())),
        ..Sources::default()
    };
    let mut settings = Settings::read(&sources).unwrap();
    change(&mut settings);
    ConfigServer::start(settings, Some(folder.to_owned()))
        .await
        .unwrap()
}

/// What registry and instances hear when both instances of the shop are told.
const SHOP_IS_TOLD: [&str; 4] = [
    "GET /eureka/apps/SHOP",
    "GET /eureka/apps/CONFIGSERVER",
    "POST /one/actuator/refresh",
    "POST /two/actuator/refresh",
];

async fn until_both_are_told(server: &ConfigServer, heard: &Mutex<Vec<String>>) {
    until_counts(server, heard, |(done, _)| done == 2).await;
}

async fn until_counts(
    server: &ConfigServer,
    heard: &Mutex<Vec<String>>,
    test: impl Fn((u64, u64)) -> bool,
) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !test(server.api().refresher.counts()) {
        assert!(Instant::now() < deadline, "{:?}", heard.lock().unwrap());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Returns what GitHub sends for a body, with this secret.
fn signature(secret: &[u8], body: &str) -> String {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    let signed = aws_lc_rs::hmac::sign(&key, body.as_bytes());
    let digits = signed.as_ref().iter().map(|byte| format!("{byte:02x}"));
    format!("sha256={}", digits.collect::<Vec<_>>().concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_of_a_folder_reaches_the_instances() {
    let (port, heard) = stack();
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("shop.yml"), "a: 1\n").unwrap();
    std::fs::write(folder.path().join("bank.yml"), "a: 1\n").unwrap();
    let file = format!(
        "server: {{address: 127.0.0.1, port: 0}}\n\
         spring.profiles.active: native\n\
         spring.cloud.config.server.native.search-locations: {}\n\
         eureka.client.service-url.defaultZone: http://127.0.0.1:{port}/eureka/\n\
         speargun.config.refresh.on-change: true\n",
        folder.path().display()
    );
    let server = start(file, data.path()).await;
    std::fs::write(folder.path().join("shop.yml"), "a: 2\n").unwrap();
    until_both_are_told(&server, &heard).await;
    assert_eq!(*heard.lock().unwrap(), SHOP_IS_TOLD);
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_read_before_anybody_is_told_of_it() {
    let (port, heard) = stack();
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("shop.yml"), "a: 1\n").unwrap();
    let file = format!(
        "server: {{address: 127.0.0.1, port: 0}}\n\
         spring.cloud.config.server.native.search-locations: {}\n\
         eureka.client.service-url.defaultZone: http://127.0.0.1:{port}/eureka/\n",
        folder.path().display()
    );
    let server = start_with(file, data.path(), |settings| {
        for backend in &mut settings.backends {
            if let Backend::Native(native) = backend {
                native.refresh = Duration::from_hours(1);
            }
        }
    });
    let server = server.await;
    std::fs::write(folder.path().join("shop.yml"), "a: 2\n").unwrap();
    tell(&server, "shop.yml").await;
    until_both_are_told(&server, &heard).await;
    // Nothing but the webhook asked for that.
    assert_eq!(value(&server).await, "2");
    assert_eq!(*heard.lock().unwrap(), SHOP_IS_TOLD);
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_rolls_over_the_instances_of_what_changed() {
    let work = Work::new(&[("shop.yml", "a: 1\n")]);
    let (port, heard) = stack();
    let folder = tempfile::tempdir().unwrap();
    let file = format!(
        "server: {{address: 127.0.0.1, port: 0}}\n\
         spring.cloud.config.server.git: {{uri: {}, refresh-rate: -1, timeout: 60}}\n\
         eureka.client.service-url.defaultZone: http://127.0.0.1:{port}/eureka/\n\
         speargun.config.webhooks.github.secret: hush\n",
        work.origin()
    );
    let server = start(file, folder.path()).await;
    let base = format!("http://{}", server.address());
    let client = reqwest::Client::new();
    let value = async || {
        let answer = client
            .get(format!("{base}/shop/default"))
            .send()
            .await
            .unwrap();
        answer.text().await.unwrap()
    };
    assert!(value().await.contains("\"a\":1"));
    work.commit("shop.yml", "a: 2\n");
    work.push();
    let push = r#"{"commits": [{"modified": ["shop.yml"]}]}"#;
    let send = async |signature: &str| {
        let request = client
            .post(format!("{base}/monitor"))
            .header("X-Github-Event", "push")
            .header("X-Hub-Signature-256", signature)
            .header("Content-Type", "application/json");
        request.body(push).send().await.unwrap()
    };
    assert_eq!(send("sha256=00").await.status(), 401);
    let answer = send(&signature(b"hush", push)).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), "[\"shop\"]");
    until_both_are_told(&server, &heard).await;
    // Nothing but the webhook asked for a fetch.
    assert!(value().await.contains("\"a\":2"));
    assert_eq!(*heard.lock().unwrap(), SHOP_IS_TOLD);
    let page = client
        .get(&base)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(page.contains("<td>two</td>"), "{page}");
    server.end().await;
}

/// A server that fetches for webhooks alone.
async fn start_for_webhooks(uri: &str, port: u16, folder: &std::path::Path) -> ConfigServer {
    let file = format!(
        "server: {{address: 127.0.0.1, port: 0}}\n\
         spring.cloud.config.server.git: {{uri: '{uri}', refresh-rate: -1, timeout: 60}}\n\
         eureka.client.service-url.defaultZone: http://127.0.0.1:{port}/eureka/\n"
    );
    let server = start(file, folder).await;
    assert_eq!(value(&server).await, "1");
    server
}

/// Returns the value of `a` that the shop gets.
async fn value(server: &ConfigServer) -> String {
    let url = format!("http://{}/shop-default.properties", server.address());
    let text = reqwest::get(url).await.unwrap().text().await.unwrap();
    text.trim().trim_start_matches("a: ").to_owned()
}

async fn tell(server: &ConfigServer, path: &str) {
    let request = reqwest::Client::new()
        .post(format!("http://{}/monitor", server.address()))
        .header("Content-Type", "application/json");
    let answer = request.body(format!(r#"{{"path": "{path}"}}"#)).send();
    assert_eq!(answer.await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_of_a_commit_before_it_is_there() {
    let work = Work::new(&[("shop.yml", "a: 1\n")]);
    let daemon = Daemon::start(&work);
    let (port, heard) = stack();
    let folder = tempfile::tempdir().unwrap();
    let server = start_for_webhooks(&daemon.uri(), port, folder.path()).await;
    let daemon_port = daemon.stop();
    work.commit("shop.yml", "a: 2\n");
    work.push();
    tell(&server, "shop.yml").await;
    until_counts(&server, &heard, |(_, failed)| failed > 0).await;
    assert!(heard.lock().unwrap().is_empty());
    let report = server.api().refresher.reports().remove(0);
    assert_eq!(report.application, "shop");
    assert!(report.outcome.unwrap_err().starts_with("not fetched: "));
    let _daemon = Daemon::start_at(&work, daemon_port);
    until_both_are_told(&server, &heard).await;
    assert_eq!(value(&server).await, "2");
    assert_eq!(*heard.lock().unwrap(), SHOP_IS_TOLD);
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_that_stays_away_holds_nobody_up_for_long() {
    let work = Work::new(&[("shop.yml", "a: 1\n")]);
    let daemon = Daemon::start(&work);
    let (port, heard) = stack();
    let folder = tempfile::tempdir().unwrap();
    let server = start_for_webhooks(&daemon.uri(), port, folder.path()).await;
    daemon.stop();
    tell(&server, "shop.yml").await;
    until_both_are_told(&server, &heard).await;
    assert_eq!(*heard.lock().unwrap(), SHOP_IS_TOLD);
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_that_stays_away_has_nobody_told_twice_and_holds_up_nobody_else() {
    let work = Work::new(&[("shop.yml", "a: 1\n")]);
    let other = Work::new(&[("bank.yml", "a: 1\n")]);
    let daemon = Daemon::start(&work);
    let (port, heard) = stack();
    let folder = tempfile::tempdir().unwrap();
    let git =
        |uri: &str| format!("  - {{type: git, uri: '{uri}', refresh-rate: -1, timeout: 60}}\n");
    let file = format!(
        "server: {{address: 127.0.0.1, port: 0}}\n\
         eureka.client.service-url.defaultZone: http://127.0.0.1:{port}/eureka/\n\
         spring.cloud.config.server.composite:\n{}{}",
        git(&daemon.uri()),
        git(&other.origin())
    );
    let server = start(file, folder.path()).await;
    assert_eq!(value(&server).await, "1");
    let daemon_port = daemon.stop();
    tell(&server, "shop.yml").await;
    until_both_are_told(&server, &heard).await;
    let failed = server.api().refresher.counts().1;
    for _ in 0..3 {
        heard.lock().unwrap().clear();
        until_idle(&server, &heard).await;
        assert_eq!(told(&heard), 0, "{heard:?}");
    }
    assert_eq!(server.api().refresher.counts(), (2, failed));
    // What it brings when it is back is told, and no webhook is needed for that.
    work.commit("shop.yml", "a: 2\n");
    work.push();
    let _daemon = Daemon::start_at(&work, daemon_port);
    until_counts(&server, &heard, |(done, _)| done == 4).await;
    assert_eq!(value(&server).await, "2");
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_wait_for_their_own_commit_however_many_webhooks_come() {
    let work = Work::new(&[("bank.yml", "a: 1\n"), ("shop.yml", "a: 1\n")]);
    let (port, heard) = stack();
    let folder = tempfile::tempdir().unwrap();
    let server = start_for_webhooks(&work.origin(), port, folder.path()).await;
    work.commit("bank.yml", "a: [\n");
    work.push();
    // By its files nobody knows that it concerns the shop.
    tell(&server, "shop.yml").await;
    until("it waits", async || {
        let is_held_back = match server.api().sources.standings().first() {
            Some(Standing::Git(repository)) => repository.served()["main"].is_held_back(),
            _ => false,
        };
        is_held_back && server.api().refresher.debts().owed == 1
    })
    .await;
    until_idle(&server, &heard).await;
    until_idle(&server, &heard).await;
    assert_eq!(told(&heard), 0, "{heard:?}");
    work.commit("bank.yml", "a: 2\n");
    work.push();
    tell(&server, "bank.yml").await;
    until_both_are_told(&server, &heard).await;
    assert_eq!(server.api().refresher.debts().owed, 0);
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_busy_is_asked_again() {
    let work = Work::new(&[("shop.yml", "a: 1\n")]);
    let (port, heard) = stack_that_is_busy("/apps/", 2);
    let folder = tempfile::tempdir().unwrap();
    let server = start_for_webhooks(&work.origin(), port, folder.path()).await;
    work.commit("shop.yml", "a: 2\n");
    work.push();
    tell(&server, "shop.yml").await;
    until_both_are_told(&server, &heard).await;
    assert_eq!(server.api().refresher.counts(), (2, 2));
    let heard = heard.lock().unwrap().clone();
    let (busy, told) = heard.split_at(2);
    assert_eq!(busy, ["GET /eureka/apps/SHOP"; 2]);
    assert_eq!(told, SHOP_IS_TOLD);
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_was_held_back_is_told_of_when_it_is_served() {
    let work = Work::new(&[("shop.yml", "a: 1\n"), ("bank.yml", "a: 1\n")]);
    let (port, heard) = stack();
    let folder = tempfile::tempdir().unwrap();
    let server = start_for_webhooks(&work.origin(), port, folder.path()).await;
    work.commit("bank.yml", "a: [\n");
    work.commit("shop.yml", "a: 2\n");
    work.push();
    tell(&server, "shop.yml").await;
    let is_held_back = || {
        let standings = server.api().sources.standings();
        let Some(Standing::Git(repository)) = standings.first() else {
            return false;
        };
        repository.served()["main"].is_held_back()
    };
    let deadline = Instant::now() + Duration::from_mins(1);
    while !is_held_back() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(value(&server).await, "1");
    work.commit("bank.yml", "a: 2\n");
    work.push();
    tell(&server, "bank.yml").await;
    until_both_are_told(&server, &heard).await;
    assert_eq!(value(&server).await, "2");
    // Once, and not when nothing new was served.
    let heard = heard.lock().unwrap().clone();
    let told = heard.iter().filter(|line| line.starts_with("POST"));
    assert_eq!(told.count(), 2, "{heard:?}");
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_of_configurations_are_not_told_whatever_their_name() {
    let work = Work::new(&[("shop.yml", "a: 1\n")]);
    let (port, heard) = stack();
    let folder = tempfile::tempdir().unwrap();
    let file = format!(
        "server: {{address: 127.0.0.1, port: 0}}\n\
         spring.application.name: ours\n\
         spring.cloud.config.server.git: {{uri: {}, refresh-rate: -1, timeout: 60}}\n\
         eureka.client.service-url.defaultZone: http://127.0.0.1:{port}/eureka/\n",
        work.origin()
    );
    let server = start(file, folder.path()).await;
    assert_eq!(value(&server).await, "1");
    tell(&server, "application.yml").await;
    until_both_are_told(&server, &heard).await;
    tell(&server, "ours.yml").await;
    for _ in 0..2 {
        until_idle(&server, &heard).await;
    }
    let heard = heard.lock().unwrap().clone();
    assert!(
        heard.iter().any(|line| line == "GET /eureka/apps/OURS"),
        "{heard:?}"
    );
    let told: Vec<_> = heard
        .iter()
        .filter(|line| line.starts_with("POST"))
        .collect();
    assert_eq!(
        told,
        ["POST /one/actuator/refresh", "POST /two/actuator/refresh"]
    );
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_away_is_told_when_it_is_back() {
    let work = Work::new(&[("shop.yml", "a: 1\n")]);
    let (port, heard) = stack_that_is_busy("/one/", 2);
    let folder = tempfile::tempdir().unwrap();
    let server = start_for_webhooks(&work.origin(), port, folder.path()).await;
    work.commit("shop.yml", "a: 2\n");
    work.push();
    tell(&server, "shop.yml").await;
    until_both_are_told(&server, &heard).await;
    let refresher = &server.api().refresher;
    assert_eq!(refresher.counts(), (2, 2));
    assert_eq!(refresher.debts().owed, 0);
    // The other one is not asked again, and a failure like the one before is not shown again.
    let heard = heard.lock().unwrap().clone();
    let (first, again) = heard.split_at(SHOP_IS_TOLD.len());
    assert_eq!(first, SHOP_IS_TOLD);
    let once = ["GET /eureka/apps/SHOP", "POST /one/actuator/refresh"];
    assert_eq!(again, [once, once].concat());
    let reports = refresher.reports();
    let mut outcomes = reports
        .iter()
        .map(|one| (&*one.instance, one.outcome.is_ok()));
    assert_eq!(outcomes.next(), Some(("one", true)));
    assert_eq!(outcomes.next(), Some(("two", true)));
    assert_eq!(outcomes.next(), Some(("one", false)));
    assert_eq!(outcomes.next(), None);
    server.end().await;
}

/// A server that fetches by itself, quickly, and tells of webhooks alone.
async fn start_that_polls(
    work: &Work,
    port: u16,
    (folder, kept_for): (&std::path::Path, Duration),
) -> ConfigServer {
    let file = format!(
        "server: {{address: 127.0.0.1, port: 0}}\n\
         spring.cloud.config.server.git: {{uri: '{}', timeout: 60}}\n\
         eureka.client.service-url.defaultZone: http://127.0.0.1:{port}/eureka/\n",
        work.origin()
    );
    let server = start_with(file, folder, |settings| {
        settings.refresh.kept_for = kept_for;
        for backend in &mut settings.backends {
            if let Backend::Git { default, .. } = backend {
                default.refresh = Some(Duration::from_millis(20));
            }
        }
    });
    let server = server.await;
    assert_eq!(value(&server).await, "1");
    server
}

async fn until(what: &str, mut test: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !test().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Sends a webhook about something that is nobody's, and waits until it is dealt with.
async fn until_idle(server: &ConfigServer, heard: &Mutex<Vec<String>>) {
    let asked = || {
        let heard = heard.lock().unwrap();
        let asked = heard
            .iter()
            .filter(|line| *line == "GET /eureka/apps/NOBODY");
        asked.count()
    };
    let before = asked();
    tell(server, "nobody.yml").await;
    until("the last webhook is dealt with", async || asked() > before).await;
}

fn told(heard: &Mutex<Vec<String>>) -> usize {
    let heard = heard.lock().unwrap();
    heard.iter().filter(|line| line.starts_with("POST")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_server_was_told_of_long_ago_is_not_told_again() {
    for (kept_for, expected) in [(Duration::ZERO, 0), (Duration::from_mins(10), 2)] {
        let work = Work::new(&[("shop.yml", "a: 1\n")]);
        let (port, heard) = stack();
        let folder = tempfile::tempdir().unwrap();
        let server = start_that_polls(&work, port, (folder.path(), kept_for)).await;
        // The webhook of this commit goes to another server behind the same address.
        work.commit("shop.yml", "a: 2\n");
        work.push();
        until("it is fetched", async || value(&server).await == "2").await;
        until_idle(&server, &heard).await;
        if expected > 0 {
            until_both_are_told(&server, &heard).await;
        }
        assert_eq!(told(&heard), expected, "{kept_for:?}");
        let forgotten = server.api().refresher.debts().forgotten;
        assert_eq!(forgotten, u64::from(expected == 0));
        server.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_commit_that_was_fetched_before_its_webhook_is_told_of_when_it_is_served() {
    let work = Work::new(&[("shop.yml", "a: 1\n"), ("bank.yml", "a: 1\n")]);
    let (port, heard) = stack();
    let folder = tempfile::tempdir().unwrap();
    let kept_for = Duration::from_mins(10);
    let server = start_that_polls(&work, port, (folder.path(), kept_for)).await;
    work.commit("bank.yml", "a: [\n");
    work.commit("shop.yml", "a: 2\n");
    work.push();
    until("it is held back", async || {
        let standings = server.api().sources.standings();
        let Some(Standing::Git(repository)) = standings.first() else {
            return false;
        };
        repository.served()["main"].is_held_back()
    })
    .await;
    tell(&server, "shop.yml").await;
    work.commit("bank.yml", "a: 2\n");
    work.push();
    until("it is fetched", async || value(&server).await == "2").await;
    tell(&server, "bank.yml").await;
    until_idle(&server, &heard).await;
    until_both_are_told(&server, &heard).await;
    assert_eq!(told(&heard), 2, "{heard:?}");
    server.end().await;
}

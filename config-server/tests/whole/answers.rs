//! What the server answers to whom: labels in lists and in paths, files in several places, a
//! prefix, and secrets that stay where they are.

use std::time::{Duration, Instant};

use speargun_config_server::server::ConfigServer;
use speargun_config_server::settings::{Settings, Sources};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::repository::Work;

/// Starts a server with these settings of Spring's, one a line.
async fn start(lines: &str) -> (ConfigServer, TempDir) {
    start_with(lines, |_| {}).await
}

async fn start_with(lines: &str, change: impl FnOnce(&mut Settings)) -> (ConfigServer, TempDir) {
    let file = format!("server: {{address: 127.0.0.1, port: 0}}\n{lines}");
    let sources = Sources {
        file: Some(("config.yml".to_owned(), file.into_bytes())),
        ..Sources::default()
    };
    let mut settings = Settings::read(&sources).unwrap();
    change(&mut settings);
    let folder = tempfile::tempdir().unwrap();
    let server = ConfigServer::start(settings, Some(folder.path().to_owned()));
    (server.await.unwrap(), folder)
}

async fn get(server: &ConfigServer, target: &str) -> (u16, String) {
    let url = format!("http://{}{target}", server.address());
    let answer = reqwest::get(&url).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn text(server: &ConfigServer, target: &str) -> String {
    let (status, text) = get(server, target).await;
    assert_eq!(status, 200, "{target}: {text}");
    text
}

/// Makes a folder with one file.
fn folder(name: &str, text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), text).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_in_a_list_are_answered_the_last_first() {
    let work = Work::new(&[("app.yml", "a: one\nb: one\n")]);
    let first = work.head();
    work.git(&["tag", "v1"]);
    work.commit("app.yml", "a: two\nc: two\n");
    work.git(&["branch", "rel"]);
    work.git(&["push", "--quiet", "origin", "v1", "rel"]);
    let second = work.head();
    let lines = format!("spring.cloud.config.server.git.uri: {}\n", work.origin());
    let (server, _clones) = start(&lines).await;
    let told = text(&server, "/app/default/rel,v1").await;
    let versions = format!("\"label\":\"rel,v1\",\"version\":\"{second},{first}\"");
    assert!(told.contains(&versions), "{told}");
    let order = [told.find("\"a\":\"one\""), told.find("\"a\":\"two\"")];
    assert!(order[0].is_some() && order[0] < order[1], "{told}");
    let merged = text(&server, "/rel,v1/app-default.properties").await;
    for line in ["a: one", "b: one", "c: two"] {
        assert!(merged.lines().any(|own| own == line), "{merged}");
    }
    assert_eq!(get(&server, "/app/default/rel,no").await.0, 404);
    let many = format!("/app/default/{}", vec!["rel"; 17].join(","));
    assert_eq!(get(&server, &many).await.0, 404);
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_place_of_a_file_counts_and_paths_have_the_default_label() {
    let work = Work::new(&[
        ("p.txt", "of the root"),
        ("one/p.txt", "of one"),
        ("one/q.txt", "of one"),
        ("two/q.txt", "of two"),
        ("of-main/app.yml", "a: of main\n"),
    ]);
    let lines = format!(
        "spring.cloud.config.server.git:\n  uri: {}\n  search-paths: [one, two, 'of-{{label}}']\n",
        work.origin()
    );
    let (server, _clones) = start(&lines).await;
    assert_eq!(
        text(&server, "/app/default/main/p.txt").await,
        "of the root"
    );
    assert_eq!(text(&server, "/app/default/main/q.txt").await, "of one");
    let told = text(&server, "/app/default").await;
    assert!(told.contains("\"a\":\"of main\""), "{told}");
    server.end().await;

    let (one, two) = (folder("p.txt", "first"), folder("p.txt", "second"));
    let lines = format!(
        "spring.cloud.config.server.native.search-locations: ['{}', '{}']\n",
        one.path().display(),
        two.path().display()
    );
    let (server, _clones) = start(&lines).await;
    assert_eq!(text(&server, "/app/default/main/p.txt").await, "first");
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_and_webhooks_are_outside_the_prefix() {
    let files = folder("app.yml", "a: 1\n");
    let lines = format!(
        "spring.cloud.config.server:\n  prefix: /config\n  native.search-locations: {}\n",
        files.path().display()
    );
    let (server, _clones) = start(&lines).await;
    assert_eq!(
        text(&server, "/actuator/health").await,
        "{\"status\":\"UP\"}"
    );
    assert!(
        text(&server, "/config/app/default")
            .await
            .contains("app.yml")
    );
    for target in ["/configuration/default", "/app/default", "/actuator/info"] {
        assert_eq!(get(&server, target).await.0, 404, "{target}");
    }
    let url = format!("http://{}/monitor", server.address());
    let hook = reqwest::Client::new()
        .post(url)
        .body("{\"path\": \"app.yml\"}");
    assert_eq!(
        hook.send().await.unwrap().text().await.unwrap(),
        "[\"app\"]"
    );
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_neither_values_nor_addresses_to_everybody() {
    let broken = folder("app.yml", "password: !!int hunter2\n");
    let lines = |more: &str| {
        format!(
            "spring.cloud.config.server.composite:\n  \
             - {{type: native, search-locations: '{}'}}\n  \
             - {{type: git, uri: 'http://me:s3cret@127.0.0.1:1/x'}}\n  \
             - {{type: git, uri: 'git://me:s3cret@127.0.0.1:1/x'}}\n{more}",
            broken.path().display()
        )
    };
    let (server, _clones) = start(&lines("")).await;
    let deadline = Instant::now() + Duration::from_mins(1);
    let details = loop {
        let details = get(&server, "/actuator/health/configServer").await.1;
        if details.matches("\"error\":\"").count() == 2 {
            break details;
        }
        assert!(Instant::now() < deadline, "no errors yet: {details}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(details.contains("app.yml: line 1, column 11"), "{details}");
    assert!(details.contains("http://me:***@127.0.0.1:1/x"), "{details}");
    assert!(
        !details.contains("hunter2") && !details.contains("s3cret"),
        "{details}"
    );
    server.end().await;

    let (server, _clones) = start(&lines("spring.security.user.password: pw\n")).await;
    let details = get(&server, "/actuator/health/configServer").await.1;
    assert_eq!(details, "{\"status\":\"DOWN\"}");
    let url = format!("http://{}/actuator/health/configServer", server.address());
    let mine = reqwest::Client::new()
        .get(url)
        .basic_auth("user", Some("pw"));
    let details = mine.send().await.unwrap().text().await.unwrap();
    assert!(details.contains("app.yml: line 1"), "{details}");
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_no_secrets() {
    let hidden = "password: {value: hunter2}\ndb: {pwd: hunter2, url: 'jdbc:x://h/d?password=hunter2'}\n\
                  api.key.value: hunter2\npem: |\n  -----BEGIN PRIVATE KEY-----\n  hunter2\n\
                  git.uri: https://hunter2@host/x\nport: 4711\n";
    let files = folder("app.yml", hidden);
    let lines = format!(
        "spring.cloud.config.server.native.search-locations: {}\n",
        files.path().display()
    );
    let (server, _clones) = start(&lines).await;
    let page = text(&server, "/?application=app").await;
    assert!(page.contains("4711") && page.contains("••••••"), "{page}");
    assert!(!page.contains("hunter2"), "{page}");
    assert!(text(&server, "/app/default").await.contains("hunter2"));
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn switches_of_spring_s_change_answers() {
    let (one, two) = (folder("app.yml", "a: 1\n"), folder("app.yml", "a: 2\n"));
    let lines = |more: &str| {
        format!(
            "encrypt.key: k\nspring.cloud.config.server:\n  composite:\n  \
             - {{type: native, search-locations: ['{}', '{}']}}\n  \
             - {{type: git, uri: /no/such/place}}\n{more}",
            one.path().display(),
            two.path().display()
        )
    };
    let (server, _clones) = start(&lines("")).await;
    assert_eq!(get(&server, "/app/default").await.0, 404);
    assert_eq!(get(&server, "/actuator/health").await.0, 503);
    assert_eq!(text(&server, "/app/default/main/app.yml").await, "a: 1\n");
    let url = format!("http://{}/encrypt", server.address());
    let secret = reqwest::Client::new().post(url).body("hush");
    let secret = secret.header("content-type", "text/plain").send().await;
    let secret = secret.unwrap().text().await.unwrap();
    server.end().await;
    std::fs::write(
        two.path().join("app.yml"),
        format!("a: '{{cipher}}{secret}'\n"),
    )
    .unwrap();
    let switches = "  fail-on-composite-error: false\n  reverse-location-order: true\n  \
                    encrypt.plain-text-encrypt: true\n";
    let (server, _clones) = start(&lines(switches)).await;
    assert!(
        text(&server, "/app/default")
            .await
            .contains("\"a\":\"hush\"")
    );
    let file = text(&server, "/app/default/main/app.yml").await;
    assert_eq!(file, "a: 'hush'\n");
    // What is left out of answers keeps nobody away.
    assert_eq!(get(&server, "/actuator/health").await.0, 200);
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_asks_for_the_environments_that_are_named() {
    let work = Work::new(&[("shop.yml", "a: 1\n")]);
    let lines = |label: &str| {
        format!(
            "spring.cloud.config.server:\n  git.uri: {}\n  \
             health.repositories.shop: {{profiles: dev, label: {label}}}\n",
            work.origin()
        )
    };
    let (server, _clones) = start(&lines("main")).await;
    // Answers wait for the first fetch, and health does not.
    text(&server, "/shop/dev").await;
    let details = text(&server, "/actuator/health/configServer").await;
    let expected = "\"repositories\":[{\"name\":\"shop\",\"profiles\":[\"dev\"],\
                    \"label\":\"main\",\"sources\":[\"";
    assert!(details.contains(expected), "{details}");
    assert_eq!(get(&server, "/actuator/health").await.0, 200);
    server.end().await;
    let (server, _clones) = start(&lines("no")).await;
    text(&server, "/shop/dev").await;
    let (status, details) = get(&server, "/actuator/health/configServer").await;
    assert_eq!(status, 503, "{details}");
    assert!(details.contains("there is no label"), "{details}");
    assert_eq!(get(&server, "/actuator/health").await.0, 503);
    assert_eq!(get(&server, "/actuator/health/liveness").await.0, 200);
    server.end().await;
}

/// Sends the head of a request and nothing of its body. It looks like a webhook that is signed.
async fn begin(server: &ConfigServer, path: &str, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let signed = "0f".repeat(32);
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\
         X-GitHub-Event: push\r\nX-Hub-Signature-256: sha256={signed}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Returns the status of the answer that comes.
async fn status_of(stream: &mut TcpStream) -> String {
    let mut line = [0; 12];
    stream.read_exact(&mut line).await.unwrap();
    String::from_utf8_lossy(&line[9..]).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_strangers_take_no_room_of_others() {
    let files = folder("app.yml", "a: 1\n");
    let lines = format!(
        "spring.cloud.config.server.native.search-locations: {}\nencrypt.key: k\n\
         spring.security.user.password: pw\nspeargun.config.webhooks.github.secret: x\n",
        files.path().display()
    );
    let (server, _clones) = start(&lines).await;
    let (most, mut slow) = (8 << 20, Vec::new());
    for _ in 0..2 {
        let mut stream = begin(&server, "/monitor", most).await;
        stream.write_all(&vec![b' '; most - 1]).await.unwrap();
        slow.push(stream);
    }
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let mut one = begin(&server, "/monitor", 9).await;
        one.write_all(b"nine byte").await.unwrap();
        match &*status_of(&mut one).await {
            "503" => break,
            status => assert_eq!(status, "401"),
        }
        assert!(Instant::now() < deadline, "there is room left");
    }
    let client = reqwest::Client::new();
    for path in ["/monitor", "/encrypt"] {
        let url = format!("http://{}{path}", server.address());
        let request = client.post(url).basic_auth("user", Some("pw"));
        let request = request.header("content-type", "application/json");
        let answer = request.body("{\"path\": \"a\"}").send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    }
    // What can't be true by its head alone is not waited for.
    let url = format!("http://{}/monitor", server.address());
    let request = client.post(url).header("X-Gitlab-Event", "Push Hook");
    assert_eq!(request.body("{}").send().await.unwrap().status(), 401);
    drop(slow);
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_bodies_keep_nobody_out() {
    let files = folder("app.yml", "a: 1\n");
    let lines = format!(
        "spring.cloud.config.server.native.search-locations: {}\n\
         spring.security.user.password: pw\n\
         speargun.config.webhooks: {{gitlab.secret: x, github.secret: x}}\n",
        files.path().display()
    );
    let (server, _clones) = start(&lines).await;
    // Whoever may not ask is told before the rest comes.
    let mut stranger = begin(&server, "/encrypt", 100).await;
    assert_eq!(status_of(&mut stranger).await, "401");

    let started = Instant::now();
    let mut slow = Vec::new();
    for _ in 0..40 {
        slow.push(begin(&server, "/monitor", 100).await);
    }
    let url = format!("http://{}/monitor", server.address());
    let hook = reqwest::Client::new()
        .post(url)
        .header("x-gitlab-token", "x");
    let hook = hook.header("x-gitlab-event", "Push Hook").body("{}");
    assert_eq!(hook.send().await.unwrap().status(), 200);
    assert!(started.elapsed() < Duration::from_secs(20));
    drop(slow);
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_or_does_not_read_is_not_served_for_ever() {
    let bytes = 4 << 20;
    let files = folder("large.txt", &"x".repeat(bytes));
    let lines = format!(
        "spring.cloud.config.server.native.search-locations: {}\n",
        files.path().display()
    );
    let soon = |settings: &mut Settings| {
        (settings.patience, settings.connections_max) = (Duration::from_millis(100), 1);
    };
    let (server, _clones) = start_with(&lines, soon).await;
    let mut all = Vec::new();
    for said in ["", "PRI * HT"] {
        let mut silent = TcpStream::connect(server.address()).await.unwrap();
        silent.write_all(said.as_bytes()).await.unwrap();
        // Without a limit this would not end.
        let ended = silent.read_to_end(&mut all);
        let ended = tokio::time::timeout(Duration::from_mins(1), ended).await;
        assert!(ended.is_ok(), "{said:?}");
    }
    assert!(all.is_empty());
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut idle = socket.connect(server.address()).await.unwrap();
    let request = "GET /x/default/main/large.txt HTTP/1.1\r\nHost: x\r\n\r\n".repeat(8);
    idle.write_all(request.as_bytes()).await.unwrap();
    // It has the only place, which somebody else gets once it is given up.
    let url = format!("http://{}/x/default", server.address());
    let deadline = Instant::now() + Duration::from_mins(1);
    while reqwest::get(&url).await.is_err() {
        assert!(Instant::now() < deadline, "the place is still taken");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(idle);
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn placeholders_are_resolved_in_any_of_spring_s_words() {
    let files = folder("app.yml", "a: 1\nb: ${a}\n");
    let lines = format!(
        "spring.cloud.config.server.native.search-locations: {}\n",
        files.path().display()
    );
    let (server, _clones) = start(&lines).await;
    for (word, expected) in [
        ("", "b: 1"),
        ("true", "b: 1"),
        ("ON", "b: 1"),
        ("1", "b: 1"),
        ("FALSE", "b: ${a}"),
        ("no", "b: ${a}"),
        ("off", "b: ${a}"),
        ("0", "b: ${a}"),
    ] {
        for path in ["/app-default.yml", "/app/default/main/app.yml"] {
            let told = text(&server, &format!("{path}?resolvePlaceholders={word}")).await;
            assert!(told.contains(expected), "{path} {word}: {told}");
        }
    }
    for path in [
        "/app-default.json",
        "/app/default/main/app.yml",
        "/app/default/main/no",
    ] {
        let target = format!("{path}?resolvePlaceholders=maybe");
        assert_eq!(get(&server, &target).await.0, 400, "{path}");
    }
    let environment = "/app/default?resolvePlaceholders=maybe";
    assert_eq!(get(&server, environment).await.0, 200);
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_are_encrypted_as_they_are_sent() {
    let files = folder("app.yml", "a: 1\n");
    let lines = format!(
        "spring.cloud.config.server.native.search-locations: {}\nencrypt.key: k\n",
        files.path().display()
    );
    let (server, _clones) = start(&lines).await;
    let client = reqwest::Client::new();
    let post = async |path: &str, media_type: &str, body: &str| {
        let url = format!("http://{}{path}", server.address());
        let mut request = client.post(url).body(body.to_owned());
        if !media_type.is_empty() {
            request = request.header("content-type", media_type);
        }
        let answer = request.send().await.unwrap();
        let allowed = answer.headers().get("allow").cloned();
        let status = answer.status().as_u16();
        (status, answer.text().await.unwrap(), allowed)
    };
    let plain = "text/plain";
    let made = post("/encrypt", plain, "{key:a1}hello").await.1;
    assert!(made.starts_with("{key:a1}"), "{made}");
    assert_eq!(post("/decrypt", plain, &made).await.1, "hello");
    // A sign at the end is cut unless the type is that of texts and nothing more.
    for (media_type, expected) in [
        (plain, "a="),
        ("Text/Plain", "a="),
        ("text/plain;charset=UTF-8", "a"),
        ("application/x-www-form-urlencoded", "a"),
    ] {
        let made = post("/encrypt", media_type, "a=").await.1;
        assert_eq!(post("/decrypt", plain, &made).await.1, expected);
    }
    for path in ["/encrypt", "/decrypt"] {
        assert_eq!(post(path, "", "a").await.0, 400, "{path}");
        assert_eq!(post(path, plain, "").await.0, 400, "{path}");
    }
    let (status, _, allowed) = post("/app/dev", plain, "a").await;
    assert_eq!(
        (status, allowed.unwrap().to_str().unwrap()),
        (405, "GET, HEAD")
    );
    server.end().await;
}

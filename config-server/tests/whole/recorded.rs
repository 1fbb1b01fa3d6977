//! Conversations that clients had with Spring's server, held again with ours, over sockets.

use std::collections::HashMap;
use std::path::Path;

use crate::repository::Work;
use speargun_config_server::server::ConfigServer;
use speargun_config_server::settings::{Settings, Sources};

fn testdata(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/recorded")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

/// The repository that was recorded, at its second commit.
fn repository() -> Work {
    let names = [
        "application.yml",
        "application-dev.yml",
        "service-1.yml",
        "service-1.properties",
        "logback.xml",
        "notes.txt",
        "notes-dev.txt",
        "nested/dir/file.txt",
        "broken/broken.yml",
    ];
    let files: Vec<(&str, String)> = names
        .iter()
        .map(|name| (*name, testdata(&format!("files/{name}"))))
        .collect();
    let dev = "foo: one\nonly:\n  dev: dev value\n";
    let mut all: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, &**text)).collect();
    all.push(("service-1-dev.yml", dev));
    let work = Work::new(&all);
    work.git(&["tag", "v1"]);
    work.git(&["checkout", "--quiet", "-b", "feature/x"]);
    work.commit("service-1.yml", "foo: from feature/x\n");
    work.git(&["checkout", "--quiet", "main"]);
    work.commit("service-1-dev.yml", &testdata("files/service-1-dev.yml"));
    work.git(&["push", "--quiet", "origin", "main", "v1", "feature/x"]);
    work
}

async fn start(more: &str, folder: &Path) -> ConfigServer {
    let file = format!(
        "server: {{address: 127.0.0.1, port: 0}}\nencrypt: {{key: s3cret-key, fail-on-error: false}}\n{more}"
    );
    let sources = Sources {
        file: Some(("config.yml".to_owned(), file.into_bytes())),
        ..Sources::default()
    };
    let settings = Settings::read(&sources).unwrap();
    ConfigServer::start(settings, Some(folder.to_owned()))
        .await
        .unwrap()
}

/// What was asked, and what was answered.
#[derive(Debug)]
struct Exchange {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
    status: u16,
    answer_type: String,
    length: Option<u64>,
    answer: String,
}

fn exchanges(file: &str) -> Vec<Exchange> {
    let text = testdata(file);
    text.split("# config\n").skip(1).map(exchange).collect()
}

fn exchange(part: &str) -> Exchange {
    let lines = |mark: char| {
        let lines = part.lines().filter_map(|line| line.strip_prefix(mark));
        lines
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect::<Vec<_>>()
    };
    let (request, answer) = (lines('>'), lines('<'));
    let split = |lines: &[&str]| {
        let blank = lines
            .iter()
            .position(|line| line.is_empty())
            .unwrap_or(lines.len());
        let headers: Vec<(String, String)> = lines[1..blank]
            .iter()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        (
            headers,
            lines.get(blank + 1..).unwrap_or_default().join("\n"),
        )
    };
    let ((headers, body), (answered, answer_body)) = (split(&request), split(&answer));
    let mut words = request[0].split(' ');
    let find = |name: &str| {
        answered
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, v)| v.clone())
    };
    Exchange {
        method: words.next().unwrap().to_owned(),
        target: words.next().unwrap().to_owned(),
        headers,
        body,
        status: answer[0].split(' ').next().unwrap().parse().unwrap(),
        answer_type: find("content-type").unwrap_or_default(),
        length: find("content-length").and_then(|length| length.parse().ok()),
        answer: answer_body,
    }
}

/// Makes the names of sources and what differs from run to run the same.
fn normal(text: &str, place: &str) -> String {
    let mut out = text.replace(place, "/repo");
    for odd in [
        "Config resource 'file [/clone/",
        "Config resource 'file [/repo/config-tree/",
    ] {
        let tree = if odd.contains("tree") {
            "file:/repo/config-tree/"
        } else {
            ""
        };
        out = out.replace(odd, tree);
    }
    for odd in [
        "' via location ''",
        "]' via location 'file:/repo/config-tree/'",
    ] {
        out = out.replace(odd, "");
    }
    for (key, end) in [("\"timestamp\":\"", "\""), ("\"version\":\"", "\"")] {
        if let Some((before, rest)) = out.clone().split_once(key) {
            let after = rest.split_once(end).unwrap().1;
            out = format!("{before}{key}{end}{after}");
        }
    }
    out.trim_end().to_owned()
}

async fn ask(client: &reqwest::Client, base: &str, exchange: &Exchange) -> (u16, String, String) {
    let method = exchange.method.parse().unwrap();
    let mut request = client.request(method, format!("{base}{}", exchange.target));
    for (name, value) in &exchange.headers {
        if !matches!(name.as_str(), "host" | "content-length" | "connection") {
            request = request.header(name, value);
        }
    }
    let answer = request.body(exchange.body.clone()).send().await.unwrap();
    let status = answer.status().as_u16();
    let media_type = answer.headers().get("content-type");
    let media_type = media_type.map(|value| value.to_str().unwrap().to_owned());
    (
        status,
        media_type.unwrap_or_default(),
        answer.text().await.unwrap(),
    )
}

async fn replay(file: &str, base: &str, place: &str) -> usize {
    let client = reqwest::Client::new();
    let mut held = 0;
    // Encrypted texts differ each time; what is made here is decrypted here.
    let mut made: HashMap<String, String> = HashMap::new();
    for mut exchange in exchanges(file) {
        // A client of HTTP takes dots out of a path, as browsers do: sockets are asked elsewhere.
        if exchange.target.contains("%2e%2e") {
            continue;
        }
        for (theirs, ours) in &made {
            exchange.body = exchange.body.replace(theirs, ours);
        }
        let (status, media_type, body) = ask(&client, base, &exchange).await;
        let what = format!(
            "{file} {} {} {}",
            exchange.method, exchange.target, exchange.body
        );
        assert_eq!(status, exchange.status, "{what}: {body}");
        if exchange.target.contains("%2F") {
            held += 1;
            continue;
        }
        assert_eq!(media_type, exchange.answer_type, "{what}");
        if exchange.target.starts_with("/encrypt") && exchange.method == "POST" && status == 200 {
            assert_eq!(body.len(), exchange.answer.len(), "{what}");
            made.insert(exchange.answer.clone(), body);
        } else {
            assert_eq!(
                normal(&body, place),
                normal(&exchange.answer, place),
                "{what}"
            );
            if let Some(length) = exchange.length.filter(|_| !exchange.answer.contains(place)) {
                assert_eq!(body.len() as u64, length, "{what}");
            }
        }
        held += 1;
    }
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_about_a_repository_are_the_same() {
    let work = repository();
    let place = work.origin().replace("/origin.git", "");
    std::fs::rename(work.origin(), format!("{place}/config.git")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let git = format!("spring.cloud.config.server.git: {{uri: {place}/config.git, timeout: 60}}\n");
    let server = start(&git, folder.path()).await;
    let base = format!("http://{}", server.address());
    let mut held = 0;
    for file in [
        "2025/03-refresh.txt",
        "2025/04-config-environments.txt",
        "2025/05-config-documents.txt",
        "2025/06-config-files.txt",
        "2025/07-config-encryption.txt",
        "2025/08-config-monitor.txt",
        "2025/09-config-wrong.txt",
    ] {
        held += replay(file, &base, &place).await;
    }
    assert!(held > 60, "{held}");
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_about_a_folder_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    let tree = folder.path().join("config-tree");
    std::fs::create_dir(&tree).unwrap();
    for name in [
        "application.yml",
        "application-dev.yml",
        "service-1.yml",
        "service-1.properties",
        "service-1-dev.yml",
        "logback.xml",
        "notes.txt",
        "notes-dev.txt",
    ] {
        std::fs::write(tree.join(name), testdata(&format!("files/{name}"))).unwrap();
    }
    let native =
        format!("spring.cloud.config.server.native.search-locations: file:{place}/config-tree\n");
    let server = start(&native, folder.path()).await;
    let base = format!("http://{}", server.address());
    assert!(replay("2025/10-config-native.txt", &base, &place).await > 2);
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_cannot_be_decrypted_is_named() {
    let work = Work::new(&[
        ("app.yml", "good: 1\nsecret: '{cipher}00'\n"),
        ("fine.yml", "a: 1\n"),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let more = format!(
        "spring.cloud.config.server.git: {{uri: {}, timeout: 60}}\nspring.security.user: {{name: me, password: pw}}\n\
         speargun.config.tokens: t1,t2\nspring.cloud.config.server.prefix: config\n",
        work.origin()
    );
    let file = format!("server: {{address: 127.0.0.1, port: 0}}\nencrypt.key: k\n{more}");
    let sources = Sources {
        file: Some(("config.yml".to_owned(), file.into_bytes())),
        ..Sources::default()
    };
    let server = ConfigServer::start(
        Settings::read(&sources).unwrap(),
        Some(folder.path().into()),
    )
    .await
    .unwrap();
    let base = format!("http://{}/config", server.address());
    let client = reqwest::Client::new();
    let get = |path: &str| client.get(format!("{base}{path}"));
    assert_eq!(get("/app/default").send().await.unwrap().status(), 401);
    let answer = get("/app/default")
        .basic_auth("me", Some("pw"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 500);
    // Before the first commit was read there is nothing to serve, and health says so.
    assert_eq!(get("/actuator/health").send().await.unwrap().status(), 200);
    let text = answer.text().await.unwrap();
    let named = "the value of secret (app.yml:2:9) can't be decrypted: it is too short";
    assert!(text.contains(named), "{text}");
    let good = get("/fine/default").bearer_auth("t2").send().await.unwrap();
    assert!(good.text().await.unwrap().contains("\"source\":{\"a\":1}"));
    let page = get("/?application=fine")
        .bearer_auth("t1")
        .send()
        .await
        .unwrap();
    let policy = page
        .headers()
        .get("content-security-policy")
        .unwrap()
        .to_str()
        .unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let page = page.text().await.unwrap();
    assert!(
        page.contains("fine.yml:1:4") && !page.contains("<script"),
        "{page}"
    );
    let metrics = get("/metrics")
        .bearer_auth("t1")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let line = "speargun_config_requests_total{route=\"environment\",status=\"5xx\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    server.end().await;
}

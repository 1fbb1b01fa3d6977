//! Group 9: the same requests to Spring's servers of a train and to ours. Status, type, packing and
//! body have to be the same, once what is no fault is made alike: times, places, texts of errors.

use anyhow::{Result, ensure};
use serde_json::{Map, Value};
use speargun_e2e::eureka::Eureka;
use speargun_e2e::spring::{Application, Train};
use speargun_e2e::{Answer, Request};

use crate::peers::{java_arguments, registration};
use crate::stack::{Stack, WORD};

const DIRTY: u64 = 1_700_000_000_000;

/// Both registries answer the same.
pub(crate) fn of_registries(train: &Train) -> Result<String> {
    let ours = Eureka::start(&["--data", "none"])?;
    let mut arguments = java_arguments();
    arguments.extend([
        "--eureka.client.register-with-eureka=false".to_owned(),
        "--eureka.client.fetch-registry=false".to_owned(),
    ]);
    let java = Application::start(train, "registry", &arguments)?;
    let requests = registry_requests();
    let mut differences = Vec::new();
    for request in &requests {
        let (ours, java) = (ours.ask(request)?, java.ask(request)?);
        differences.extend(compare(request, &ours, &java, ""));
    }
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(format!(
        "{} requests to both registries, the same answers",
        requests.len()
    ))
}

fn read(path: &str, accept: &str) -> Request {
    Request::get(format!("/eureka{path}")).header("Accept", accept)
}

fn tell(method: &str, path: &str) -> Request {
    Request::json(method, format!("/eureka{path}"), "").header("Accept", "application/json")
}

/// Every read, in both formats.
fn reads() -> Vec<Request> {
    let mut all = Vec::new();
    for accept in ["application/json", "application/xml"] {
        let paths = [
            "/apps",
            "/apps/",
            "/apps/delta",
            "/apps/SHOP",
            "/apps/shop",
            "/apps/SHOP/a",
            "/apps/SHOP/none",
            "/instances/a",
            "/instances/none",
            "/vips/shop",
            "/vips/none",
            "/svips/shop",
        ];
        all.extend(paths.map(|path| read(path, accept)));
        for path in ["/apps/", "/apps/delta"] {
            all.push(read(path, accept).header("Accept-Encoding", "gzip"));
            all.push(read(path, accept).header("X-Eureka-Accept", "compact"));
        }
    }
    all
}

fn registry_requests() -> Vec<Request> {
    let about = format!("/apps/SHOP/a?status=UP&lastDirtyTimestamp={DIRTY}");
    let older = format!("/apps/SHOP/a?status=UP&lastDirtyTimestamp={}", DIRTY - 1);
    let newer = format!("/apps/SHOP/a?status=UP&lastDirtyTimestamp={}", DIRTY + 1);
    let replicated =
        |path: &str| tell("PUT", path).header("x-netflix-discovery-replication", "true");
    let mut all = reads();
    all.push(registration("a", "host", DIRTY));
    all.push(registration("b", "other", DIRTY));
    all.push(registration("a", "", DIRTY));
    all.push(Request::json(
        "POST",
        "/eureka/apps/OTHER",
        registration("a", "host", DIRTY).body,
    ));
    all.push(Request::json("POST", "/eureka/apps/SHOP", "{\"instance\""));
    all.extend(reads());
    all.push(tell("PUT", &about));
    all.push(tell("PUT", &older));
    all.push(tell("PUT", &newer));
    all.push(tell("PUT", "/apps/SHOP/none?status=UP"));
    all.push(replicated(&about));
    all.push(replicated(&older));
    all.push(replicated(&newer));
    all.push(tell("PUT", "/apps/SHOP/a/metadata?version=2&stage=dev"));
    all.push(tell("PUT", "/apps/SHOP/none/metadata?version=2"));
    all.push(tell("PUT", "/apps/SHOP/a/status?value=OUT_OF_SERVICE"));
    all.push(tell("PUT", "/apps/SHOP/a/status"));
    all.push(tell("PUT", "/apps/SHOP/none/status?value=UP"));
    all.extend(reads());
    all.push(tell("PUT", &about));
    all.push(tell("DELETE", "/apps/SHOP/a/status?value=UP"));
    all.push(tell("DELETE", "/apps/SHOP/none/status"));
    all.extend(reads());
    for body in [r#"{"replicationList":[]}"#, "{"] {
        let batch = Request::json("POST", "/eureka/peerreplication/batch/", body);
        all.push(batch.header("Accept", "application/json"));
    }
    all.push(tell("DELETE", "/apps/SHOP/a"));
    all.push(tell("DELETE", "/apps/SHOP/a"));
    all.extend(reads());
    all
}

/// Both configuration servers answer the same, over one repository.
pub(crate) fn of_config_servers(stack: &Stack) -> Result<String> {
    let repository = stack.config.repository();
    let place = repository.display().to_string();
    let java = Application::start(
        &stack.train,
        "config",
        &[
            format!("--spring.cloud.config.server.git.uri={place}"),
            "--spring.cloud.config.server.git.default-label=main".to_owned(),
            "--encrypt.key=a key".to_owned(),
            "--spring.application.name=config".to_owned(),
            // It would want a broker.
            "--spring.cloud.bus.enabled=false".to_owned(),
        ],
    )?;
    let mut requests = config_requests();
    if stack.train.names_applications {
        requests.extend(webhooks());
        requests.push(Request::get("/back/dev/back.yml?useDefaultLabel"));
    }
    let mut differences = Vec::new();
    for request in &requests {
        let (ours, java) = (stack.config.ask(request)?, java.ask(request)?);
        differences.extend(compare(request, &ours, &java, &place));
    }
    ensure!(differences.is_empty(), "{}", differences.join("\n"));

    // What one encrypts the other decrypts.
    let text = |path: &str, body: &[u8]| Request {
        headers: vec![("Content-Type".to_owned(), "text/plain".to_owned())],
        ..Request::json("POST", path, body)
    };
    let by_ours = stack.config.ask(&text("/encrypt", WORD.as_bytes()))?;
    let by_java = java.ask(&text("/encrypt", WORD.as_bytes()))?;
    ensure!(java.ask(&text("/decrypt", &by_ours.body))?.text() == WORD);
    ensure!(stack.config.ask(&text("/decrypt", &by_java.body))?.text() == WORD);
    Ok(format!(
        "{} requests to both configuration servers, the same answers; ciphers both ways",
        requests.len()
    ))
}

fn config_requests() -> Vec<Request> {
    let second = "application/vnd.spring-cloud.config-server.v2+json";
    let mut all: Vec<Request> = [
        "/back/dev",
        "/back/default",
        "/back/dev,cloud",
        "/back/dev/main",
        "/back/dev/none",
        "/none/none",
        "/back,front/dev",
        "/application/dev",
        "/back-dev.yml",
        "/back-dev.yaml",
        "/back-dev.properties",
        "/back-dev.json",
        "/main/back-dev.yml",
        "/none/back-dev.yml",
        "/back/dev/main/back.yml",
        "/back/dev/main/none.txt",
        "/back/dev/none/back.yml",
        "/encrypt/status",
        "/key",
    ]
    .into_iter()
    .map(Request::get)
    .collect();
    all.push(Request::get("/back/dev").header("Accept", second));
    all.push(Request::get("/front/dev/main").header("Accept", second));
    all
}

/// Targets with a label that nobody knows.
const NO_LABEL: [&str; 3] = [
    "/back/dev/none",
    "/none/back-dev.yml",
    "/back/dev/none/back.yml",
];

fn webhooks() -> Vec<Request> {
    let mut all = Vec::new();
    for (event, body) in [
        (
            "push",
            r#"{"commits":[{"modified":["a-b-dev.yml"],"added":["x/y.properties"]}]}"#,
        ),
        ("push", r#"{"commits":[{"modified":["application.yml"]}]}"#),
        ("ping", "{}"),
    ] {
        let request = Request::json("POST", "/monitor", body);
        all.push(request.header("X-Github-Event", event));
    }
    all
}

/// Returns how two answers differ.
fn compare(request: &Request, ours: &Answer, java: &Answer, place: &str) -> Vec<String> {
    let mut found = Vec::new();
    let what = format!(
        "{} {} {:?}",
        request.method, request.target, request.headers
    );
    // Older trains fail at a label that nobody knows; the newest and ours say 404.
    let label_is_unknown =
        NO_LABEL.contains(&&*request.target) && (ours.status, java.status) == (404, 500);
    if ours.status != java.status && !label_is_unknown {
        found.push(format!(
            "{what}: ours {} {:?}, Spring's {} {:?}",
            ours.status,
            ours.text(),
            java.status,
            java.text()
        ));
        return found;
    }
    let refused = ours.status >= 400;
    for name in ["content-type", "content-encoding"] {
        let kind = |answer: &Answer| {
            let value = answer.header(name).unwrap_or_default();
            value.split(';').next().unwrap_or_default().to_owned()
        };
        // On an empty body trains differ among themselves.
        if kind(ours) != kind(java) && !java.body.is_empty() && !refused {
            found.push(format!(
                "{what}: {name} {:?} and {:?}",
                kind(ours),
                kind(java)
            ));
        }
    }
    let (one, other) = (normal(&ours.text(), place), normal(&java.text(), place));
    // What is wrong is said in words of one's own; and the registry's 404 is empty on purpose.
    if one != other && !refused {
        found.push(format!("{what}:\n  ours     {one}\n  Spring's {other}"));
    }
    found
}

/// Makes alike what differs without being a fault.
fn normal(text: &str, place: &str) -> String {
    let mut text = text.to_owned();
    if !place.is_empty() {
        text = text.replace(&format!("file://{place}"), "/repo");
        text = text
            .replace(&format!("file:{place}"), "/repo")
            .replace(place, "/repo");
    }
    let text = times(&text);
    match serde_json::from_str::<Value>(&text) {
        Ok(mut value) => {
            alike(&mut value);
            value.to_string()
        }
        Err(_) if text.starts_with("<app") || text.starts_with("<ins") => xml(&text),
        Err(_) => text,
    }
}

/// Returns the elements in an order of their own: Spring's keeps instances and metadata in tables
/// without one. How they follow each other is tested elsewhere, by recorded bytes.
fn xml(text: &str) -> String {
    let mut text = text.to_owned();
    if text.contains("<overriddenstatus>OUT_OF_SERVICE") {
        // Asked for one instance as XML, Spring's says DOWN; in its lists and as JSON it does not.
        text = text.replace("<status>DOWN<", "<status>OUT_OF_SERVICE<");
    }
    let mut elements: Vec<&str> = text.split('<').map(str::trim).collect();
    elements.retain(|it| !it.starts_with("versions__delta"));
    elements.sort_unstable();
    elements.join("<")
}

/// Replaces numbers of thirteen digits, which are times of the run.
fn times(text: &str) -> String {
    let mut out = String::new();
    let mut digits = String::new();
    for letter in text.chars().chain(std::iter::once('\n')) {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        let is_time = digits.len() == 13 && digits != DIRTY.to_string();
        out.push_str(if is_time { "1" } else { &digits });
        digits.clear();
        out.push(letter);
    }
    out.trim_end().to_owned()
}

fn alike(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match name.as_str() {
                    // Counted per change of the list there, per change here.
                    "versions__delta" => *field = Value::Null,
                    // Null in older trains, empty in newer ones.
                    "state" if *field == "" => *field = Value::Null,
                    // Spring's keeps them in no order.
                    "metadata" => field.as_object_mut().into_iter().for_each(Map::sort_keys),
                    _ => alike(field),
                }
            }
        }
        Value::Array(items) => {
            items.iter_mut().for_each(alike);
            // The order of sources counts, that of instances does not.
            if items.iter().all(|it| it.get("instanceId").is_some()) {
                items.sort_by_key(|it| it["instanceId"].to_string());
            }
        }
        _ => {}
    }
}

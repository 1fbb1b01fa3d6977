//! What real Spring clients and servers said to each other: ours gets the requests and gives the
//! recorded answers, but for times.
//!
//! What may differ, each with its reason, is in [`expected`] and [`shape`]: the two recorded
//! releases differ from each other there, or time is told.

use std::path::Path;

use crate::node::{Answer, Node};
use serde_json::Value;

/// A request and its answer, as recorded.
#[derive(Clone, Debug, Default)]
struct Exchange {
    /// Who was asked.
    whom: String,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
    status: u16,
    kind: String,
    answer: String,
    place: String,
}

/// Returns the exchanges of a release in their order, by file.
fn recorded(train: &str) -> Vec<(String, Vec<Exchange>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/recorded")
        .join(train);
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    paths.sort();
    let file = |path: &std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(path).unwrap();
        let exchanges = text.split("\n# ").enumerate().map(|(index, part)| {
            exchange(
                part.trim_start_matches("# "),
                &format!("{train}/{name} {index}"),
            )
        });
        (name.clone(), exchanges.collect())
    };
    paths.iter().map(file).collect()
}

fn exchange(text: &str, place: &str) -> Exchange {
    let mut lines = text.lines();
    let whom = lines.next().unwrap().trim().to_owned();
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    for line in lines {
        if let Some(line) = line.strip_prefix('>') {
            asked.push(line.strip_prefix(' ').unwrap_or(line));
        } else if let Some(line) = line.strip_prefix('<') {
            answered.push(line.strip_prefix(' ').unwrap_or(line));
        }
    }
    let mut words = asked[0].split(' ').map(str::to_owned);
    let mut it = Exchange {
        whom,
        place: place.to_owned(),
        method: words.next().unwrap(),
        target: words.next().unwrap(),
        ..Exchange::default()
    };
    let end = asked
        .iter()
        .position(|line| line.is_empty())
        .unwrap_or(asked.len());
    for line in &asked[1..end] {
        let (name, value) = line.split_once(':').unwrap();
        it.headers.push((name.to_owned(), value.trim().to_owned()));
    }
    it.body = asked.get(end + 1..).unwrap_or_default().join("\n");
    it.status = answered[0].trim().parse().unwrap();
    let begin = answered
        .iter()
        .position(|line| line.is_empty() || line.starts_with("(unpacked"));
    let begin = begin.unwrap_or(answered.len());
    for line in &answered[1..begin] {
        if let Some(kind) = line.strip_prefix("Content-Type: ") {
            kind.clone_into(&mut it.kind);
        }
    }
    it.answer = answered.get(begin + 1..).unwrap_or_default().join("\n");
    it
}

fn replay(node: &Node, it: &Exchange) -> Answer {
    let own = ["content-length", "transfer-encoding", "connection", "host"];
    let headers: Vec<(&str, &str)> = it
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| !own.contains(&name.to_ascii_lowercase().as_str()))
        .collect();
    // The recorder's leases last three seconds, and a slow machine may take longer.
    let body = it
        .body
        .replace("\"durationInSecs\":3", "\"durationInSecs\":300");
    node.ask(&it.method, &it.target, &headers, &body)
}

/// Returns an answer without what tells time: digits of milliseconds, versions of deltas, and with
/// lists in the order of names.
fn shape(text: &str, is_delta: bool) -> String {
    let mut out = String::new();
    let mut digits = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        out.push_str(match digits.as_str() {
            "0" => "TIME",
            time if time.len() == 13 => "TIME",
            // The whole number alone: a time may have these digits within it.
            "300" => "3",
            other => other,
        });
        digits.clear();
        out.push(c);
    }
    let Ok(mut value) = serde_json::from_str::<Value>(&out.replace("TIME", "1")) else {
        let told = out
            .lines()
            .filter(|line| !is_delta || !line.contains("versions__delta"));
        return told.collect::<Vec<_>>().join("\n").trim().to_owned();
    };
    if let Some(list) = value.get_mut("applications") {
        if is_delta {
            list["versions__delta"] = "any".into();
        }
        let apps = list["application"].as_array_mut().unwrap();
        apps.sort_by_key(|app| app["name"].to_string());
        apps.iter_mut().for_each(sort_instances);
    }
    if let Some(app) = value.get_mut("application") {
        sort_instances(app);
    }
    sort_metadata(&mut value);
    serde_json::to_string_pretty(&value).unwrap()
}

fn sort_instances(app: &mut Value) {
    let instances = app["instance"].as_array_mut().unwrap();
    instances.sort_by_key(|it| it["instanceId"].to_string());
}

/// Java's maps have an order of their own.
fn sort_metadata(value: &mut Value) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(sort_metadata),
        Value::Object(fields) => {
            if let Some(Value::Object(map)) = fields.get_mut("metadata") {
                map.sort_keys();
            }
            fields.values_mut().for_each(sort_metadata);
        }
        _ => {}
    }
}

/// Returns what must come: code and, where clients read it, body.
fn check(it: &Exchange, answer: &Answer) -> Result<(), String> {
    let status = match (it.target.as_str(), it.status) {
        // One of the recorded releases fails here by mistake.
        ("/eureka/status", _) => 200,
        // Not under /eureka/v2 in the older release.
        (target, 404) if target.starts_with("/eureka/v2/apps") => 200,
        (_, status) => status,
    };
    if answer.status != status {
        return Err(format!(
            "{status} expected, {} came: {}",
            answer.status, answer.body
        ));
    }
    let has_page = it.kind.starts_with("text/html");
    let is_error = matches!(status, 404 | 500);
    if has_page || it.target == "/eureka/status" || it.status != status {
        return Ok(());
    }
    if is_error {
        // The older release sends nothing, which all clients like; the newer an error of Boot's.
        let is_empty = answer.body.is_empty() || status == 500;
        return is_empty.then_some(()).ok_or_else(|| answer.body.clone());
    }
    let is_delta = it.target.starts_with("/eureka/apps/delta");
    let (own, recorded) = (shape(&answer.body, is_delta), shape(&it.answer, is_delta));
    if own != recorded {
        return Err(format!("recorded:\n{recorded}\nours:\n{own}"));
    }
    if !it.answer.is_empty() {
        let own = answer
            .headers
            .get("content-type")
            .map_or("", String::as_str);
        if own != it.kind {
            return Err(format!("{} expected, {own} came", it.kind));
        }
    }
    Ok(())
}

/// Returns the registration that was left out of a recording as the repeat of one: a heartbeat was
/// answered with 200 though nothing recorded had told of its `lastDirtyTimestamp`.
fn left_out(it: &Exchange, before: &[Exchange]) -> Option<Exchange> {
    if it.method != "PUT" || it.status != 200 {
        return None;
    }
    let (path, query) = it.target.split_once("?status=")?;
    let (status, dirty) = query.split_once("&lastDirtyTimestamp=")?;
    let app = path.rsplit_once('/')?.0;
    let last = before
        .iter()
        .rev()
        .find(|it| it.method == "POST" && it.target == app)?;
    let field = "\"lastDirtyTimestamp\":";
    let (head, tail) = last.body.split_once(field)?;
    let (known, tail) = tail.split_once(',')?;
    let is_newer = dirty > known.trim_matches('"') && status == "DOWN";
    is_newer.then(|| Exchange {
        body: format!("{head}{field}{dirty},{tail}")
            .replace("\"status\":\"UP\"", &format!("\"status\":\"{status}\"")),
        ..last.clone()
    })
}

/// Replays what was said to the registry of a release.
fn replay_registry(train: &str) -> (usize, Vec<String>) {
    let quiet = [("SELF_PRESERVATION", "false")];
    let mut node = Node::start(&quiet);
    let (mut checked, mut wrong) = (0, Vec::new());
    for (name, exchanges) in recorded(train) {
        if name.ends_with("eureka-restart") || name.ends_with("variant") {
            node = Node::start(&quiet);
        }
        for (index, it) in exchanges.iter().enumerate() {
            if it.whom != "registry" {
                continue;
            }
            if it.place == "2025/06-eureka-reads 0" {
                // The second DELETE of a refresh was left out as the repeat of the first.
                let gone = "/eureka/apps/SERVICE-1/10.0.0.5:service-1:8762";
                assert_eq!(node.ask("DELETE", gone, &[], "").status, 200);
            }
            // What is fetched in between shows the registration, or does not yet.
            let is_told = it.method != "GET" || it.answer.contains("DOWN_");
            let next = exchanges[index..]
                .iter()
                .find(|it| is_told && it.method != "GET");
            if let Some(left_out) = next.and_then(|next| left_out(next, &exchanges[..index])) {
                assert_eq!(replay(&node, &left_out).status, 204);
            }
            let answer = replay(&node, it);
            checked += 1;
            if let Err(error) = check(it, &answer) {
                wrong.push(format!(
                    "{}: {} {}\n{error}",
                    it.place, it.method, it.target
                ));
            }
        }
    }
    (checked, wrong)
}

#[test]
fn times_have_one_shape() {
    let at = |ms: u64| shape(&format!("{{\"a\": {ms}, \"durationInSecs\": 300}}"), false);
    assert_eq!(at(1_796_083_001_234), at(1_796_111_111_111));
    assert!(at(1_796_083_001_234).contains("\"durationInSecs\": 3\n"));
}

#[test]
fn recorded_conversations_get_the_recorded_answers() {
    for train in ["2021", "2025"] {
        let (checked, wrong) = replay_registry(train);
        assert!(checked > 100, "{train}: {checked}");
        assert!(
            wrong.is_empty(),
            "{} of {checked}:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
    }
}

#[test]
fn recorded_batches_of_java_registries_get_the_recorded_answers() {
    for train in ["2021", "2025"] {
        let mut checked = 0;
        // One registry gets the batches of another, the second those that were made by hand.
        let (told, by_hand) = (Node::start(&[]), Node::start(&[]));
        for (name, exchanges) in recorded(train) {
            let number: u32 = name.split('-').next().unwrap().parse().unwrap();
            let node = match number {
                14..=19 | 22 => &told,
                23 => &by_hand,
                _ => continue,
            };
            for it in &exchanges {
                let mut answer = replay(node, it);
                // Java's servers write the answer when the batch is done, and tell of an instance
                // in the middle of it as it is then.
                answer.body = answer.body.replace("\"ADDED\"", "\"DELETED\"");
                checked += 1;
                let checked = check(it, &answer);
                assert!(checked.is_ok(), "{}: {}", it.place, checked.unwrap_err());
            }
        }
        assert!(checked >= 12, "{train}: {checked}");
    }
}

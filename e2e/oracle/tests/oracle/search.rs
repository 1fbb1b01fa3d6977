//! Searches, traces and links out of a store: the same bytes from Zipkin's memory store and from
//! each of our engines, through our query API.

use std::sync::Arc;

use speargun_memory::MemoryStore;
use speargun_model::{Span, SpanId, TraceId};
use speargun_oracle::{Oracle, Verdict, shrink};
use speargun_query::{Config, QueryApi};
use speargun_runtime::{ManualClock, RealDisk};
use speargun_segment::SegmentStore;
use speargun_storage::contract::{NOW_MS, NOW_US, batch_of};
use speargun_storage::{IdMode, Position, SpanReader, SpanWriter};
use tempfile::TempDir;

use crate::chance::{self, Pick};
use crate::spans;

const STORES: usize = 4;
const TRACES: usize = 250;
const QUESTIONS: usize = 130;

#[test]
fn what_was_stored_is_found_alike() {
    let mut pick = chance::seeded("stores");
    let mut oracle = Oracle::shared().unwrap();
    let mut found = 0;
    for store in 0..STORES {
        let mode = if store % 2 == 0 {
            IdMode::Strict
        } else {
            IdMode::Lenient
        };
        let messages = messages(&mut pick, mode);
        let questions: Vec<String> = (0..QUESTIONS)
            .map(|_| question(&mut pick, &messages))
            .collect();
        let engines = Engines::holding(mode, &messages);
        tell(&mut oracle, mode, &messages);
        for question in &questions {
            let theirs = ask(&mut oracle, question);
            found += usize::from(theirs.len() > 2);
            let ours = engines.ask(question);
            if differs(&mut oracle, question, &theirs, &ours) {
                fail(&mut oracle, mode, &messages, question);
            }
        }
    }
    println!(
        "{found} of {} questions found something",
        STORES * QUESTIONS
    );
    assert!(
        found > STORES * QUESTIONS / 3,
        "{found} questions find something"
    );
}

/// Shrinks and shows what is answered differently.
fn fail(oracle: &mut Oracle, mode: IdMode, messages: &[Vec<Span>], question: &str) -> ! {
    let mut still_differs = |messages: &[Vec<Span>]| {
        tell(oracle, mode, messages);
        let theirs = ask(oracle, question);
        let ours = Engines::holding(mode, messages).ask(question);
        differs(oracle, question, &theirs, &ours)
    };
    // Whole traces first, then messages.
    let mut lows: Vec<u64> = messages
        .iter()
        .flatten()
        .map(|span| span.trace_id.low)
        .collect();
    lows.sort_unstable();
    lows.dedup();
    let of = |lows: &[u64]| {
        let kept = |message: &Vec<Span>| {
            let spans = message
                .iter()
                .filter(|span| lows.contains(&span.trace_id.low));
            spans.cloned().collect::<Vec<Span>>()
        };
        messages.iter().map(kept).collect::<Vec<_>>()
    };
    let lows = shrink::items(lows, |lows| still_differs(&of(lows)));
    let messages = shrink::items(of(&lows), &mut still_differs);
    tell(oracle, mode, &messages);
    let theirs = ask(oracle, question);
    let [memory, head, sealed] = Engines::holding(mode, &messages).ask(question);
    let stored = messages.iter().filter(|message| !message.is_empty());
    let stored: Vec<String> = stored
        .map(|message| format!("  {}", String::from_utf8_lossy(&spans::message(message))))
        .collect();
    panic!(
        "{mode:?} {question}\n{}\n  zipkin {theirs}\n  memory {memory}\n  head   {head}\n  \
         sealed {sealed}",
        stored.join("\n"),
    );
}

/// Returns whether one of our engines answers what it must not.
fn differs(oracle: &mut Oracle, question: &str, theirs: &str, ours: &[String; 3]) -> bool {
    let [memory, head, sealed] = ours;
    if memory != theirs {
        return true;
    }
    if question.starts_with("dependencies") {
        // Segments count links by the numbers of names, and answer them by the names.
        return [head, sealed]
            .iter()
            .any(|ours| sorted(ours) != sorted(theirs));
    }
    head != theirs || sealed != theirs && !is_cut_elsewhere(oracle, question, theirs, sealed)
}

/// Returns the parts of a list, sorted.
fn sorted(json: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = json.trim_matches(['[', ']']).split_inclusive('}').collect();
    parts
        .iter_mut()
        .for_each(|part| *part = part.trim_start_matches(','));
    parts.sort_unstable();
    parts
}

/// Returns whether a limit left others of the matches out: a trace whose spans lie in several
/// segments may be thought older than it is. As many are answered, in the same order.
fn is_cut_elsewhere(oracle: &mut Oracle, question: &str, theirs: &str, ours: &str) -> bool {
    let Some((before, behind)) = question.split_once("limit=") else {
        return false;
    };
    let digits = behind.trim_start_matches(|c: char| c.is_ascii_digit());
    let all = ask(oracle, &format!("{before}limit=100000{digits}"));
    let traces = |json: &str| -> Vec<String> {
        let inside = json
            .strip_prefix("[[")
            .and_then(|json| json.strip_suffix("]]"));
        inside
            .unwrap_or_default()
            .split("}],[{")
            .map(|trace| trace.trim_matches(['{', '}']).to_owned())
            .collect()
    };
    let (all, theirs, ours) = (traces(&all), traces(theirs), traces(ours));
    let mut rest = all.iter();
    theirs.len() < all.len()
        && theirs.len() == ours.len()
        && ours.iter().all(|trace| rest.any(|other| other == trace))
}

/// Our engines with the same spans in them: in memory, in the head of segments, in segments.
struct Engines {
    apis: [QueryApi; 3],
    _folders: [TempDir; 2],
}

impl Engines {
    fn holding(mode: IdMode, messages: &[Vec<Span>]) -> Self {
        let memory = Arc::new(MemoryStore::new(&speargun_memory::Config {
            spans_max: 500_000,
            id_mode: mode,
            autocomplete_keys: Vec::new(),
        }));
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [head, sealed] = folders.each_ref().map(|folder| {
            let config = speargun_segment::Config {
                id_mode: mode,
                ..speargun_segment::Config::new(folder.path())
            };
            SegmentStore::open(config, Arc::new(RealDisk), clock()).unwrap()
        });
        for (at, message) in messages.iter().enumerate() {
            let batch = Arc::new(batch_of(message));
            for writer in [&*memory as &dyn SpanWriter, &*head, &*sealed] {
                writer
                    .write(std::slice::from_ref(&batch), Position(at as u64 + 1))
                    .unwrap();
            }
            // Traces lie in several segments then.
            if at % 30 == 29 {
                sealed.seal().unwrap();
            }
        }
        sealed.seal().unwrap();
        let readers: [Arc<dyn SpanReader>; 3] = [memory, head, sealed];
        let config = || Config {
            id_mode: mode,
            ..Config::default()
        };
        Self {
            apis: readers.map(|reader| QueryApi::new(reader, config(), clock())),
            _folders: folders,
        }
    }

    fn ask(&self, question: &str) -> [String; 3] {
        let (path, query) = question.split_once('?').unwrap_or((question, ""));
        self.apis.each_ref().map(|api| {
            let answer = api.answer(&format!("/api/v2/{path}"), Some(query)).unwrap();
            match answer.status {
                404 => "[]".to_owned(),
                _ => String::from_utf8(answer.body).unwrap(),
            }
        })
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(NOW_MS))
}

fn tell(oracle: &mut Oracle, mode: IdMode, messages: &[Vec<Span>]) {
    let messages: Vec<Vec<u8>> = messages.iter().map(|spans| spans::message(spans)).collect();
    let verdict = oracle.store(mode == IdMode::Strict, &messages).unwrap();
    assert_eq!(verdict, Verdict::Taken(Vec::new()));
}

fn ask(oracle: &mut Oracle, question: &str) -> String {
    let (path, query) = question.split_once('?').unwrap_or((question, ""));
    let verdict = match path.strip_prefix("trace/") {
        Some(id) => oracle.trace(id),
        None if path == "dependencies" => oracle.stored_links(query),
        None => oracle.search(query),
    };
    match verdict.unwrap() {
        Verdict::Taken(json) => String::from_utf8(json).unwrap(),
        Verdict::Refused(text) => text,
        Verdict::Stumbled(text) => panic!("{question}: {text}"),
    }
}

/// Returns the spans of many traces, mixed, in messages.
fn messages(pick: &mut Pick, mode: IdMode) -> Vec<Vec<Span>> {
    let mut all = Vec::new();
    for _ in 0..TRACES {
        let low = 1 + pick.below(TRACES) as u64;
        // Where ids are compared in full, Zipkin still searches and sorts those of one lower half
        // as one trace: see docs/compatibility.md.
        let high = match mode {
            IdMode::Strict => low % 3 / 2,
            IdMode::Lenient => pick.below(3) as u64 / 2,
        };
        let trace_id = TraceId { high, low };
        let start_us = NOW_US - pick.below(3 * 3600) as u64 * 1_000_000;
        for _ in 0..=pick.below(6) {
            all.push(span(pick, trace_id, start_us));
        }
    }
    pick.shuffle(&mut all);
    let mut messages = Vec::new();
    while !all.is_empty() {
        let rest = all.split_off(all.len().min(1 + pick.below(12)));
        messages.push(std::mem::replace(&mut all, rest));
    }
    messages
}

fn span(pick: &mut Pick, trace_id: TraceId, start_us: u64) -> Span {
    let mut span = spans::span(pick, trace_id, 6);
    // Within a millisecond, within seconds, or not at all.
    let offsets = [pick.below(1000), pick.below(9000), pick.below(5_000_000)];
    span.timestamp_us = start_us + offsets[pick.below(3)] as u64;
    if pick.once_in(8) {
        span.timestamp_us = 0;
    }
    span.duration_us = pick.below(5) as u64 * 100;
    if pick.once_in(5) {
        span.parent_id = None;
    }
    span.parent_id = span.parent_id.filter(|parent| *parent != SpanId(0));
    span
}

/// Returns what is asked, as it is behind `/api/v2/`.
fn question(pick: &mut Pick, messages: &[Vec<Span>]) -> String {
    let known = &messages[pick.below(messages.len())][0];
    match pick.below(8) {
        0 => return format!("trace/{}", known.trace_id),
        1 => return format!("dependencies?{}", window(pick, known)),
        _ => {}
    }
    let mut parameters = vec![window(pick, known)];
    let mut add = |pick: &mut Pick, n: usize, name: &str, values: &[&str]| {
        if pick.once_in(n) {
            parameters.push(format!("{name}={}", pick.one(values)));
        }
    };
    let services = ["a", "b", "C", "%C3%A9%EF%BD%9E%F0%9F%98%80", ""];
    add(pick, 2, "serviceName", &services);
    add(pick, 4, "remoteServiceName", &services);
    add(pick, 4, "spanName", &["get", "post+/x", "ALL", "none", ""]);
    let terms = [
        "error",
        "k",
        "k=v",
        "error=",
        "error%3D500+and+k",
        "http.path+and+%F0%9F%98%80",
        "",
        "+",
        "k=w",
        "k=v+and+k",
        "k+and+k%3Derror",
        "error%3Derror+and+http.path=k",
        "%3Dv",
        "k+AND+error",
    ];
    add(pick, 3, "annotationQuery", &terms);
    if pick.once_in(4) {
        let min = 1 + pick.below(400);
        parameters.push(format!("minDuration={min}"));
        if pick.once_in(2) {
            parameters.push(format!("maxDuration={}", min + pick.below(200)));
        }
    }
    let limit = [1, 2, 5, 10, 50, 1000][pick.below(6)];
    parameters.push(format!("limit={limit}"));
    pick.shuffle(&mut parameters);
    format!("traces?{}", parameters.join("&"))
}

/// Returns a window, some of which end or begin at the time of a span.
fn window(pick: &mut Pick, known: &Span) -> String {
    let mut end_ms = NOW_MS - pick.below(3 * 3_600_000) as u64;
    if known.timestamp_us != 0 && pick.once_in(3) {
        end_ms = known.timestamp_us / 1000 + pick.below(2) as u64;
    }
    let lookback = [1, 1000, 60_000, 1_800_000, 86_400_000][pick.below(5)];
    if pick.once_in(4) {
        return format!("endTs={}&lookback=86400000", NOW_MS + 60_000);
    }
    format!("endTs={end_ms}&lookback={lookback}")
}

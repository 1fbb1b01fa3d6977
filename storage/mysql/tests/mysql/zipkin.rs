//! Zipkin's own server beside us on one database: the rows it writes and those we write are the
//! same, and each reads what the other wrote.

use std::sync::Arc;
use std::time::{Duration, Instant};

use speargun_e2e::Request;
use speargun_e2e::mariadb::MariaDb;
use speargun_e2e::zipkin::Zipkin;
use speargun_model::codec::json_v2;
use speargun_model::{Kind, Span, TraceId};
use speargun_mysql::MySqlStore;
use speargun_storage::SpanReader;
use speargun_storage::contract::{Sketch, span};

use crate::{NEVER, config, count, open, sql, store};

/// How long Zipkin's server may take to store what it acknowledged.
const PATIENCE: Duration = Duration::from_mins(1);

/// Added to the trace ids of what we write, so that both lie in one database.
const OURS: u128 = 1 << 100;

/// Spans that say things in all the ways there are.
fn corpus() -> Vec<Span> {
    let mut spans = Vec::new();
    let kinds = [Kind::Client, Kind::Server, Kind::Producer, Kind::Consumer];
    for (trace, kind) in (0x10..).zip(kinds) {
        let call = |id| span(trace, id).kind(kind).by("front").to("back");
        spans.extend([
            call(1)
                .named("get /")
                .lasting(200)
                .tag("k", "v")
                .note(5, "foo"),
            call(2).under(1).tag("error", ""),
            span(trace, 3).kind(kind).by("alone").lasting(3),
            span(trace, 4).kind(kind).to("nowhere").lasting(3),
            span(trace, 5).kind(kind),
            call(6).timeless().tag("k", "v"),
            call(7).timeless(),
        ]);
        let mut full = call(8)
            .lasting(9)
            .note(-5, "before time")
            .note(0, "at zero");
        if let (Some(local), Some(remote)) = (&mut full.local_endpoint, &mut full.remote_endpoint) {
            local.ipv4 = Some([1, 2, 3, 4].into());
            local.port = 40_000;
            remote.ipv6 = Some("2001:db8::1".parse().unwrap());
            remote.port = 80;
        }
        spans.push(full);
    }
    spans.extend(odd_ones());
    spans
}

/// Shared halves, spans without a kind, and annotations that tell the kind.
fn odd_ones() -> Vec<Span> {
    let shared = |id| {
        span(0x20, id)
            .kind(Kind::Server)
            .by("back")
            .to("front")
            .sharing()
    };
    vec![
        span(0x20, 1)
            .kind(Kind::Client)
            .by("front")
            .to("back")
            .named("rpc")
            .lasting(200),
        shared(1).at(10).lasting(100).tag("c", "d"),
        shared(2).at(10).lasting(100),
        shared(3).at(10),
        span(0x20, 4).kind(Kind::Client).by("front").lasting(7),
        shared(4).timeless(),
        // No kinds.
        span(0x30, 1),
        span(0x30, 2).by("local").lasting(5),
        span(0x30, 3).by("local").to("remote"),
        span(0x30, 4).to("remote"),
        span(0x30, 5).tag("k", "v"),
        span(0x30, 6).note(7, "n").timeless(),
        span(0x30, 7).by("local").named("unknown"),
        span(0x30, 8)
            .by("local")
            .tag("", "")
            .tag("\u{e9}", "\u{1F600}"),
        // Annotations that are marks.
        span(0x40, 1).by("x").note(8, "cs").note(9, "cr"),
        span(0x40, 2)
            .by("x")
            .kind(Kind::Server)
            .note(8, "sr")
            .lasting(4),
        span(0x40, 3).by("x").note(8, "ms").note(9, "ws"),
        span(0x40, 4).by("x").note(8, "mr"),
        span(0x40, 5).by("x").note(8, "wr").note(9, "mr"),
        span(1 << 64 | 0x50, 1).by("long id"),
    ]
}

fn moved(spans: &[Span], by: u128) -> Vec<Span> {
    let moved = |span: &Span| Span {
        trace_id: TraceId::from_u128(span.trace_id.as_u128() + by),
        ..span.clone()
    };
    spans.iter().map(moved).collect()
}

fn json(spans: &[Span]) -> Vec<u8> {
    let mut out = Vec::new();
    json_v2::encode_spans(spans, &mut out);
    out
}

/// Starts Zipkin's server on a database.
fn zipkin(server: &MariaDb, database: &str) -> Zipkin {
    let port = server.port().to_string();
    let java = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
    Zipkin::start(
        &java,
        &[
            ("STORAGE_TYPE", "mysql"),
            ("MYSQL_HOST", "127.0.0.1"),
            ("MYSQL_TCP_PORT", &port),
            ("MYSQL_USER", "root"),
            ("MYSQL_DB", database),
        ],
    )
    .unwrap()
}

/// Lets Zipkin's server store spans, and waits until it has.
fn zipkin_stores(zipkin: &Zipkin, database: &str, spans: &[Span]) {
    let answer = zipkin.ask(&Request::spans(json(spans))).unwrap();
    assert_eq!(answer.status, 202, "{}", answer.text());
    let ids: std::collections::HashSet<_> = spans.iter().map(|s| (s.trace_id, s.id)).collect();
    let deadline = Instant::now() + PATIENCE;
    // It stores a message row by row: until nothing more comes.
    let (mut last, mut same) = (0, 0);
    while same < 20 {
        assert!(
            Instant::now() < deadline,
            "Zipkin's server stored only {last} rows"
        );
        let rows = count(database, "zipkin_annotations");
        let spans = count(database, "zipkin_spans");
        same = if rows == last && spans >= ids.len() as u64 {
            same + 1
        } else {
            0
        };
        last = rows;
    }
}

/// Returns the rows of our or of Zipkin's spans without the upper halves of their ids.
fn rows(database: &str, ours: bool) -> (Vec<String>, Vec<String>) {
    let bit = (OURS >> 64) as u64;
    let (high, test) = (
        format!("trace_id_high & ~{bit}"),
        format!(
            "(trace_id_high & {bit}) {} 0",
            if ours { "<>" } else { "=" }
        ),
    );
    let lines = |columns: &str, table: &str| {
        let lines = sql(
            database,
            &format!("SELECT {columns} FROM {table} WHERE {test} ORDER BY 1, 2, 3, 4, 5"),
        );
        lines.lines().map(str::to_owned).collect()
    };
    (
        lines(
            &format!(
                "{high}, trace_id, id, name, remote_service_name, parent_id, start_ts, duration"
            ),
            "zipkin_spans",
        ),
        lines(
            &format!(
                "{high}, trace_id, span_id, a_key, a_timestamp, HEX(a_value), a_type, endpoint_ipv4, \
                 HEX(endpoint_ipv6), endpoint_port, endpoint_service_name"
            ),
            "zipkin_annotations",
        ),
    )
}

/// Returns a trace as Zipkin's server answers it.
fn zipkin_reads(zipkin: &Zipkin, id: u128) -> serde_json::Value {
    let answer = zipkin
        .ask(&Request::get(format!("/api/v2/trace/{id:032x}")))
        .unwrap();
    assert_eq!(answer.status, 200, "{id:x}: {}", answer.text());
    let mut spans: Vec<serde_json::Value> = serde_json::from_str(&answer.text()).unwrap();
    for span in &mut spans {
        let of = span["traceId"].as_str().unwrap();
        span["traceId"] = of.get(of.len() - 16..).unwrap().into();
    }
    spans.sort_by_key(ToString::to_string);
    spans.into()
}

fn we_read(store: &Arc<MySqlStore>, id: u128) -> Vec<Span> {
    let spans = store.trace(TraceId::from_u128(id), &NEVER).unwrap();
    let mut spans = moved(&spans, 0);
    for span in &mut spans {
        span.trace_id.high = 0;
    }
    spans
}

#[test]
fn zipkins_server_and_ours_share_a_database() {
    let server = MariaDb::shared().unwrap();
    let database = server.database().unwrap();
    let ours = open(config(server, &database));
    ours.check().unwrap();
    let zipkin = zipkin(server, &database);
    let corpus = corpus();
    zipkin_stores(&zipkin, &database, &corpus);
    store(&ours, &moved(&corpus, OURS)).unwrap();
    let (theirs, own) = (rows(&database, false), rows(&database, true));
    assert_eq!(own.0, theirs.0, "zipkin_spans");
    assert_eq!(own.1, theirs.1, "zipkin_annotations");
    let mut ids: Vec<u128> = corpus.iter().map(|span| span.trace_id.as_u128()).collect();
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        let of_theirs = we_read(&ours, id);
        assert!(!of_theirs.is_empty(), "{id:x}");
        assert_eq!(we_read(&ours, id + OURS), of_theirs, "{id:x}");
        assert_eq!(
            zipkin_reads(&zipkin, id + OURS),
            zipkin_reads(&zipkin, id),
            "{id:x}"
        );
    }
    let answer = zipkin.ask(&Request::get("/api/v2/services")).unwrap();
    let services: Vec<String> = serde_json::from_str(&answer.text()).unwrap();
    assert_eq!(ours.service_names(&NEVER).unwrap(), services);
    for service in services {
        let of = |what: &str| -> Vec<String> {
            let target = format!("/api/v2/{what}?serviceName={}", service.replace(' ', "%20"));
            let answer = zipkin.ask(&Request::get(target)).unwrap();
            serde_json::from_str(&answer.text()).unwrap()
        };
        assert_eq!(
            ours.span_names(&service, &NEVER).unwrap(),
            of("spans"),
            "{service}"
        );
    }
}

//! What storing and asking costs over a real server on this machine, with the reference workload:
//! `cargo run --release -p speargun-clickhouse --example clickhouse_bench -- [SPANS] [LIST_SPANS]`.
//! Not a test.
#![expect(
    clippy::cast_precision_loss,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measuring program"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use speargun_clickhouse::{ClickHouse, Config, Housekeeping};
use speargun_e2e::clickhouse::ClickHouse as Process;
use speargun_loadgen::process::{cpu_total_us, own_cpu_us};
use speargun_loadgen::workload::{Format, Traffic};
use speargun_model::{Bounds, Span, SpanBatch, TraceId, codec};
use speargun_storage::{
    Database, ListName, ReadContext, SpanReader, TagTerm, TraceRequest, Window,
};

/// The spans lie in so many hours, a million an hour.
const HOUR_SPANS: usize = 1_000_000;
const HOUR_US: u64 = 3_600_000_000;
const START_US: u64 = 1_760_000_000_000_000;
/// How often a question is asked, each time for something else.
const TIMES: usize = 50;
const LINKS_TIMES: usize = 5;

fn main() {
    let number = |place: usize, default: usize| {
        let word = std::env::args().nth(place);
        word.map_or(default, |word| word.parse().unwrap())
    };
    let (count, list_spans) = (number(1, 1_000_000), number(2, 50_000));
    let server = Process::start().unwrap();
    let config = Config {
        link_lag: Duration::ZERO,
        ..Config::new(server.url())
    };
    let engine = Arc::new(ClickHouse::new(config).unwrap());
    engine.prepare().unwrap();
    let known = fill(&server, &engine, (count, list_spans));
    let disk = "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'speargun'";
    let bytes = |when: &str| {
        let bytes: u64 = server.run(disk).unwrap().parse().unwrap();
        println!("{when}: {:.1} bytes a span", bytes as f64 / count as f64);
    };
    bytes("as stored");
    ask_for_links(&server, &engine, count, "computed");
    link(&server, &engine);
    ask_for_links(&server, &engine, count, "from the table");
    bytes("linked");
    ask_all(&server, &engine, &known, count);
    for table in ["spans", "traces", "names", "links"] {
        let merge = format!("OPTIMIZE TABLE speargun.{table} FINAL");
        server.run(&merge).unwrap();
    }
    bytes("merged");
    let columns = "SELECT table || '.' || name, round(data_compressed_bytes / (SELECT count() FROM \
                   speargun.spans), 2) AS each FROM system.columns WHERE database = 'speargun' AND \
                   data_compressed_bytes > 0 ORDER BY each DESC";
    println!("{}", server.run(columns).unwrap());
    ask_all(&server, &engine, &known, count);
}

/// Stores the spans; returns some traces.
fn fill(
    server: &Process,
    engine: &ClickHouse,
    (count, list_spans): (usize, usize),
) -> Vec<TraceId> {
    let mut known = Vec::new();
    let mut traffic = Traffic::new(1);
    let (mut stored, mut took, mut cpu_us) = (0, Duration::ZERO, 0);
    let cpu_before = cpu_total_us(server.pid()).unwrap();
    for number in 0_u64.. {
        if stored >= count {
            break;
        }
        let start_us = START_US + stored as u64 * HOUR_US / HOUR_SPANS as u64;
        let length_us = list_spans as u64 * HOUR_US / HOUR_SPANS as u64;
        let made = traffic.spans(list_spans.min(count - stored), start_us, length_us);
        let spans = decoded(Format::Proto.encode(&made));
        known.extend(
            spans
                .iter()
                .step_by(spans.len().div_ceil(20))
                .map(|s| s.trace_id),
        );
        let name = ListName {
            origin: "bench".into(),
            number,
        };
        let (began, cpu_began) = (Instant::now(), own_cpu_us());
        engine.store(&name, &spans).unwrap();
        took += began.elapsed();
        cpu_us += own_cpu_us() - cpu_began;
        stored += spans.len();
    }
    let database_us = cpu_total_us(server.pid()).unwrap() - cpu_before;
    println!(
        "{stored} spans in lists of {list_spans}: {:.0} spans/s, {:.0} ns CPU a span here, {:.0} ns \
         in the database",
        stored as f64 / took.as_secs_f64(),
        cpu_us as f64 * 1000.0 / stored as f64,
        database_us as f64 * 1000.0 / stored as f64,
    );
    known
}

fn decoded(body: Vec<u8>) -> Vec<Span> {
    let mut batch = SpanBatch::default();
    let bounds = Bounds::WIDEST;
    codec::decode(codec::Format::Proto3, body.into(), &bounds, &mut batch).unwrap();
    batch.views().map(|view| view.to_span()).collect()
}

fn ask_all(server: &Process, engine: &ClickHouse, known: &[TraceId], count: usize) {
    let end_ms = (START_US + (count as u64 * HOUR_US / HOUR_SPANS as u64)) / 1000;
    let all = |service: Option<&str>, terms: &[(&str, Option<&str>)]| TraceRequest {
        service_name: service.map(str::to_owned),
        remote_service_name: None,
        span_name: None,
        terms: terms
            .iter()
            .map(|(key, value)| TagTerm {
                key: (*key).to_owned(),
                value: value.map(str::to_owned),
            })
            .collect(),
        min_duration_us: None,
        max_duration_us: None,
        window: Window {
            end_ms,
            lookback_ms: 10 * HOUR_US / 1000,
        },
        limit: 10,
    };
    let context = ReadContext::default();
    let step = known.len().div_ceil(TIMES);
    let ids: Vec<TraceId> = known.iter().copied().step_by(step).collect();
    time(server, "trace by id", ids.len(), |n| {
        engine.trace(ids[n], &context).unwrap().len()
    });
    let path = "/api/v1/products/19873";
    let searches = [
        ("newest traces", all(None, &[])),
        ("service", all(Some("cart"), &[])),
        (
            "service and error",
            all(Some("payment"), &[("error", None)]),
        ),
        (
            "service and rare value",
            all(Some("catalog"), &[("http.path", Some(path))]),
        ),
        ("rare value", all(None, &[("http.path", Some(path))])),
        (
            "service and absent value",
            all(Some("cart"), &[("customer.id", Some("nobody"))]),
        ),
    ];
    for (name, request) in &searches {
        time(server, name, TIMES / 5, |_| {
            engine.search(request, &context).unwrap().len()
        });
    }
    time(server, "services", TIMES / 5, |_| {
        engine.service_names(&context).unwrap().len()
    });
    ask_for_links(server, engine, count, "from the table");
}

fn ask_for_links(server: &Process, engine: &ClickHouse, count: usize, how: &str) {
    let window = Window {
        end_ms: (START_US + (count as u64 * HOUR_US / HOUR_SPANS as u64)) / 1000,
        lookback_ms: 24 * HOUR_US / 1000,
    };
    let context = ReadContext::default();
    let own_before = own_cpu_us();
    let name = format!("dependencies of a day {how}");
    time(server, &name, LINKS_TIMES, |_| {
        engine.dependencies(window, &context).unwrap().len()
    });
    let own_us = (own_cpu_us() - own_before) / LINKS_TIMES as u64;
    println!("{name}: {:.1} ms CPU here", own_us as f64 / 1000.0);
}

/// Links all that was stored, as the background does.
fn link(server: &Process, engine: &Arc<ClickHouse>) {
    let house = Housekeeping::new(Arc::clone(engine), "bench");
    let (began, own_before) = (Instant::now(), own_cpu_us());
    let before_us = cpu_total_us(server.pid()).unwrap();
    while house.pass().unwrap().spans_linked > 0 {}
    let told = house.told();
    let each = |us: u64| us as f64 * 1000.0 / told.spans_linked as f64;
    println!(
        "linked {} spans in {} chunks in {:.1} s: {:.0} ns CPU a span here, {:.0} ns in the database",
        told.spans_linked,
        told.chunks,
        began.elapsed().as_secs_f64(),
        each(own_cpu_us() - own_before),
        each(cpu_total_us(server.pid()).unwrap() - before_us),
    );
    time(server, "a pass with nothing new", TIMES, |_| {
        usize::try_from(house.pass().unwrap().spans_linked).unwrap()
    });
}

fn time(server: &Process, name: &str, times: usize, mut ask: impl FnMut(usize) -> usize) {
    let cpu_before = cpu_total_us(server.pid()).unwrap();
    let mut answers = 0;
    let mut took: Vec<Duration> = (0..times)
        .map(|n| {
            let began = Instant::now();
            answers += ask(n);
            began.elapsed()
        })
        .collect();
    took.sort_unstable();
    let cpu_us = (cpu_total_us(server.pid()).unwrap() - cpu_before) / times as u64;
    println!(
        "{name}: p50 {:.1} ms, max {:.1} ms, {:.1} ms CPU in the database, {} answered",
        took[times / 2].as_secs_f64() * 1000.0,
        took[times - 1].as_secs_f64() * 1000.0,
        cpu_us as f64 / 1000.0,
        answers / times,
    );
}

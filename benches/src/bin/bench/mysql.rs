//! Zipkin's own server and our engine over one MariaDB: what each stores until it is visible, and
//! what both answer over the same million spans. Ours is asked in its process, without HTTP.

#![expect(
    clippy::cast_precision_loss,
    reason = "counts of a benchmark are far below 2^52"
)]

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use speargun_benches::measure::Words;
use speargun_benches::report::Report;
use speargun_benches::way::Way;
use speargun_benches::workload::{Format, Span as Made, Traffic, batches};
use speargun_benches::{load, process};
use speargun_e2e::Request;
use speargun_e2e::mariadb::MariaDb;
use speargun_e2e::server::pause;
use speargun_e2e::zipkin::Zipkin;
use speargun_model::codec::{self, json_v2};
use speargun_model::{Bounds, Span, SpanBatch};
use speargun_mysql::{Config, MySqlStore};
use speargun_storage::{
    Database, ListName, ReadContext, SpanReader, TagTerm, TraceRequest, Window,
};

/// Spans of a message to Zipkin's server, and of a list that we store.
const MESSAGE: usize = 100;
const LIST: usize = 5000;

/// The spans lie in an hour that begins here.
const START_US: u64 = 1_760_000_000_000_000;
const HOUR_US: u64 = 3_600_000_000;

/// How long Zipkin's server may take to store what it acknowledged.
const PATIENCE: Duration = Duration::from_mins(10);

/// How often a question is asked; the best counts, of both.
const TURNS: usize = 3;

/// What storing took.
struct Stored {
    spans: usize,
    wall: Duration,
    own_us: u64,
    database_us: u64,
}

pub(crate) fn run(words: Words) -> Result<()> {
    let count = words.count(20_000, 1_000_000);
    let server = MariaDb::start(&["--innodb-buffer-pool-size=1G"])?;
    let mut report = Report::new(
        "mysql",
        "Zipkin 3.6.1 and our engine over one MariaDB 10.11 with a buffer pool of 1 GiB, in \
         Zipkin's tables. Zipkin's server takes JSON in messages of 100 spans over 16 \
         connections; our engine lists of 5,000 spans from one thread, without HTTP and journal, \
         whose cost is in the figures of `ingest`. Visible means that a query sees them.",
    );
    report.head(&[
        "stored by",
        "spans",
        "visible a second",
        "own CPU us a span",
        "MariaDB CPU us a span",
    ]);
    let theirs = zipkin_stores(&server, (count / 50).max(2000))?;
    report.row(&theirs.row("Zipkin"));
    let database = server.database()?;
    let store = MySqlStore::open(config(&server, &database))?;
    let ours = we_store(&server, &store, count)?;
    report.row(&ours.row("Speargun"));
    report.note(&format!(
        "Speargun stores {:.1} times as many a second at {:.3} of Zipkin's own CPU a span. Tables \
         take {} bytes a span.",
        ours.rate() / theirs.rate(),
        ours.own_cpu() / theirs.own_cpu(),
        bytes_of(&server, &database)? / count as u64
    ));
    server.sql(&format!(
        "USE {database}; ANALYZE TABLE zipkin_spans, zipkin_annotations"
    ))?;
    report.head(&["question", "answered", "Zipkin ms", "Speargun ms", "times"]);
    let zipkin = zipkin(&server, &database)?;
    let mut least = f64::INFINITY;
    for question in questions() {
        let row = ask(&question, &zipkin, &store)?;
        least = least.min(row.1);
        report.row(&row.0);
    }
    report.note(&format!(
        "The best of {TURNS} turns each. The least ratio is {least:.1}. Zipkin's server gives up \
         after 11 s, which is counted as 11 s."
    ));
    report.finish(words)
}

impl Stored {
    fn rate(&self) -> f64 {
        self.spans as f64 / self.wall.as_secs_f64()
    }

    fn own_cpu(&self) -> f64 {
        self.own_us as f64 / self.spans as f64
    }

    fn row(&self, name: &str) -> Vec<String> {
        vec![
            name.into(),
            self.spans.to_string(),
            format!("{:.0}", self.rate()),
            format!("{:.1}", self.own_cpu()),
            format!("{:.1}", self.database_us as f64 / self.spans as f64),
        ]
    }
}

fn config(server: &MariaDb, database: &str) -> Config {
    Config {
        host: "127.0.0.1".into(),
        port: server.port(),
        user: "root".into(),
        database: database.into(),
        ..Config::default()
    }
}

fn zipkin(server: &MariaDb, database: &str) -> Result<Zipkin> {
    let port = server.port().to_string();
    Zipkin::start(
        &["-Xmx1g"],
        &[
            ("STORAGE_TYPE", "mysql"),
            ("MYSQL_HOST", "127.0.0.1"),
            ("MYSQL_TCP_PORT", &port),
            ("MYSQL_USER", "root"),
            ("MYSQL_DB", database),
        ],
    )
}

/// Lets Zipkin's server store spans, after some to warm it up.
fn zipkin_stores(server: &MariaDb, count: usize) -> Result<Stored> {
    let database = server.database()?;
    speargun_mysql::check::init(&config(server, &database)).map_err(anyhow::Error::msg)?;
    let zipkin = zipkin(server, &database)?;
    let rows = || -> Result<usize> {
        let text = server.sql(&format!("SELECT COUNT(*) FROM {database}.zipkin_spans"))?;
        text.trim().parse().context("a count")
    };
    let mut traffic = Traffic::new(7);
    let mut send = |count: usize| -> Result<()> {
        let before = rows()?;
        let spans = traffic.spans(count, START_US, HOUR_US);
        let mut ids: Vec<_> = spans.iter().map(|span| (span.trace_id, span.id)).collect();
        ids.sort_unstable();
        ids.dedup();
        let messages = batches(spans, MESSAGE);
        let way = Way::Zipkin(Format::Json);
        let messages: Vec<Bytes> = messages.iter().map(|spans| way.prepare(spans)).collect();
        load::send(way, zipkin.port(), &messages)?;
        let deadline = Instant::now() + PATIENCE;
        while rows()? < before + ids.len() {
            ensure!(
                Instant::now() < deadline,
                "Zipkin's server stored only {}",
                rows()?
            );
            for _ in 0..20 {
                pause();
            }
        }
        Ok(())
    };
    send(count / 4)?;
    let cpu = || {
        Ok::<_, anyhow::Error>((
            process::cpu_total_us(zipkin.pid())?,
            process::cpu_total_us(server.pid())?,
        ))
    };
    let (before, start) = (cpu()?, Instant::now());
    send(count)?;
    let (wall, after) = (start.elapsed(), cpu()?);
    Ok(Stored {
        spans: count,
        wall,
        own_us: after.0 - before.0,
        database_us: after.1 - before.1,
    })
}

fn we_store(server: &MariaDb, store: &MySqlStore, count: usize) -> Result<Stored> {
    let mut traffic = Traffic::new(8);
    let mut all = Stored {
        spans: count,
        wall: Duration::ZERO,
        own_us: 0,
        database_us: 0,
    };
    // In time order, as spans arrive.
    let parts = count.div_ceil(50_000);
    let part_us = HOUR_US / parts as u64;
    let mut number = 0;
    for part in 0..parts {
        let start_us = START_US + part as u64 * part_us;
        let made = traffic.spans(count / parts, start_us, part_us);
        let spans = ours(&made)?;
        let database_us = process::cpu_total_us(server.pid())?;
        let (own_us, start) = (process::own_cpu_us(), Instant::now());
        for list in spans.chunks(LIST) {
            number += 1;
            let name = ListName {
                origin: "bench".into(),
                number,
            };
            store.store(&name, list)?;
        }
        all.wall += start.elapsed();
        all.own_us += process::own_cpu_us() - own_us;
        all.database_us += process::cpu_total_us(server.pid())? - database_us;
    }
    Ok(all)
}

/// Returns the workload's spans as ours.
fn ours(made: &[Made]) -> Result<Vec<Span>> {
    let mut spans = Vec::with_capacity(made.len());
    let mut batch = SpanBatch::default();
    for made in made.chunks(1000) {
        let body = Format::Json.encode(made);
        codec::decode(
            codec::Format::JsonV2,
            body.into(),
            &Bounds::WIDEST,
            &mut batch,
        )
        .context("the workload is read")?;
        spans.extend(batch.views().map(|view| view.to_span()));
    }
    Ok(spans)
}

fn bytes_of(server: &MariaDb, database: &str) -> Result<u64> {
    let text = server.sql(&format!(
        "SELECT SUM(data_length + index_length) FROM information_schema.tables \
         WHERE table_schema = '{database}'"
    ))?;
    text.trim().parse().context("a size")
}

/// Something both are asked.
struct Question {
    name: &'static str,
    target: String,
    asks: Asks,
}

enum Asks {
    Search(TraceRequest),
    Services,
    SpanNames(&'static str),
    Dependencies(Window),
}

fn questions() -> Vec<Question> {
    let window = Window {
        end_ms: (START_US + HOUR_US) / 1000,
        lookback_ms: HOUR_US / 1000,
    };
    let end = format!("endTs={}&lookback={}", window.end_ms, window.lookback_ms);
    let any = TraceRequest::everything(window, 10);
    let term = |key: &str, value: Option<&str>| TagTerm {
        key: key.into(),
        value: value.map(Into::into),
    };
    let of = |request: &TraceRequest| TraceRequest {
        service_name: Some("payment".into()),
        ..request.clone()
    };
    let search = |name, query: &str, request| Question {
        name,
        target: format!("/api/v2/traces?limit=10&{end}&{query}"),
        asks: Asks::Search(request),
    };
    let with = |terms: Vec<TagTerm>| TraceRequest {
        terms,
        ..any.clone()
    };
    let slow = TraceRequest {
        min_duration_us: Some(1_000_000),
        ..any.clone()
    };
    vec![
        search("the newest", "", any.clone()),
        search("service", "serviceName=payment", of(&any)),
        search(
            "service and error",
            "serviceName=payment&annotationQuery=error",
            of(&with(vec![term("error", None)])),
        ),
        search(
            "service and tag",
            "serviceName=payment&annotationQuery=http.status_code%3D500",
            of(&with(vec![term("http.status_code", Some("500"))])),
        ),
        search(
            "a tag nobody has",
            "annotationQuery=http.status_code%3D777",
            with(vec![term("http.status_code", Some("777"))]),
        ),
        search("longer than 1 s", "minDuration=1000000", slow),
        Question {
            name: "services",
            target: "/api/v2/services".into(),
            asks: Asks::Services,
        },
        Question {
            name: "span names",
            target: "/api/v2/spans?serviceName=payment".into(),
            asks: Asks::SpanNames("payment"),
        },
        Question {
            name: "dependencies",
            target: format!("/api/v2/dependencies?{end}"),
            asks: Asks::Dependencies(window),
        },
    ]
}

/// Asks both, and returns the row and how many times faster ours is.
fn ask(question: &Question, zipkin: &Zipkin, store: &MySqlStore) -> Result<(Vec<String>, f64)> {
    let (mut theirs, mut ours) = (Duration::MAX, Duration::MAX);
    let mut answered = 0;
    for _ in 0..TURNS {
        let start = Instant::now();
        let answer = zipkin.ask(&Request::get(&question.target))?;
        if answer.status != 200 && start.elapsed() < Duration::from_secs(10) {
            bail!("{}: {} {}", question.target, answer.status, answer.text());
        }
        theirs = theirs.min(start.elapsed());
        let start = Instant::now();
        answered = asked(&question.asks, store)?;
        ours = ours.min(start.elapsed());
    }
    let (theirs, ours) = (theirs.as_secs_f64() * 1000.0, ours.as_secs_f64() * 1000.0);
    let row = vec![
        question.name.into(),
        answered.to_string(),
        format!("{theirs:.1}"),
        format!("{ours:.1}"),
        format!("{:.1}", theirs / ours),
    ];
    Ok((row, theirs / ours))
}

fn asked(asks: &Asks, store: &MySqlStore) -> Result<usize> {
    let context = ReadContext::default();
    Ok(match asks {
        Asks::Search(request) => {
            let traces = store.search(request, &context)?;
            let mut out = Vec::new();
            json_v2::encode_traces(&traces, &mut out);
            traces.len()
        }
        Asks::Services => store.service_names(&context)?.len(),
        Asks::SpanNames(service) => store.span_names(service, &context)?.len(),
        Asks::Dependencies(window) => store.dependencies(*window, &context)?.len(),
    })
}

//! What the client library costs the service that uses it: spans with their headers and the
//! reporter, balancing with circuit, and whole calls over loopback beside bare ones. Servers live
//! in a process of their own, so that their CPU does not count.

use std::hint::black_box;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use speargun_benches::measure::{Samples, Words, process_cpu_ns, thread_cpu_ns};
use speargun_benches::report::Report;
use speargun_benches::sink;
use speargun_client::call::balance::{Balance, PeakEwma, RoundRobin, Weighted, ZoneFirst};
use speargun_client::call::breaker::{Breaker, BreakerSettings, Outcome};
use speargun_client::call::bulkhead::{Bulkhead, BulkheadSettings};
use speargun_client::call::retry::{Budget, RetrySettings};
use speargun_client::call::{FixedInstances, Instance, Instances, Place, ServiceClient};
use speargun_client::clock::SystemClock;
use speargun_client::report::{Destination, Encoding, ReporterSettings};
use speargun_client::trace::{Sampler, TracerSettings, naming};
use speargun_client::{Clock, Reporter, Tracer};
use speargun_model::Kind;

const ROUNDS: usize = 9;
const PATIENCE: Duration = Duration::from_mins(1);
/// The name under which this binary is what calls go to.
pub(crate) const SINK: &str = "client-sink";

pub(crate) fn run(words: Words) -> Result<()> {
    let count = words.count(200, 20_000);
    let about = "CPU of the caller, us: median of nine rounds, least in brackets. `process` counts \
                 all threads, the reporter's included; `thread` the one that works. Asked are 5 us \
                 a traced call with reporter and 2 us for balancing and circuit.";
    let mut report = Report::new("client", about);
    report.head(&["what", "clock", "us", "calls a round"]);
    let sink = Sink::start()?;
    let notes = tracing(&mut report, &sink, count)?;
    for instances in [2, 10] {
        balancing(&mut report, instances, count)?;
    }
    calls(&mut report, &sink, count)?;
    notes.iter().for_each(|note| report.note(note));
    report.finish(words)
}

/// Serves until its standard input ends, which is when the other process does.
pub(crate) fn be_a_sink() -> Result<()> {
    let port = sink::open()?;
    let mut out = std::io::stdout();
    writeln!(out, "{port}")?;
    out.flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// A server in another process.
struct Sink {
    child: Child,
    port: u16,
}

impl Sink {
    fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(SINK)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().context("its output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let port = line.trim().parse().context("its port")?;
        Ok(Self { child, port })
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // It may have ended already.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Runs rounds of a work on a clock, and adds their row.
fn rounds(
    report: &mut Report,
    (what, clock): (&str, &str),
    count: usize,
    mut round: impl FnMut() -> Result<()>,
) -> Result<()> {
    let now = if clock == "thread" {
        thread_cpu_ns
    } else {
        process_cpu_ns
    };
    round()?;
    let mut samples = Vec::new();
    for _ in 0..ROUNDS {
        let before = now();
        round()?;
        samples.push(now() - before);
    }
    let samples = Samples::new(samples);
    let us = |ns: u64| {
        format!(
            "{:.2}",
            Duration::from_nanos(ns).as_secs_f64() * 1e6 / calls_f64(count)
        )
    };
    report.row(&[
        what.to_owned(),
        clock.to_owned(),
        format!("{} [{}]", us(samples.median()), us(samples.min())),
        count.to_string(),
    ]);
    Ok(())
}

fn calls_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// One side's part in a call, without the call.
fn client_span(tracer: &Tracer, parent: &speargun_client::TraceContext) {
    let mut span = tracer.start_within(Some(parent));
    let mut headers = HeaderMap::new();
    span.kind(Kind::Client);
    span.name(naming::client_name(&Method::GET));
    naming::tag_request(&mut span, &Method::GET, "/orders/7");
    span.remote_service("order-service");
    tracer.propagation().inject(span.context(), &mut headers);
    black_box(&headers);
    naming::tag_response(&mut span, StatusCode::OK);
    span.finish();
}

fn server_span(tracer: &Tracer, headers: &HeaderMap) {
    let extracted = tracer.propagation().extract(headers);
    let mut span = tracer.serve(extracted);
    naming::tag_request(&mut span, &Method::GET, "/orders/7");
    span.name(naming::server_name(
        &Method::GET,
        Some("/orders/{id}"),
        None,
    ));
    naming::tag_response(&mut span, StatusCode::OK);
    span.finish();
}

fn tracing(report: &mut Report, sink: &Sink, count: usize) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let off = tracer(Sampler::never(), Reporter::none());
    let parent = off.start("entry").context().clone();
    rounds(
        report,
        ("client span, not sampled", "thread"),
        count,
        || {
            (0..count).for_each(|_| client_span(&off, &parent));
            Ok(())
        },
    )?;
    for (encoding, gzip, name) in [
        (Encoding::JsonV2, Some(1024), "JSON, gzip"),
        (Encoding::JsonV2, None, "JSON"),
        (Encoding::Proto3, None, "proto3"),
    ] {
        let reporter = Reporter::start(ReporterSettings {
            encoding,
            gzip_from_bytes: gzip,
            queued_spans_max: count.max(1000) * 2,
            queued_bytes_max: 1 << 30,
            ..ReporterSettings::new(Destination::Fixed(sink.url("/api/v2/spans").parse()?))
        })?;
        let tracer = tracer(Sampler::always(), reporter.clone());
        let parent = tracer.start("entry").context().clone();
        let what = format!("client span with headers, reported as {name}");
        rounds(report, (&what, "process"), count, || {
            (0..count).for_each(|_| client_span(&tracer, &parent));
            ensure!(
                runtime.block_on(reporter.flush(PATIENCE)),
                "spans did not leave"
            );
            Ok(())
        })?;
        let mut headers = HeaderMap::new();
        tracer.propagation().inject(&parent, &mut headers);
        let what = format!("server span from headers, reported as {name}");
        rounds(report, (&what, "process"), count, || {
            (0..count).for_each(|_| server_span(&tracer, &headers));
            ensure!(
                runtime.block_on(reporter.flush(PATIENCE)),
                "spans did not leave"
            );
            Ok(())
        })?;
        let figures = reporter.figures();
        ensure!(
            figures.dropped_in_all() == 0,
            "spans were dropped: {figures:?}"
        );
        ensure!(
            figures.spans == figures.spans_sent,
            "spans are missing: {figures:?}"
        );
        notes.push(format!(
            "{name}: {} spans in {} messages, {} B a span, {} as sent.",
            figures.spans,
            figures.messages,
            figures.message_bytes / figures.spans,
            figures.sent_bytes / figures.spans
        ));
    }
    Ok(notes)
}

fn tracer(sampler: Sampler, reporter: Reporter) -> Tracer {
    let mut settings = TracerSettings::new("bench");
    settings.sampler = sampler;
    Tracer::new(settings, reporter)
}

fn places(count: u16, port: u16) -> impl Iterator<Item = Place> {
    (0..count).map(move |index| Place {
        id: index.to_string(),
        host: "127.0.0.1".into(),
        port,
        zone: Some(if index % 2 == 0 { "a" } else { "b" }.into()),
        ..Place::default()
    })
}

fn balancing(report: &mut Report, instances: u16, count: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let known = FixedInstances::default().with("ORDERS", places(instances, 1));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let breaker = Breaker::new("orders", BreakerSettings::hystrix(), Arc::clone(&clock));
    let bulkhead = Bulkhead::new(BulkheadSettings::default());
    let budget = Budget::new(&RetrySettings::default(), Arc::clone(&clock));
    let rules: [(&str, Box<dyn Balance>); 4] = [
        ("round robin", Box::new(RoundRobin::default())),
        ("weighted", Box::new(Weighted::default())),
        (
            "zone first",
            Box::new(ZoneFirst::new("a", RoundRobin::default())),
        ),
        ("peak EWMA", Box::new(PeakEwma)),
    ];
    for (name, rule) in &rules {
        let what = format!("{name} over {instances}, circuit, bulkhead, budget");
        rounds(report, (&what, "thread"), count, || {
            runtime.block_on(async {
                for _ in 0..count {
                    let permit = breaker.admit()?;
                    let place = bulkhead.admit().await?;
                    budget.earn();
                    let found = known.of("ORDERS");
                    let all: Vec<&Arc<Instance>> = found.iter().collect();
                    black_box(rule.choose(&all, clock.elapsed()));
                    drop(place);
                    permit.end(Outcome::Success);
                }
                Ok(())
            })
        })?;
    }
    Ok(())
}

fn calls(report: &mut Report, sink: &Sink, count: usize) -> Result<()> {
    let count = count / 4;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let bare: Client<_, Full<Bytes>> = {
        let _within = runtime.enter();
        Client::builder(TokioExecutor::new()).build_http()
    };
    let url = sink.url("/orders/7");
    rounds(
        report,
        ("whole call over loopback, bare HTTP client", "process"),
        count,
        || {
            runtime.block_on(async {
                for _ in 0..count {
                    let request = Request::get(&*url).body(Full::default())?;
                    let answer = bare.request(request).await?;
                    ensure!(
                        answer.status() == StatusCode::ACCEPTED,
                        "{}",
                        answer.status()
                    );
                    answer.into_body().collect().await?;
                }
                Ok(())
            })
        },
    )?;
    for (sampler, name) in [
        (Sampler::never(), "not sampled"),
        (Sampler::always(), "reported"),
    ] {
        let destination = Destination::Fixed(sink.url("/api/v2/spans").parse()?);
        let reporter = Reporter::start(ReporterSettings {
            encoding: Encoding::Proto3,
            ..ReporterSettings::new(destination)
        })?;
        let tracer = tracer(sampler, reporter.clone());
        let known = FixedInstances::default().with("orders", places(2, sink.port));
        let client = ServiceClient::builder("orders", Arc::new(known), tracer).build();
        let what = format!("whole call over loopback, ServiceClient, {name}");
        rounds(report, (&what, "process"), count, || {
            runtime.block_on(async {
                for _ in 0..count {
                    let call = client.get("/orders/{id}").path("id", 7);
                    black_box(call.send().await?);
                }
                ensure!(reporter.flush(PATIENCE).await, "spans did not leave");
                Ok(())
            })
        })?;
        ensure!(
            reporter.figures().dropped_in_all() == 0,
            "spans were dropped"
        );
    }
    Ok(())
}

//! A whole run: the pool, the first question, warm-up, steps, what was accepted, what it cost, what
//! was missed. Each of these is done elsewhere.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::accepted::Accepted;
use crate::line::{Http, Line, Outcome, Transport};
use crate::meter::{Meter, Second};
use crate::options::{FormatName, Options};
use crate::pool::{Filled, Pool, now_us};
use crate::queries::{self, Counts};
use crate::report::{Cost, Report, Setting, StepReport, VERSION, ratio};
use crate::run::{Load, Pace};
use crate::schedule::Schedule;
use crate::search::Search;
use crate::target::{Target, TargetError};
use crate::tls::Trust;
use crate::truth::{Counters, Ledger, Sampling, Sent, read_back};
use crate::{judge, plan, process};

/// Requests of a run whose length is not known, of which acceptance is remembered.
const REQUESTS_UNKNOWN: u64 = 1 << 24;
/// Between two looks at counters that are not there yet.
const PAUSE: Duration = Duration::from_millis(100);
/// A rate counts as missed when it was missed so often in a row.
const TRIES_OF_RATE: usize = 2;
/// Between two tries of a search, so that one does not pay for the other.
const REST: Duration = Duration::from_secs(1);

/// Why there is no report.
#[derive(Debug)]
pub enum Failure {
    /// What was asked can't be done.
    Usage(String),
    /// The target can't be reached, or is no Zipkin-compatible server.
    Unreachable(String),
    /// Something on this side failed.
    Broken(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Broken(error)
    }
}

/// A run under way.
struct Session<'a> {
    options: &'a Options,
    load: Load,
    meter: Meter,
    queries: Counts,
    /// Spans sent so far, in the warm-up too.
    sent: Sent,
    each: &'a mut dyn FnMut(&Second),
}

/// Runs what the options ask for; `each` hears of every second.
pub fn run(options: &Options, each: &mut dyn FnMut(&Second)) -> Result<Report, Failure> {
    let target = target(options)?;
    let transport = transport(options)?;
    ask_first(&target, &transport, options)?;
    let started_at_us = now_us();
    let pool = plan::pool(options)?;
    let load = Load {
        accepted: Accepted::new(requests(options, &pool)),
        pool,
        target,
        transport,
        connections: usize::from(options.pace.connections),
        patience: options.pace.timeout,
        honours_retry_after: !options.pace.ignore_retry_after,
        next: AtomicU64::new(0),
    };
    let local = load.target.address.ip().is_loopback();
    let port = load.target.address.port();
    let found = || local.then(|| process::listening(port)).flatten();
    let mut session = Session {
        options,
        meter: Meter::new(options.check.pid.or_else(found)),
        load,
        queries: Counts::new()?,
        sent: Sent::default(),
        each,
    };
    let mut report = session.report()?;
    report.started_at_us = started_at_us;
    Ok(report)
}

fn target(options: &Options) -> Result<Target, Failure> {
    let trust = match (&options.ca, options.insecure) {
        (Some(path), _) => Trust::File(path),
        (None, true) => Trust::Anyone,
        (None, false) => Trust::System,
    };
    let target = Target::parse(&options.target, trust).map_err(|error| match error {
        TargetError::Unusable(text) => Failure::Usage(text),
        TargetError::Unknown(text) => Failure::Unreachable(text),
    })?;
    if target.tls.is_none() && !matches!(trust, Trust::System) {
        return Err(Failure::Usage(
            "--ca and --insecure are for https:// targets".into(),
        ));
    }
    if !target.is_private() && !options.yes_i_own_this_target {
        return Err(Failure::Usage(format!(
            "{} is neither on this machine nor in a private network; if it is yours to load, say \
             --yes-i-own-this-target",
            target.address
        )));
    }
    Ok(target)
}

fn transport(options: &Options) -> Result<Transport, Failure> {
    let gzip = options.body.gzip;
    match (options.body.format, gzip) {
        (FormatName::Grpc, true) => Err(Failure::Usage("gRPC is not sent with --gzip".into())),
        (FormatName::Grpc, false) => Ok(Transport::Grpc),
        (format, gzip) => Ok(Transport::Http {
            format: plan::format(format),
            gzip,
        }),
    }
}

/// A body without spans, which Zipkin takes as the question whether it is there.
fn ask_first(target: &Target, transport: &Transport, options: &Options) -> Result<(), Failure> {
    let (path, empty) = match transport {
        Transport::Http { format, .. } => (format.path(), &b"[]"[..]),
        Transport::Grpc => ("/zipkin.proto3.SpanService/Report", &b""[..]),
    };
    // An empty list of proto3 is no bytes at all, which not every server takes: JSON asks for it.
    let asks = match transport {
        Transport::Http { format, .. } => Transport::Http {
            format: match format {
                crate::workload::Format::Proto => crate::workload::Format::Json,
                other => *other,
            },
            gzip: false,
        },
        Transport::Grpc => Transport::Grpc,
    };
    let body = Filled {
        bytes: empty.to_vec(),
        spans: 0,
    };
    let patience = options.pace.timeout;
    let asked = Line::new(&asks, target, patience).and_then(|mut line| line.send(&body));
    let what = format!("POST {}{path} on {}", target.base, target.authority);
    match asked {
        Ok(Outcome::Accepted | Outcome::Refused { .. }) => Ok(()),
        Ok(Outcome::Failed { status: 404, .. }) => Err(Failure::Unreachable(format!(
            "{what} is 404: no Zipkin-compatible server, or below another path"
        ))),
        Ok(Outcome::Failed { status, text }) => Err(Failure::Unreachable(format!(
            "{what} failed with status {status}: {text}"
        ))),
        Err(error) => Err(Failure::Unreachable(format!("{what}: {error}"))),
    }
}

/// Returns how many requests the run will have, as far as that is known.
fn requests(options: &Options, pool: &Pool) -> u64 {
    let pace = &options.pace;
    if pace.closed || pace.find {
        return REQUESTS_UNKNOWN;
    }
    let count = |rate: f64, length| Schedule::steady(rate / pool.spans_per_body(), length).count();
    let warmup = count(plan::warmup_rate(options), pace.warmup);
    let steps = plan::rates(options).into_iter();
    warmup + steps.map(|rate| count(rate, pace.duration)).sum::<u64>()
}

impl Session<'_> {
    fn report(&mut self) -> Result<Report> {
        let before = self.counters();
        let disk_before = self.disk_bytes()?;
        self.warm_up()?;
        let mut search = None;
        let steps = if self.options.pace.find {
            let (steps, highest) = self.find()?;
            search = Some(highest);
            steps
        } else {
            self.hold()?
        };
        let cost = self.cost(&steps, disk_before)?;
        let sampling = Sampling {
            traces: self.options.check.read_back,
            settle: self.options.check.settle,
            seed: self.options.body.seed,
        };
        let read_back = read_back(&self.load, sampling);
        let ledger = self.ledger(before);
        let sent = self.load.next.load(Ordering::Relaxed);
        let distinct = self.load.pool.distinct();
        let mut report = Report {
            version: VERSION,
            target: self.options.target.clone(),
            started_at_us: 0,
            setting: self.setting(),
            steps,
            highest_rate: search.flatten(),
            read_back,
            ledger,
            cost,
            queries: self.queries.rows(),
            repeated_bodies: distinct.map_or(0, |distinct| sent.saturating_sub(distinct)),
            notes: Vec::new(),
            missed: Vec::new(),
        };
        report.notes = self.notes(&report);
        let asked = judge::Asked {
            searched: search.is_some(),
            reads_back: sampling.traces > 0,
        };
        report.missed = judge::run(&report, asked);
        Ok(report)
    }

    /// Returns what is to be known beside figures and verdicts.
    fn notes(&self, report: &Report) -> Vec<String> {
        let mut notes = report.ledger.as_ref().map_or(Vec::new(), Ledger::doubts);
        if report.read_back.unread_traces > 0 {
            notes.push(format!(
                "there was no time to read {} traces of the sample",
                report.read_back.unread_traces
            ));
        }
        if self.options.check.read_back == 0 && !judge::has_ledger(report) {
            notes.push("what was accepted was not checked".into());
        }
        notes
    }

    fn counters(&self) -> Option<Counters> {
        let mut http = Http::new(&self.load.target, self.load.patience);
        Counters::read(&mut http)
    }

    fn disk_bytes(&self) -> Result<Option<u64>> {
        let folder = self.options.check.data.as_deref();
        let bytes = folder.map(process::disk_bytes).transpose();
        Ok(bytes.context("read the data folder")?.map(|(all, _)| all))
    }

    fn warm_up(&mut self) -> Result<()> {
        let pace = &self.options.pace;
        if pace.warmup.is_zero() {
            return Ok(());
        }
        let rate = plan::warmup_rate(self.options);
        let pace = if pace.closed {
            Pace::Closed(pace.warmup)
        } else {
            Pace::Open(self.schedule(rate, pace.warmup))
        };
        let step = self.load.step(pace, &mut self.meter, self.each)?;
        self.sent.accepted += step.tally.accepted_spans;
        self.sent.unknown += step.tally.unknown_spans;
        Ok(())
    }

    /// Holds each rate that was asked for.
    fn hold(&mut self) -> Result<Vec<StepReport>> {
        let pace = &self.options.pace;
        if pace.closed {
            return Ok(vec![self.step(Pace::Closed(pace.duration), None)?]);
        }
        let mut steps = Vec::new();
        for rate in plan::rates(self.options) {
            let mut schedule = self.schedule(rate, pace.duration);
            if pace.ramp {
                schedule.from = 0.0;
            }
            steps.push(self.step(Pace::Open(schedule), Some(rate))?);
        }
        Ok(steps)
    }

    fn find(&mut self) -> Result<(Vec<StepReport>, Option<f64>)> {
        let pace = &self.options.pace;
        let mut search = Search::new(pace.rate);
        let mut steps = Vec::new();
        while let Some(rate) = search.next() {
            let schedule = self.schedule(rate, pace.duration);
            let mut met = false;
            // One pause of a machine that others use too is not the server's limit.
            for _ in 0..TRIES_OF_RATE {
                let step = self.step(Pace::Open(schedule), Some(rate))?;
                met = step.missed.is_empty();
                steps.push(step);
                thread::sleep(REST);
                if met {
                    break;
                }
            }
            search.tried(met);
        }
        Ok((steps, search.highest()))
    }

    fn step(&mut self, pace: Pace, asked: Option<f64>) -> Result<StepReport> {
        let (load, meter) = (&self.load, &mut self.meter);
        let each = &mut *self.each;
        let asking = (self.options.check.queries, self.options.pace.duration);
        let (step, asked_of) = thread::scope(|scope| {
            let queries = scope.spawn(move || queries::ask(load, asking));
            let step = load.step(pace, meter, each)?;
            let panicked = |_| anyhow::anyhow!("queries panicked");
            Ok::<_, anyhow::Error>((step, queries.join().map_err(panicked)??))
        })?;
        self.queries.merge(&asked_of)?;
        let mut step = StepReport::new(step, asked);
        self.sent.accepted += step.accepted_spans;
        self.sent.unknown += step.unknown_spans;
        step.missed = judge::step(&step, &self.options.check);
        Ok(step)
    }

    fn schedule(&self, spans_a_second: f64, length: Duration) -> Schedule {
        Schedule::steady(spans_a_second / self.load.pool.spans_per_body(), length)
    }

    fn cost(&self, steps: &[StepReport], disk_before: Option<u64>) -> Result<Option<Cost>> {
        let Some(pid) = self.meter.pid() else {
            return Ok(None);
        };
        // A server that ended under the load has no memory; that it ended shows in failed requests.
        let Ok(memory) = process::memory(pid) else {
            return Ok(None);
        };
        let cpu_us = steps.iter().map(|step| step.server_cpu_us).sum();
        let spans = steps.iter().map(|step| step.accepted_spans).sum();
        let grown = |after: u64| after.saturating_sub(disk_before.unwrap_or(0));
        Ok(Some(Cost {
            pid,
            cpu_us,
            cpu_us_per_span: ratio(cpu_us, spans),
            resident_bytes: memory.resident_bytes,
            peak_bytes: memory.peak_bytes,
            disk_bytes: self.disk_bytes()?.map(grown),
        }))
    }

    /// Compares counters until nothing is missing or the time is up.
    fn ledger(&self, before: Option<Counters>) -> Option<Ledger> {
        let before = before?;
        let start = Instant::now();
        loop {
            let after = self.counters();
            let mut ledger = Ledger::new(self.sent, before, after.unwrap_or_default());
            if after.is_none() {
                let gone = "the server's counters can't be read any more";
                ledger.not_comparable = Some(gone.to_owned());
            }
            if ledger.missing() == 0 || start.elapsed() >= self.options.check.settle {
                return Some(ledger);
            }
            thread::sleep(PAUSE);
        }
    }

    fn setting(&self) -> Setting {
        let options = self.options;
        Setting {
            pace: plan::pace_in_words(options),
            format: plan::format_in_words(options),
            batch: options.body.batch,
            spans_per_body: self.load.pool.spans_per_body(),
            connections: options.pace.connections,
            seed: options.body.seed,
            workload: plan::workload_in_words(options),
            warmup_ms: options.pace.warmup.as_millis() as u64,
        }
    }
}

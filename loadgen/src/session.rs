//! A whole run: the pool, the first question, warm-up, steps, what was accepted, what it cost, what
//! was missed. Each of these is done elsewhere.

mod first;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::accepted::Accepted;
use crate::line::Http;
use crate::meter::{Meter, Second};
use crate::options::Options;
use crate::pool::{Pool, now_us};
use crate::queries::{self, Counts};
use crate::report::table::{grouped, rounded};
use crate::report::{Cost, Report, Setting, StepReport, VERSION, ratio};
use crate::run::{Load, Pace};
use crate::schedule::Schedule;
use crate::search::Search;
use crate::stop::Stop;
use crate::target::Target;
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
    /// What is to be known beside figures and verdicts.
    notes: Vec<String>,
    each: &'a mut dyn FnMut(&Second),
}

/// Runs what the options ask for, or until it is to stop; `each` hears of every second.
pub fn run(
    options: &Options,
    stop: &Stop,
    each: &mut dyn FnMut(&Second),
) -> Result<Report, Failure> {
    first::check(options)?;
    let mut target = first::target(options)?;
    let transport = first::transport(options)?;
    first::ask(&mut target, &transport, options)?;
    let started_at_us = now_us();
    let (pool, odd) = plan::pool(options)?;
    let load = Load {
        accepted: Accepted::new(requests(options, &pool)),
        pool,
        target,
        transport,
        connections: usize::from(options.pace.connections),
        patience: options.pace.timeout,
        honours_retry_after: !options.pace.ignore_retry_after,
        next: AtomicU64::new(0),
        stop: stop.clone(),
    };
    let found = || listening(&load.target);
    let mut session = Session {
        options,
        meter: Meter::new(options.check.pid.or_else(found)),
        load,
        queries: Counts::new()?,
        sent: Sent::default(),
        notes: Vec::new(),
        each,
    };
    session.notes.extend(odd);
    let mut report = session.report()?;
    report.started_at_us = started_at_us;
    Ok(report)
}

/// Returns the process behind a target on this machine.
fn listening(target: &Target) -> Option<u32> {
    let local = target.address.ip().is_loopback();
    local.then(|| process::listening(target.address)).flatten()
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
        let interrupted = self.load.stop.is_asked_for();
        if interrupted {
            self.notes.push("the load was ended before its time".into());
        }
        let grown = |after: u64| after.saturating_sub(disk_before.unwrap_or(0));
        let disk_bytes = self.disk_bytes()?.map(grown);
        let cost = self.cost(&steps, disk_bytes);
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
            disk_bytes,
            interrupted,
            queries: self.queries.rows(),
            repeated_bodies: distinct.map_or(0, |distinct| sent.saturating_sub(distinct)),
            notes: Vec::new(),
            missed: Vec::new(),
        };
        self.note(&report);
        report.notes = std::mem::take(&mut self.notes);
        let asked = judge::Asked {
            searched: search.is_some(),
            reads_back: sampling.traces > 0,
            refused_max: self.options.check.refused_max,
        };
        report.missed = judge::run(&report, asked);
        Ok(report)
    }

    /// Notes what the checks found that is no verdict.
    fn note(&mut self, report: &Report) {
        let notes = &mut self.notes;
        notes.extend(report.ledger.iter().flat_map(Ledger::doubts));
        if report.read_back.unread_traces > 0 {
            notes.push(format!(
                "there was no time to read {} traces of the sample",
                report.read_back.unread_traces
            ));
        }
        let cores = thread::available_parallelism().map_or(1, usize::from) as u64;
        let own = report
            .steps
            .iter()
            .rev()
            .find(|step| judge::is_own_limit(step, cores));
        if let Some(step) = own {
            notes.push(format!(
                "at {} spans/s the harness itself used most of this machine: what was missed there \
                 may be its own limit",
                grouped(rounded(step.rate()))
            ));
        }
        if self.options.check.read_back == 0 && !judge::has_ledger(report) {
            notes.push("what was accepted was not checked".into());
        }
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
        let mut steps = Vec::new();
        if pace.closed {
            self.add(&mut steps, Pace::Closed(pace.duration), None)?;
            return Ok(steps);
        }
        for rate in plan::rates(self.options) {
            let mut schedule = self.schedule(rate, pace.duration);
            if pace.ramp {
                schedule.from = 0.0;
            }
            self.add(&mut steps, Pace::Open(schedule), Some(rate))?;
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
                self.add(&mut steps, Pace::Open(schedule), Some(rate))?;
                if !self.load.stop.sleep_until(Instant::now() + REST) {
                    // A try that was not made to its end says nothing.
                    return Ok((steps, search.highest()));
                }
                met = steps.last().is_some_and(|step| step.missed.is_empty());
                if met {
                    break;
                }
            }
            search.tried(met);
        }
        Ok((steps, search.highest()))
    }

    /// Adds a step, unless all is to end. One that can't be made ends a run that has others.
    fn add(&mut self, steps: &mut Vec<StepReport>, pace: Pace, asked: Option<f64>) -> Result<()> {
        if self.load.stop.is_asked_for() {
            return Ok(());
        }
        match self.step(pace, asked) {
            Ok(step) => steps.push(step),
            Err(error) if steps.is_empty() => return Err(error),
            Err(error) => {
                self.notes.push(format!("a rate was not held: {error:#}"));
                self.load.stop.ask();
            }
        }
        Ok(())
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

    fn cost(&mut self, steps: &[StepReport], disk_bytes: Option<u64>) -> Option<Cost> {
        let pid = self.meter.pid()?;
        let Ok(memory) = process::memory(pid) else {
            let text = format!("process {pid} ended in the run: its cost is not known");
            self.notes.push(text);
            return None;
        };
        let cpu_us = steps.iter().map(|step| step.server_cpu_us).sum();
        let spans = steps.iter().map(|step| step.accepted_spans).sum();
        Some(Cost {
            pid,
            cpu_us,
            cpu_us_per_span: ratio(cpu_us, spans),
            resident_bytes: memory.resident_bytes,
            peak_bytes: memory.peak_bytes,
            disk_bytes,
        })
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
            if let (Some(pid), Some(now)) = (self.meter.pid(), listening(&self.load.target))
                && self.options.check.pid.is_none()
                && pid != now
            {
                let other = format!("the server is process {now} now: it was restarted");
                ledger.not_comparable = Some(other);
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

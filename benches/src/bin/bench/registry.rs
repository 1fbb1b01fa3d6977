//! What the registry costs: 10,000 instances that renew and fetch deltas, everything fetched at
//! once, a change on its way to a peer, a start.

#![expect(
    clippy::cast_precision_loss,
    reason = "counts of a benchmark are far below 2^52"
)]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use speargun_benches::measure::{Samples, Words, per};
use speargun_benches::process;
use speargun_benches::report::Report;
use speargun_e2e::eureka::Eureka;
use speargun_e2e::{Connection, Request};

/// Each renews and fetches a delta once in so long, as Eureka's clients do.
const PERIOD: Duration = Duration::from_secs(30);
const CONNECTIONS: usize = 32;
const APPS: usize = 200;

pub(crate) fn run(words: Words) -> Result<()> {
    let (instances, time, turns) = if words.tiny {
        (200, Duration::from_secs(1), 3)
    } else {
        (10_000, Duration::from_mins(1), 50)
    };
    let about = format!(
        "`speargun registry` with {instances} instances in {APPS} applications, as Spring's clients \
         register them. Each renews and fetches the delta as gzip once in {} s, open loop, over \
         {CONNECTIONS} connections. CPU is that of the registry's process.",
        PERIOD.as_secs()
    );
    let mut report = Report::new("registry", &about);
    report.head(&["what", "figure"]);
    let ours = Eureka::start(&["--data", "registry"])?;
    let url = ours.url();
    register(&mut report, &ours, instances)?;
    steady(&mut report, &ours, instances, time)?;
    everything(&mut report, &ours, turns)?;
    peer(&mut report, &ours, &url, turns)?;
    start(&mut report, ours)?;
    report.finish(words)
}

fn body(number: usize) -> (String, String) {
    let (app, id) = names(number);
    let body = format!(
        r#"{{"instance":{{"instanceId":"{id}","app":"{app}","appGroupName":null,
        "ipAddr":"10.0.0.5","sid":"na","homePageUrl":"http://{id}/",
        "statusPageUrl":"http://{id}/actuator/info","healthCheckUrl":"http://{id}/actuator/health",
        "secureHealthCheckUrl":null,"vipAddress":"{app}","secureVipAddress":"{app}","countryId":1,
        "dataCenterInfo":{{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo",
        "name":"MyOwn"}},"hostName":"host-{number}","status":"UP","overriddenStatus":"UNKNOWN",
        "leaseInfo":{{"renewalIntervalInSecs":30,"durationInSecs":90}},
        "lastUpdatedTimestamp":1700000000002,"lastDirtyTimestamp":1699999999999,
        "port":{{"$":8080,"@enabled":"true"}},"securePort":{{"$":443,"@enabled":"false"}},
        "metadata":{{"zone":"z{}","management.port":"8081"}}}}}}"#,
        number % 3
    );
    (app, body)
}

fn names(number: usize) -> (String, String) {
    let app = format!("SERVICE-{}", number % APPS);
    (app, format!("host-{number}.local:service:8080"))
}

fn post(number: usize) -> Request {
    let (app, body) = body(number);
    Request {
        method: "POST".to_owned(),
        target: format!("/eureka/apps/{app}"),
        headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
        body: body.into_bytes(),
    }
}

fn beat(number: usize) -> Request {
    let (app, id) = names(number);
    Request {
        method: "PUT".to_owned(),
        target: format!("/eureka/apps/{app}/{id}?status=UP&lastDirtyTimestamp=1699999999999"),
        headers: Vec::new(),
        body: Vec::new(),
    }
}

fn fetch(path: &str) -> Request {
    Request::get(path)
        .header("Accept", "application/json, application/*+json")
        .header("Accept-Encoding", "gzip")
}

fn cpu_us(ours: &Eureka) -> Result<u64> {
    Ok(process::cpu_ns(ours.pid())? / 1000)
}

fn mib(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
}

fn ms(us: u64) -> String {
    format!("{:.1} ms", us as f64 / 1000.0)
}

fn register(report: &mut Report, ours: &Eureka, instances: usize) -> Result<()> {
    let before = cpu_us(ours)?;
    let mut connection = Connection::open(ours.port())?;
    for number in 0..instances {
        let answer = connection.ask(&post(number))?;
        ensure!(answer.status == 204, "{}", answer.text());
    }
    let each = per(cpu_us(ours)? - before, instances as u64);
    report.row(&["CPU of a registration".to_owned(), format!("{each} us")]);
    Ok(())
}

/// Renewals and deltas of all instances, evenly over their period, whether or not answers are late.
fn steady(report: &mut Report, ours: &Eureka, instances: usize, time: Duration) -> Result<()> {
    let gap = PERIOD / u32::try_from(instances)?;
    let (before, began) = (cpu_us(ours)?, Instant::now());
    let asked = AtomicU64::new(0);
    let next = AtomicU64::new(0);
    let late_us = std::thread::scope(|scope| {
        let one = || -> Result<u64> {
            let mut connection = Connection::open(ours.port())?;
            let mut late_us = 0;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let due = gap * u32::try_from(number)?;
                if due > time {
                    return Ok(late_us);
                }
                std::thread::sleep(due.saturating_sub(began.elapsed()));
                let number = number as usize % instances;
                if connection.ask(&beat(number))?.status == 404 {
                    // On a machine so slow that its lease ended before it renewed.
                    ensure!(connection.ask(&post(number))?.status == 204);
                }
                // To unpack what all have changed at first would take longer than to make it.
                let delta = connection.ask_packed(&fetch("/eureka/apps/delta"))?;
                ensure!(delta.status == 200);
                asked.fetch_add(2, Ordering::Relaxed);
                late_us = late_us.max(began.elapsed().saturating_sub(due).as_micros() as u64);
            }
        };
        let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(one)).collect();
        let mut late_us = 0;
        for thread in threads {
            let late = thread
                .join()
                .map_err(|_| anyhow::anyhow!("a client broke"))??;
            late_us = late_us.max(late);
        }
        anyhow::Ok(late_us)
    })?;
    let (used, passed) = (cpu_us(ours)? - before, began.elapsed().as_micros() as u64);
    let memory = process::memory(ours.pid())?;
    let share = used as f64 * 100.0 / passed as f64;
    let asked = asked.into_inner();
    for (what, figure) in [
        (
            "requests".to_owned(),
            format!("{asked} in {} s", passed / 1_000_000),
        ),
        ("CPU of one core".to_owned(), format!("{share:.1} %")),
        (
            "CPU of a request".to_owned(),
            format!("{} us", per(used, asked)),
        ),
        ("latest answer after it was due".to_owned(), ms(late_us)),
        ("memory".to_owned(), mib(memory.resident_bytes)),
        ("memory at most".to_owned(), mib(memory.peak_bytes)),
    ] {
        report.row(&[what, figure]);
    }
    Ok(())
}

/// Everything as gzip: unchanged since the last fetch, and after a change before each.
fn everything(report: &mut Report, ours: &Eureka, turns: usize) -> Result<()> {
    let mut connection = Connection::open(ours.port())?;
    let mut bytes = 0;
    for changes in [false, true] {
        let mut samples = Vec::new();
        for turn in 0..turns {
            if changes {
                ensure!(connection.ask(&post(turn))?.status == 204);
            }
            let before = cpu_us(ours)?;
            let answer = connection.ask(&fetch("/eureka/apps/"))?;
            ensure!(answer.status == 200);
            bytes = answer.body.len();
            samples.push(cpu_us(ours)? - before);
        }
        let mean = per(samples.iter().sum(), turns as u64);
        let what = if changes {
            "after a change"
        } else {
            "unchanged"
        };
        report.row(&[
            format!("CPU of fetching everything, {what}, mean"),
            ms(mean),
        ]);
    }
    report.row(&["everything, unpacked".to_owned(), mib(bytes as u64)]);
    Ok(())
}

/// How long a registration takes until a peer lists it.
fn peer(report: &mut Report, ours: &Eureka, url: &str, turns: usize) -> Result<()> {
    let other = Eureka::start(&["--data", "none", "--peers", url])?;
    let known = other.listed()?.len();
    ensure!(known == ours.listed()?.len(), "the peer read {known}");
    let mut here = Connection::open(other.port())?;
    let mut there = Connection::open(ours.port())?;
    let mut samples = VecDeque::new();
    for turn in 0..turns {
        let path = format!("/eureka/apps/PEER/peer-{turn}");
        let mut request = post(turn);
        let text = String::from_utf8(request.body)?;
        let (app, id) = names(turn);
        let text = text
            .replace(&app, "PEER")
            .replace(&id, &format!("peer-{turn}"));
        request.body = text.into_bytes();
        "/eureka/apps/PEER".clone_into(&mut request.target);
        let began = Instant::now();
        ensure!(here.ask(&request)?.status == 204);
        while there.ask(&Request::get(path.as_str()))?.status != 200 {
            ensure!(began.elapsed() < PERIOD, "the peer is not told");
            std::thread::sleep(Duration::from_millis(1));
        }
        samples.push_back(began.elapsed().as_micros() as u64);
    }
    let samples = Samples::new(samples.into());
    let what = "a registration at one until its peer knows it, median / longest".to_owned();
    let figure = format!("{} / {}", ms(samples.median()), ms(samples.max()));
    report.row(&[what, figure]);
    Ok(())
}

/// From the start of the process to its first good health, with a snapshot of everything.
fn start(report: &mut Report, mut ours: Eureka) -> Result<()> {
    let count = ours.listed()?.len();
    let mut connection = Connection::open(ours.port())?;
    let snapshots = ours.metric("speargun_registry_snapshots_total")?;
    ensure!(connection.ask(&post(0))?.status == 204);
    speargun_e2e::eureka::wait_until("a snapshot", || {
        Ok(ours.metric("speargun_registry_snapshots_total")? > snapshots)
    })?;
    drop(connection);
    let began = Instant::now();
    ours.kill_and_restart()?;
    let took = began.elapsed().as_micros() as u64;
    ensure!(ours.listed()?.len() == count, "the snapshot is not whole");
    let what = format!("kill -9 and start with a snapshot of {count} until it is healthy");
    report.row(&[what, ms(took)]);
    let empty = Instant::now();
    let other = Eureka::start(&["--data", "none"])?;
    report.row(&[
        "start of an empty one until it is healthy".to_owned(),
        ms(empty.elapsed().as_micros() as u64),
    ]);
    drop(other);
    Ok(())
}

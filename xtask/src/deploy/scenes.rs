//! What the demo's scenes show, seen from outside on the stack in containers: calls alternate, an
//! instance and a registry may be killed, a circuit opens and closes, and changed settings reach
//! what runs. A visit is a trace through services, at last.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};

use super::podman::{PATIENCE, PAUSE, exchange};
use super::stack::Stack;
use crate::json::Json;
use crate::shell::say;

/// Where `service-1-1` and `service-1-2` listen, which they tell.
const PORTS: [u16; 2] = [8080, 8081];
/// Longer than a lease, and than the pause between two fetches.
const LEASE: Duration = Duration::from_secs(7);
const GREETING: &str = "service-1.properties";
const BACKEND: &str = "speargun.yml";
const VISITS: usize = 600;
/// Spans of a visit.
const SPANS: usize = 12;
/// Visits at a time.
const AT_ONCE: usize = 8;
/// Of 600 traces at five percent 30 are expected. That there are fewer or more than these by chance
/// happens once in ten million times (Poisson).
const KEPT: std::ops::RangeInclusive<usize> = 7..=65;

pub(super) fn play(stack: &Stack<'_>) -> Result<()> {
    visitors(stack)?;
    balance(stack)?;
    kill(stack)?;
    registry(stack)?;
    breaker(stack)?;
    config(stack)?;
    sampling(stack)
}

/// Visitors come, their traces go through the shop, and they stay away when that is set.
fn visitors(stack: &Stack<'_>) -> Result<()> {
    until("a trace goes through the shop", || {
        let found = get(
            stack,
            "zipkin",
            9411,
            "/api/v2/traces?serviceName=fraud&limit=100",
        )?;
        Ok(["storefront", "orders", "payment", "shipping", "mail"]
            .iter()
            .all(|name| found.contains(&format!("\"serviceName\":\"{name}\""))))
    })?;
    set(stack, "traffic.properties", "demo.rate=0\n")?;
    let begun = || get(stack, "traffic", 8080, "/actuator/visits");
    until("visitors stay away", || {
        let before = begun()?;
        std::thread::sleep(Duration::from_secs(1));
        Ok(before == begun()?)
    })?;
    seen("a visit is a trace through the shop; a rate of 0 keeps visitors away");
    Ok(())
}

fn balance(stack: &Stack<'_>) -> Result<()> {
    // A list that was fetched in between may have put them into another order.
    greets_by_both(stack)?;
    let mut greeters = Vec::new();
    for _ in 0..40 {
        greeters.push(greeter(&hi(stack)?)?);
    }
    let twice = greeters.windows(2).any(|pair| pair[0] == pair[1]);
    ensure!(!twice, "calls do not alternate: {greeters:?}");
    seen("40 calls alternated over two instances");
    Ok(())
}

fn kill(stack: &Stack<'_>) -> Result<()> {
    stack.kill("service-1-2")?;
    let began = Instant::now();
    let mut calls = 0;
    while began.elapsed() < LEASE {
        greeter(&hi(stack)?)?;
        calls += 1;
    }
    until("its lease has run out", || {
        Ok(instances(stack, "registry-1")? == 1 && instances(stack, "registry-2")? == 1)
    })?;
    until("calls without retries are answered", || {
        let answers = (0..20).map(|_| get(stack, "service-2", 8080, "/once/bob"));
        Ok(answers
            .collect::<Result<Vec<_>>>()?
            .iter()
            .all(|it| greeter(it).is_ok()))
    })?;
    stack.start_again("service-1-2")?;
    greets_by_both(stack)?;
    seen(&format!(
        "an instance is killed: of {calls} calls with retries none failed"
    ));
    Ok(())
}

fn registry(stack: &Stack<'_>) -> Result<()> {
    stack.kill("registry-1")?;
    let began = Instant::now();
    let mut calls = 0;
    while began.elapsed() < LEASE {
        greeter(&get(stack, "service-2", 8080, "/once/bob")?)?;
        calls += 1;
    }
    ensure!(
        instances(stack, "registry-2")? == 2,
        "leases ran out at the other registry"
    );
    stack.start_again("registry-1")?;
    until("the registry is told of all", || {
        Ok(instances(stack, "registry-1")? == 2)
    })?;
    seen(&format!(
        "a registry is killed: none of {calls} calls failed, no lease ran out"
    ));
    Ok(())
}

fn breaker(stack: &Stack<'_>) -> Result<()> {
    set(stack, GREETING, "greeting=hi\ndemo.error-rate=1\n")?;
    until("the circuit is open", || {
        let answer = hi(stack)?;
        Ok(answer.starts_with("sorry, bob") && circuit_is(stack, "open")?)
    })?;
    set(stack, GREETING, "greeting=hi\ndemo.error-rate=0\n")?;
    until("the circuit is closed", || {
        Ok(greeter(&hi(stack)?).is_ok() && circuit_is(stack, "closed")?)
    })?;
    seen("a service fails: its circuit opens, callers get the fallback; then it closes");
    Ok(())
}

fn config(stack: &Stack<'_>) -> Result<()> {
    set(stack, GREETING, "greeting=good morning\n")?;
    until("the greeting changes", || {
        Ok(
            hi(stack)?.starts_with("good morning bob")
                && hi(stack)?.starts_with("good morning bob"),
        )
    })?;
    for (rate, kept) in [("0.0", false), ("1.0", true)] {
        set(stack, BACKEND, &format!("COLLECTOR_SAMPLE_RATE: {rate}\n"))?;
        until("the backend follows its rate", || {
            Ok(is_kept(stack)? == kept)
        })?;
        for _ in 0..20 {
            ensure!(is_kept(stack)? == kept, "at a rate of {rate}");
        }
    }
    seen("changed settings reach services and the backend while they run");
    Ok(())
}

fn sampling(stack: &Stack<'_>) -> Result<()> {
    let text = std::fs::read_to_string(stack.settings.join("application.yml"))?;
    let fewer = text.replace("probability: 1.0", "probability: 0.05");
    ensure!(fewer != text, "application.yml sets no probability");
    set(stack, "application.yml", &fewer)?;
    for name in ["storefront", "catalog", "price", "stock"] {
        until("services keep five percent", || {
            let told = get(stack, name, 8080, "/actuator/demo")?;
            Ok(Json::read(&told)?.field("sampling").text() == "0.05")
        })?;
    }
    let begun = now_ms()?;
    let visit = |book: usize| get(stack, "storefront", 8080, &format!("/browse/{book}"));
    std::thread::scope(|scope| {
        let visitors: Vec<_> = (0..AT_ONCE)
            .map(|_| scope.spawn(|| (0..VISITS / AT_ONCE).try_for_each(|it| visit(it).map(drop))))
            .collect();
        let mut ended = visitors
            .into_iter()
            .map(std::thread::ScopedJoinHandle::join);
        ended.try_for_each(|done| done.unwrap_or_else(|_| bail!("a visitor fell")))
    })?;
    let kept = Cell::new(0);
    until("all spans of kept traces arrived", || {
        let end = now_ms()? + 1000;
        let target = format!(
            "/api/v2/traces?serviceName=storefront&limit=1000&endTs={end}&lookback={}",
            end - begun
        );
        let found = Json::read(&get(stack, "zipkin", 9411, &target)?)?;
        let (before, now) = (kept.get(), found.items().len());
        kept.set(now);
        std::thread::sleep(Duration::from_secs(1));
        Ok(before == now
            && now > 0
            && found
                .items()
                .iter()
                .all(|trace| trace.items().len() == SPANS))
    })?;
    let kept = kept.get();
    ensure!(KEPT.contains(&kept), "of {VISITS} traces {kept} were kept");
    set(stack, "application.yml", &text)?;
    seen(&format!(
        "of {VISITS} visits {kept} traces were kept at five percent, each whole"
    ));
    Ok(())
}

fn seen(what: &str) {
    say(&format!("ok  {what}"));
}

/// Changes a file of settings, as an editor would.
fn set(stack: &Stack<'_>, file: &str, text: &str) -> Result<()> {
    Ok(std::fs::write(stack.settings.join(file), text)?)
}

/// Waits until something is so.
fn until(what: &str, is_so: impl Fn() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    let mut trouble = None;
    while began.elapsed() < PATIENCE {
        match is_so() {
            Ok(true) => return Ok(()),
            Ok(false) => trouble = None,
            Err(error) => trouble = Some(error),
        }
        std::thread::sleep(PAUSE);
    }
    let why = trouble.map_or_else(String::new, |error| format!(": {error:#}"));
    bail!("not within {PATIENCE:?}: {what}{why}")
}

/// Returns the body of an answer, whatever its status.
fn get(stack: &Stack<'_>, name: &str, port: u16, path: &str) -> Result<String> {
    let answer = exchange((&stack.address(name)?, port), "GET", path, "")?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    let in_chunks = head
        .lines()
        .any(|line| line.eq_ignore_ascii_case("transfer-encoding: chunked"));
    if in_chunks {
        joined(body)
    } else {
        Ok(body.to_owned())
    }
}

/// Joins the chunks of a body; each has its length in hex on a line before it.
fn joined(mut chunks: &str) -> Result<String> {
    let mut body = String::new();
    loop {
        let (length, rest) = chunks
            .split_once("\r\n")
            .context("a chunk without length")?;
        let length = usize::from_str_radix(length, 16).context("a chunk's length")?;
        if length == 0 {
            return Ok(body);
        }
        body.push_str(rest.get(..length).context("a cut chunk")?);
        let rest = rest.get(length..).context("a cut chunk")?;
        chunks = rest.strip_prefix("\r\n").context("a chunk without end")?;
    }
}

fn hi(stack: &Stack<'_>) -> Result<String> {
    get(stack, "service-2", 8080, "/hi/bob")
}

/// Returns the port of the instance that greeted; an error when none did.
fn greeter(answer: &str) -> Result<u16> {
    let port = answer.rsplit_once("i am service-1 from port ");
    let port = port.and_then(|(_, port)| port.trim().parse().ok());
    port.with_context(|| format!("nobody greeted: {answer}"))
}

fn greets_by_both(stack: &Stack<'_>) -> Result<()> {
    until("both instances greet", || {
        let greeters: Vec<u16> = (0..4)
            .map(|_| greeter(&hi(stack)?))
            .collect::<Result<_>>()?;
        Ok(PORTS.iter().all(|port| greeters.contains(port)))
    })
}

/// Returns how many instances of service-1 a registry tells of.
fn instances(stack: &Stack<'_>, registry: &str) -> Result<usize> {
    let answer = get(stack, registry, 8761, "/eureka/apps/service-1")?;
    Ok(answer.matches("<instanceId>").count())
}

fn circuit_is(stack: &Stack<'_>, state: &str) -> Result<bool> {
    let told = get(stack, "service-2", 8080, "/actuator/prometheus")?;
    let state = format!("state=\"{state}\"");
    Ok(told.lines().any(|line| {
        line.starts_with("resilience4j_circuitbreaker_state{")
            && line.contains(&state)
            && line.ends_with("} 1")
    }))
}

/// Sends a span of a new trace to the backend, and returns whether it is there afterwards.
fn is_kept(stack: &Stack<'_>) -> Result<bool> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let id = format!("{:016x}", now.as_nanos() as u64);
    let span = format!(
        "[{{\"traceId\":\"{id}\",\"id\":\"{id}\",\"name\":\"probe\",\"timestamp\":{}}}]",
        now.as_micros()
    );
    let place = stack.address("zipkin")?;
    let answer = exchange((&place, 9411), "POST", "/api/v2/spans", &span)?;
    ensure!(answer.starts_with("HTTP/1.1 202"), "the span: {answer}");
    let found = exchange((&place, 9411), "GET", &format!("/api/v2/trace/{id}"), "")?;
    Ok(found.starts_with("HTTP/1.1 200"))
}

fn now_ms() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined() {
        let text = "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        assert_eq!(joined(text).unwrap(), "abcd");
        for cut in ["", "3\r\nab", "3\r\nabc", "x\r\n"] {
            assert!(joined(cut).is_err(), "{cut}");
        }
    }
}

//! Groups 2 to 5: how applications register, are found, are lost and come back.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use speargun_e2e::Request;
use speargun_e2e::eureka::wait_until;

use crate::stack::{App, Stack};

const FULL: &str = "GET /eureka/apps/";
const DELTA: &str = "GET /eureka/apps/delta";

/// Both are listed, know each other, and need the whole list once.
pub(crate) fn is_mutual(stack: &mut Stack) -> Result<String> {
    let (front, back) = (stack.front()?, stack.back()?);
    let listed = stack.registry.listed()?;
    for (app, id) in [("FRONT", &front.id), ("BACK", &back.id)] {
        let row = (app.to_owned(), id.clone(), "UP".to_owned());
        ensure!(listed.contains(&row), "{row:?} in {listed:?}");
    }
    let xml = stack.registry.ask(&Request::get("/eureka/apps/"))?.text();
    for id in [&front.id, &back.id] {
        ensure!(
            xml.contains(&format!("<instanceId>{id}</instanceId>")),
            "{xml}"
        );
    }
    for (app, other) in [(front, "BACK"), (back, "FRONT")] {
        wait_until(&format!("{} knows {other}", app.id), || {
            Ok(knows(&app.java.json("/actuator/health")?, other))
        })?;
    }
    // The answer may be noted after the registry lists the application.
    let posts = || -> Vec<u16> {
        let seen = front.tap.seen();
        let posts = seen
            .iter()
            .filter(|it| it.line.starts_with("POST /eureka/apps/FRONT"));
        posts.map(|it| it.status).collect()
    };
    wait_until("its registration is answered", || Ok(!posts().is_empty()))?;
    ensure!(posts().iter().all(|status| *status == 204), "{:?}", posts());
    wait_until("it renews", || Ok(renewals(front, 200) >= 2))?;
    let fulls = full_fetches(back);
    ensure!(fulls >= 1, "no whole list among {:?}", back.tap.seen());
    // One that looks for its configuration server by name asks for the whole list with each fetch,
    // whatever the server says; this one was told where it is.
    let (deltas, _) = fetches_from_now(back, 5)?;
    Ok(format!(
        "JSON, XML, health; {deltas} deltas and no whole list more"
    ))
}

/// Waits for that many deltas from now on; none of them may need the whole list.
fn fetches_from_now(app: &App, count: usize) -> Result<(usize, usize)> {
    let fulls = full_fetches(app);
    let before = app.tap.count(DELTA);
    wait_until("deltas are fetched", || {
        Ok(app.tap.count(DELTA) >= before + count)
    })?;
    let more = full_fetches(app) - fulls;
    ensure!(
        more == 0,
        "{more} whole lists beside {count} deltas: hashes differ"
    );
    Ok((app.tap.count(DELTA) - before, more))
}

fn full_fetches(app: &App) -> usize {
    let seen = app.tap.seen();
    let fulls = seen
        .iter()
        .filter(|it| it.line == FULL || it.line == "GET /eureka/apps");
    fulls.count()
}

fn renewals(app: &App, status: u16) -> usize {
    let seen = app.tap.seen();
    let puts = seen
        .iter()
        .filter(|it| it.line.starts_with("PUT ") && it.status == status);
    puts.count()
}

fn knows(health: &Value, name: &str) -> bool {
    match health {
        Value::Object(fields) => fields.iter().any(|(key, value)| {
            (key == "applications" && value.get(name).is_some()) || knows(value, name)
        }),
        _ => false,
    }
}

/// What the lease of one that was killed may be at most, in renewals of another, one a second. The
/// lease is 5 s; the evictor comes once a second, and a machine may be busy.
const LEASE_MAX: usize = 20;

/// Calls alternate over two; one that is killed is gone after its lease.
pub(crate) fn loses_the_killed(stack: &mut Stack) -> Result<String> {
    let fulls = full_fetches(stack.back()?);
    stack.start_back()?;
    let alternating = stack.wait_until_alternating();
    let mut killed = stack.backs().pop().context("no second service")?;
    killed.java.kill()?;
    let before = renewals(stack.front()?, 200);
    alternating?;
    wait_until("the killed one is gone", || {
        Ok(stack.status_of(&killed.id)?.is_none())
    })?;
    let renewed = renewals(stack.front()?, 200) - before;
    ensure!(
        renewed <= LEASE_MAX,
        "another renewed {renewed} times before the killed one was gone"
    );
    let recent = Request::get("/speargun/recent");
    let recent = stack.registry.ask(&recent)?.text();
    ensure!(recent.contains("\"event\":\"evicted\""), "{recent}");
    stack.wait_until_alone(stack.back()?.java.port())?;
    fetches_from_now(stack.back()?, 2)?;
    let more = full_fetches(stack.back()?) - fulls;
    ensure!(
        more == 0,
        "a start and an eviction needed {more} whole lists"
    );
    Ok("Feign alternates; kill -9: evicted, calls go on; deltas told of both".to_owned())
}

/// One that is out of service gets no calls until it is given back.
pub(crate) fn takes_out_of_service(stack: &mut Stack) -> Result<String> {
    stack.start_back()?;
    stack.wait_until_alternating()?;
    let out = stack.backs().last().context("no service")?.id.clone();
    let target = format!("/eureka/apps/BACK/{out}/status");
    let put = Request::json("PUT", format!("{target}?value=OUT_OF_SERVICE"), "");
    ensure!(stack.registry.ask(&put)?.status == 200);
    stack.wait_until_alone(stack.back()?.java.port())?;
    ensure!(
        stack.status_of(&out)?.as_deref() == Some("OUT_OF_SERVICE"),
        "renewals undid it"
    );
    let delete = Request::json("DELETE", format!("{target}?value=UP"), "");
    ensure!(stack.registry.ask(&delete)?.status == 200);
    stack.wait_until_alternating()?;
    Ok("no calls while out of service, calls afterwards".to_owned())
}

/// One that ends says goodbye and is gone at once.
pub(crate) fn says_goodbye(stack: &mut Stack) -> Result<String> {
    let mut ended = stack.backs().pop().context("no second service")?;
    ended.java.end()?;
    let goodbye = format!("DELETE /eureka/apps/BACK/{}", ended.id);
    let statuses = || -> Vec<u16> {
        let seen = ended.tap.seen();
        let said = seen.iter().filter(|it| it.line.starts_with(&goodbye));
        said.map(|it| it.status).collect()
    };
    wait_until("its goodbye is answered", || Ok(!statuses().is_empty()))?;
    ensure!(statuses() == [200], "{goodbye}: {:?}", statuses());
    ensure!(stack.status_of(&ended.id)?.is_none(), "it is still listed");
    stack.wait_until_alone(stack.back()?.java.port())?;
    Ok("DELETE answered with 200, gone at once".to_owned())
}

/// A registry that comes back empty is told everything again.
pub(crate) fn survives_a_restart(stack: &mut Stack) -> Result<String> {
    let (front, back) = (stack.front()?.id.clone(), stack.back()?.id.clone());
    let before = stack.back()?.tap.seen().len();
    stack.registry.kill_and_restart()?;
    for id in [&front, &back] {
        wait_until(&format!("{id} is back"), || {
            Ok(stack.status_of(id)?.as_deref() == Some("UP"))
        })?;
    }
    let told_again = || -> Result<bool> {
        let seen = stack.back()?.tap.seen().split_off(before);
        Ok(seen
            .iter()
            .any(|it| it.line == "POST /eureka/apps/BACK" && it.status == 204))
    };
    wait_until("its registration is answered", told_again)?;
    let seen = stack.back()?.tap.seen().split_off(before);
    let lost = seen
        .iter()
        .position(|it| it.line.starts_with("PUT ") && it.status == 404);
    let lost = lost.with_context(|| format!("no renewal was answered with 404: {seen:?}"))?;
    let empty = seen[lost]
        .answer
        .to_ascii_lowercase()
        .contains("content-length: 0");
    ensure!(empty, "{}", seen[lost].answer);
    let again = seen[lost..]
        .iter()
        .any(|it| it.line == "POST /eureka/apps/BACK" && it.status == 204);
    ensure!(again, "no registration after the 404: {seen:?}");
    for app in stack.backs() {
        ensure!(app.java.is_running());
    }
    stack.wait_until_alone(stack.back()?.java.port())?;
    Ok("404, registered again, no restart of an application".to_owned())
}

//! Group 8: two registries of ours and Spring's of the same train in one ring.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use speargun_e2e::eureka::{Eureka, listed, wait_until};
use speargun_e2e::server::free_ports;
use speargun_e2e::spring::{Application, Train};
use speargun_e2e::{Answer, Request};

/// Three registries that know each other.
struct Ring {
    ours: [Eureka; 2],
    java: Application,
}

impl Ring {
    fn start(train: &Train) -> Result<Self> {
        let ports: [u16; 3] = free_ports()?;
        // Spring's tells itself from its peers by the host's name.
        let peers = [
            format!("http://127.0.0.1:{}/eureka/", ports[0]),
            format!("http://127.0.0.1:{}/eureka/", ports[1]),
            format!("http://localhost:{}/eureka/", ports[2]),
        ];
        let list = peers.join(",");
        let start = |port| Eureka::start_on(port, &["--data", "none", "--peers", &list]);
        let ours = [start(ports[0])?, start(ports[1])?];
        let mut arguments = java_arguments();
        arguments.push(format!(
            "--eureka.client.service-url.defaultZone={},{}",
            peers[0], peers[1]
        ));
        let mut java = Application::spawn(train, "registry", ports[2], &arguments)?;
        java.wait_until_ready()?;
        let ring = Self { ours, java };
        for ours in &ring.ours {
            wait_until("both peers are up", || {
                let peers = ours.ask(&Request::get("/speargun/peers"))?.text();
                Ok(peers.matches("\"state\":\"up\"").count() == 2)
            })?;
        }
        Ok(ring)
    }

    /// Asks one of them; the last is Spring's.
    fn ask(&self, which: usize, request: &Request) -> Result<Answer> {
        match self.ours.get(which) {
            Some(ours) => ours.ask(request),
            None => self.java.ask(request),
        }
    }

    fn status(&self, which: usize, id: &str) -> Result<Option<String>> {
        let request = Request::get("/eureka/apps/").header("Accept", "application/json");
        let answer = self.ask(which, &request)?;
        let mut rows = listed(&answer.body)?.into_iter();
        Ok(rows.find(|(_, other, _)| other == id).map(|it| it.2))
    }

    /// Waits until all say the same of an instance; the one that it is registered at is renewed.
    fn wait_for(&self, at: usize, id: &str, status: Option<&str>) -> Result<()> {
        let mut last = Vec::new();
        let done = wait_until(&format!("{id} is {status:?} in all"), || {
            if status.is_some() {
                self.ask(at, &beat(id))?;
            }
            last = (0..3)
                .map(|which| self.status(which, id))
                .collect::<Result<_>>()?;
            Ok(last.iter().all(|it| it.as_deref() == status))
        });
        done.with_context(|| format!("{last:?}"))
    }

    fn instance(&self, which: usize, id: &str) -> Result<Value> {
        let target = format!("/eureka/apps/SHOP/{id}");
        let request = Request::get(target).header("Accept", "application/json");
        let answer = self.ask(which, &request)?;
        serde_json::from_slice(&answer.body).with_context(|| answer.text())
    }
}

/// What Spring's registry is told, so that it does not wait for minutes.
pub(crate) fn java_arguments() -> Vec<String> {
    [
        "--eureka.instance.hostname=localhost",
        "--eureka.server.enable-self-preservation=false",
        "--eureka.server.use-read-only-response-cache=false",
        // Its default of 200 ms is less than a busy machine needs.
        "--eureka.server.peer-node-read-timeout-ms=5000",
        "--eureka.server.peer-node-connect-timeout-ms=5000",
    ]
    .map(str::to_owned)
    .to_vec()
}

const DIRTY: u64 = 1_700_000_000_000;

fn beat(id: &str) -> Request {
    let target = format!("/eureka/apps/SHOP/{id}?status=UP&lastDirtyTimestamp={DIRTY}");
    Request::json("PUT", target, "")
}

/// Returns the registration of an instance that was changed at some time.
pub(crate) fn registration(id: &str, host: &str, dirty: u64) -> Request {
    let body = json!({"instance": {
        "instanceId": id, "hostName": host, "app": "SHOP", "ipAddr": "10.0.0.9",
        "vipAddress": "shop", "secureVipAddress": "shop", "status": "UP",
        "overriddenStatus": "UNKNOWN",
        "port": {"$": 80, "@enabled": "true"}, "securePort": {"$": 443, "@enabled": "false"},
        "countryId": 1, "lastUpdatedTimestamp": dirty.to_string(),
        "lastDirtyTimestamp": dirty.to_string(),
        "leaseInfo": {"renewalIntervalInSecs": 30, "durationInSecs": 90},
        "metadata": {"zone": "z1"},
        "dataCenterInfo": {
            "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn",
        },
    }});
    Request::json("POST", "/eureka/apps/SHOP", body.to_string())
}

/// What one of three is told, all know; the newer of two registrations counts.
pub(crate) fn agree(train: &Train) -> Result<String> {
    let ring = Ring::start(train)?;
    let names = ["at-ours", "at-our-other", "at-java"];
    for (which, name) in names.into_iter().enumerate() {
        let answer = ring.ask(which, &registration(name, "host", DIRTY))?;
        ensure!(answer.status == 204, "{name}: {}", answer.status);
    }
    for (which, name) in names.into_iter().enumerate() {
        ring.wait_for(which, name, Some("UP"))?;
    }

    // An older registration changes nothing anywhere, a newer one everything everywhere.
    for (at, dirty, host) in [(2, DIRTY - 1000, "older"), (2, DIRTY + 1000, "newer")] {
        ring.ask(at, &registration("at-ours", host, dirty))?;
    }
    let mut hosts = Vec::new();
    let done = wait_until("the newer registration is everywhere", || {
        hosts = (0..3)
            .map(|which| Ok(ring.instance(which, "at-ours")?["instance"]["hostName"].clone()))
            .collect::<Result<_>>()?;
        Ok(hosts.iter().all(|it| it == "newer"))
    });
    done.with_context(|| format!("{hosts:?}"))?;
    let newer = DIRTY + 2000;
    ring.ask(1, &registration("at-java", "newer", newer))?;
    let done = wait_until("and the other way round", || {
        hosts = (0..3)
            .map(|which| Ok(ring.instance(which, "at-java")?["instance"]["hostName"].clone()))
            .collect::<Result<_>>()?;
        Ok(hosts.iter().all(|it| it == "newer"))
    });
    done.with_context(|| format!("{hosts:?}"))?;

    batches_are_taken(&ring)?;
    for (which, name) in [(2, "at-ours"), (0, "at-our-other"), (1, "at-java")] {
        let goodbye = Request::json("DELETE", format!("/eureka/apps/SHOP/{name}"), "");
        ensure!(ring.ask(which, &goodbye)?.status == 200, "{name}");
    }
    for (which, name) in names.into_iter().enumerate() {
        ring.wait_for(which, name, None)?;
    }
    Ok("registered, renewed, cancelled at any, known at all; the newer counts".to_owned())
}

/// The same batch gets the same codes from both.
fn batches_are_taken(ring: &Ring) -> Result<()> {
    let item = |action: &str, id: &str, dirty: u64| {
        json!({"appName": "SHOP", "id": id, "lastDirtyTimestamp": dirty, "status": "UP",
            "action": action})
    };
    let batch = json!({"replicationList": [
        item("Heartbeat", "at-our-other", DIRTY),
        item("Heartbeat", "nobody", DIRTY),
        item("Heartbeat", "at-our-other", DIRTY - 5),
    ]});
    let request = Request::json("POST", "/eureka/peerreplication/batch/", batch.to_string())
        .header("Accept", "application/json");
    let codes = |which| -> Result<Vec<Value>> {
        let answer = ring.ask(which, &request)?;
        let all: Value = serde_json::from_slice(&answer.body)?;
        let list = all["responseList"].as_array().context("no list")?;
        Ok(list.iter().map(|it| it["statusCode"].clone()).collect())
    };
    let (ours, java) = (codes(0)?, codes(2)?);
    ensure!(
        ours == java && ours == [200, 404, 409],
        "ours {ours:?}, Spring's {java:?}"
    );
    Ok(())
}

//! A registry of Spring Cloud and ours as peers: what one is told, the other knows. It takes a
//! minute and Java, so it runs by `cargo xtask eureka` and not with the rest.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step fails the test and says which"
)]

use std::process::{Child, Command, Stdio};

use speargun_e2e::eureka::{Eureka, listed, wait_until};
use speargun_e2e::{Connection, Request, server};

/// Spring Cloud's registry. Dropping it kills the process.
struct Java {
    child: Child,
    port: u16,
}

impl Java {
    /// Starts one whose peer is ours.
    fn start(port: u16, peer: &str) -> Self {
        let folder = server::root().join("target/eureka");
        assert!(folder.join("classes").is_dir(), "run cargo xtask eureka");
        let shown = folder.display();
        let child = Command::new("java")
            .args([
                "-Xmx256m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-cp",
            ])
            .arg(format!("{shown}/classes:{shown}/lib/*"))
            .arg("speargun.Registry")
            .args([
                "--server.address=127.0.0.1",
                "--eureka.instance.hostname=localhost",
                "--eureka.server.enable-self-preservation=false",
                "--eureka.server.use-read-only-response-cache=false",
                // Its default of 200 ms is less than a busy machine needs.
                "--eureka.server.peer-node-read-timeout-ms=5000",
                "--eureka.server.peer-node-connect-timeout-ms=5000",
            ])
            .arg(format!("--server.port={port}"))
            .arg(format!("--eureka.client.service-url.defaultZone={peer}"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port }
    }

    fn ask(&self, request: &Request) -> anyhow::Result<speargun_e2e::Answer> {
        Ok(Connection::open(self.port)?.ask(request)?)
    }

    fn status_of(&self, id: &str) -> anyhow::Result<Option<String>> {
        let request = Request::get("/eureka/apps/").header("Accept", "application/json");
        Ok(find(listed(&self.ask(&request)?.body)?, id))
    }
}

impl Drop for Java {
    fn drop(&mut self) {
        // Already ended is fine.
        if self.child.kill().is_ok() {
            self.child.wait().ok();
        }
    }
}

fn find(all: Vec<(String, String, String)>, id: &str) -> Option<String> {
    let mut found = all.into_iter().filter(|(_, other, _)| other == id);
    found.next().map(|(_, _, status)| status)
}

fn request(method: &str, target: &str, body: &str) -> Request {
    Request {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
        body: body.as_bytes().to_vec(),
    }
}

fn registration(id: &str) -> Request {
    let body = format!(
        r#"{{"instance":{{"instanceId":"{id}","hostName":"host","app":"SHOP","ipAddr":"10.0.0.9",
        "vipAddress":"shop","secureVipAddress":"shop","status":"UP","overriddenStatus":"UNKNOWN",
        "port":{{"$":80,"@enabled":"true"}},"securePort":{{"$":443,"@enabled":"false"}},
        "countryId":1,"lastUpdatedTimestamp":"1700000000000","lastDirtyTimestamp":"1700000000000",
        "leaseInfo":{{"renewalIntervalInSecs":30,"durationInSecs":90}},
        "metadata":{{"zone":"z1"}},"dataCenterInfo":{{"@class":
        "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"}}}}}}"#
    );
    request("POST", "/eureka/apps/SHOP", &body)
}

/// Both registries.
struct Ring {
    ours: Eureka,
    java: Java,
}

impl Ring {
    /// Starts both and waits until they know each other.
    fn start() -> Self {
        let port = server::free_port().unwrap();
        // Java tells itself from its peers by the host's name.
        let peer = format!("http://localhost:{port}/eureka/");
        let ours = Eureka::start(&["--data", "none", "--peers", &peer]).unwrap();
        let java = Java::start(port, &ours.url());
        let is_here =
            |(app, _, status): &(String, String, String)| app == "UNKNOWN" && status == "UP";
        wait_until("java is up and registered here", || {
            Ok(ours.listed()?.iter().any(is_here))
        })
        .unwrap();
        let ring = Self { ours, java };
        ring.wait_for_peers("\"state\":\"up\"");
        ring
    }

    fn wait_for_peers(&self, word: &str) {
        wait_until(word, || {
            let peers = self.ours.ask(&Request::get("/speargun/peers"))?;
            Ok(peers.text().contains(word))
        })
        .unwrap();
    }

    /// Sends a request to Java's and returns the code of the answer.
    fn java(&self, request: &Request) -> u16 {
        self.java.ask(request).unwrap().status
    }

    /// Sends a request to ours and returns the code of the answer.
    fn ours(&self, request: &Request) -> u16 {
        self.ours.ask(request).unwrap().status
    }

    /// Waits until both say the same of an instance.
    fn both(&self, id: &str, status: Option<&str>) {
        wait_until(&format!("{id} is {status:?} in both"), || {
            if status.is_some() {
                // As its client does: what Java was too busy to tell is told again.
                let beat = request("PUT", &about(id, BEAT), "");
                let owner = if id == "from-java" {
                    self.java.ask(&beat)
                } else {
                    self.ours.ask(&beat)
                };
                owner?;
            }
            let here = find(self.ours.listed()?, id);
            let there = self.java.status_of(id).unwrap_or_default();
            Ok(here.as_deref() == status && there.as_deref() == status)
        })
        .unwrap();
    }
}

const BEAT: &str = "?status=UP&lastDirtyTimestamp=1700000000000";

fn about(id: &str, what: &str) -> String {
    format!("/eureka/apps/SHOP/{id}{what}")
}

#[test]
fn what_java_is_told_ours_knows_and_the_other_way_round() {
    let ring = Ring::start();
    assert_eq!(ring.java(&registration("from-java")), 204);
    assert_eq!(ring.ours(&registration("from-ours")), 204);
    ring.both("from-java", Some("UP"));
    ring.both("from-ours", Some("UP"));
    renewals_cross(&ring);
    overrides_cross(&ring);
    assert_eq!(
        ring.ours(&request("DELETE", &about("from-java", ""), "")),
        200
    );
    assert_eq!(
        ring.java(&request("DELETE", &about("from-ours", ""), "")),
        200
    );
    ring.both("from-java", None);
    ring.both("from-ours", None);
}

fn renewals_cross(ring: &Ring) {
    let renewals = || ring.ours.metric("speargun_registry_renewals_total");
    let before = renewals().unwrap();
    assert_eq!(
        ring.java(&request("PUT", &about("from-java", BEAT), "")),
        200
    );
    wait_until("a renewal crosses", || Ok(renewals()? > before)).unwrap();
    // What Java renewed it tells as the time of the last renewal.
    let renewed = || {
        let asked = Request::get(about("from-ours", "")).header("Accept", "application/json");
        let text = ring.java.ask(&asked)?.text();
        let told = text.split("\"lastRenewalTimestamp\":").nth(1);
        let told = told.and_then(|rest| rest.split(',').next()?.parse::<u64>().ok());
        anyhow::Ok(told.unwrap_or(0))
    };
    let before = renewed().unwrap();
    assert_eq!(
        ring.ours(&request("PUT", &about("from-ours", BEAT), "")),
        200
    );
    wait_until("a renewal crosses back", || Ok(renewed()? > before)).unwrap();
}

fn overrides_cross(ring: &Ring) {
    let out = |id: &str| request("PUT", &about(id, "/status?value=OUT_OF_SERVICE"), "");
    assert_eq!(ring.java(&out("from-java")), 200);
    assert_eq!(ring.ours(&out("from-ours")), 200);
    ring.both("from-java", Some("OUT_OF_SERVICE"));
    ring.both("from-ours", Some("OUT_OF_SERVICE"));
    // Each is given back at the other one.
    let back = |id: &str| request("DELETE", &about(id, "/status?value=UP"), "");
    assert_eq!(ring.ours(&back("from-java")), 200);
    assert_eq!(ring.java(&back("from-ours")), 200);
    ring.both("from-java", Some("UP"));
    ring.both("from-ours", Some("UP"));
}

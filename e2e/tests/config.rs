//! The configuration server as clients of other makers and our own backend see it.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step fails the test and says which"
)]

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use speargun_e2e::config::ConfigServer;
use speargun_e2e::{Options, Request, Server, metrics, server, spans};

const FILES: &[(&str, &str)] = &[
    (
        "application.yml",
        "shared: true\nlist: [a, b]\nmode: 0777\n",
    ),
    (
        "shop.yml",
        "name: shop\nnested: {open: yes, time: 12:30:45}\n",
    ),
    ("shop-dev.yml", "name: shop of dev\n"),
    ("notes.txt", "notes for ${name}\n"),
];

fn printed(command: &mut Command) -> Value {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_client_of_node_reads_its_configuration() {
    let config = ConfigServer::start(FILES, &[]).unwrap();
    let mut node = Command::new("node");
    node.arg(server::root().join("e2e/clients/node_config.js"))
        .args([&config.url(), "shop", "dev"])
        .env("NODE_PATH", server::root().join(".tools/node/node_modules"));
    let expected = json!({
        "name": "shop of dev", "nested.open": true, "nested.time": 45045, "shared": true,
        "list[0]": "a", "list[1]": "b", "mode": 511,
    });
    assert_eq!(printed(&mut node), expected);
}

#[test]
fn the_client_of_python_reads_its_configuration() {
    let config = ConfigServer::start(FILES, &["--encrypt.key=k"]).unwrap();
    let mut python = Command::new(server::root().join(".tools/python/bin/python"));
    python
        .arg(server::root().join("e2e/clients/config_client.py"))
        .args([&config.url(), "shop", "dev", "main", "notes.txt"])
        .env("PYTHONNOUSERSITE", "1");
    let printed = printed(&mut python);
    assert_eq!(printed["config"]["name"], "shop of dev", "{printed}");
    assert_eq!(printed["config"]["mode"], 511, "{printed}");
    assert_eq!(printed["config"]["shared"], true, "{printed}");
    assert!(
        printed["file"]
            .to_string()
            .contains("notes for shop of dev"),
        "{printed}"
    );
    assert_eq!(printed["decrypted"], "open sesame");
}

/// Sends a list of spans of as many traces; returns once they are acknowledged.
fn send(server: &Server, seed: u64) {
    let traces: Vec<Value> = (1..=TRACES)
        .map(|number| {
            // Spread over all ids, as those of tracers are.
            let low = (seed * TRACES + number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            json!({"traceId": format!("{low:016x}"), "id": format!("{number:016x}"),
                "timestamp": spans::now_us(), "localEndpoint": {"serviceName": "shop"}})
        })
        .collect();
    let body = Value::from(traces).to_string().into_bytes();
    let answer = server.ask(&Request::spans(body)).unwrap();
    assert_eq!(answer.status, 202, "{}", answer.text());
}

const TRACES: u64 = 1000;

#[test]
#[expect(clippy::cast_precision_loss, reason = "a few thousand spans")]
fn the_kept_share_of_a_running_collector_follows_a_commit() {
    let config =
        ConfigServer::start(&[("speargun.yml", "COLLECTOR_SAMPLE_RATE: 1.0\n")], &[]).unwrap();
    let options = Options::storage("mem")
        .set("SPEARGUN_CONFIGURATION_URI", &config.url())
        .set("SPEARGUN_CONFIGURATION_INTERVAL", "500ms");
    let server = Server::start(options).unwrap();
    let pid = server.pid();
    send(&server, 0);
    let left_out = || metrics::sum(&server, "speargun_spans_sampled_out_total", "").unwrap();
    assert!(left_out() < 1.0, "all are kept at first");
    config
        .commit(&[(
            "speargun.yml",
            "COLLECTOR_SAMPLE_RATE: 0.25\nQUERY_TIMEOUT: 5s\nSPEARGUN_RETENTION_AGE: 3d\n",
        )])
        .unwrap();
    let (changed, deadline) = (Instant::now(), Instant::now() + Duration::from_mins(1));
    let mut sent = 1;
    while left_out() < 1.0 {
        assert!(
            Instant::now() < deadline,
            "nothing changed\n{}\n{}",
            server.log(),
            config.log()
        );
        send(&server, sent);
        sent += 1;
    }
    println!(
        "the kept share changed {:?} after the commit",
        changed.elapsed()
    );
    let before = left_out();
    send(&server, sent);
    let share = (left_out() - before) / TRACES as f64;
    assert!((0.65..0.85).contains(&share), "{share} were left out");
    // All that was acknowledged is stored or was left out on purpose.
    let received = metrics::sum(&server, "speargun_spans_received_total", "").unwrap();
    let stored = metrics::sum(&server, "speargun_spans_stored_total", "").unwrap();
    assert!(
        (received - stored - left_out()).abs() < 0.5,
        "{received} {stored}"
    );
    let all = ((sent + 1) * TRACES) as f64;
    assert!((received - all).abs() < 0.5, "{received} of {all}");
    assert_eq!(server.pid(), pid);
    let figure = |name: &str| metrics::sum(&server, name, "").unwrap();
    assert!((figure("speargun_configuration_up") - 1.0).abs() < 0.5);
    assert!((figure("speargun_configuration_changes_total") - 2.0).abs() < 0.5);
    assert!((figure("speargun_configuration_waiting") - 1.0).abs() < 0.5);
    let log = server.log();
    assert!(
        log.contains("QUERY_TIMEOUT") && log.contains("after a restart"),
        "{log}"
    );
}

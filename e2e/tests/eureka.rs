//! `speargun registry` and clients of other makers: they register, renew, fetch and say goodbye,
//! and live on through a kill. They are installed by `cargo xtask tools`.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step fails the test and says which"
)]

use std::io::Read;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use speargun_e2e::eureka::{Eureka, wait_until};
use speargun_e2e::{Request, server};

#[test]
fn eureka_js_client_registers_renews_fetches_and_leaves() {
    let mut node = Command::new("node");
    node.arg(server::root().join("e2e/clients/eureka_js.js"));
    node.env("NODE_PATH", server::root().join(".tools/node/node_modules"));
    lives_through_a_kill(node, ("JS-SHOP", "js-shop:3000"), "found js-shop:3000 3000");
}

#[test]
fn py_eureka_client_registers_renews_fetches_and_leaves() {
    let mut python = Command::new(server::root().join(".tools/python/bin/python"));
    python.arg(server::root().join("e2e/clients/eureka_py.py"));
    let found = "found 127.0.0.1:py-shop:9999 9999";
    lives_through_a_kill(python, ("PY-SHOP", "127.0.0.1:py-shop:9999"), found);
}

/// Follows a client through its life, in the middle of which the registry is killed.
fn lives_through_a_kill(command: Command, whom: (&str, &str), found: &str) {
    let mut registry = Eureka::start(&["--data", "registry"]).unwrap();
    let mut client = Client::start(command, registry.port());
    let up = [(whom.0.to_owned(), whom.1.to_owned(), "UP".to_owned())];
    let is_up = |registry: &Eureka| Ok(registry.listed()? == up);
    client.wait("registers", || is_up(&registry));
    let renews =
        |registry: &Eureka| Ok(registry.metric("speargun_registry_renewals_total")? >= 2.0);
    client.wait("renews", || renews(&registry));
    let printed = Arc::clone(&client.printed);
    client.wait("fetches", || Ok(printed.lock().unwrap().contains(found)));
    client.wait("is kept", || Ok(registry.has_kept("registry", whom.1)));

    registry.kill_and_restart().unwrap();
    // It is there at once, before it says another word.
    assert_eq!(registry.listed().unwrap(), up);
    client.wait("renews on", || renews(&registry));

    client.leave();
    client.wait("leaves", || Ok(registry.listed()?.is_empty()));
    let recent = registry
        .ask(&Request::get("/speargun/recent"))
        .unwrap()
        .text();
    assert!(recent.contains("\"event\":\"cancelled\""), "{recent}");
    assert!(!recent.contains("\"event\":\"evicted\""), "{recent}");
    assert!(registry.end().unwrap(), "{}", registry.log());
}

/// A client that leaves when its input ends.
struct Client {
    child: Child,
    printed: Arc<Mutex<String>>,
}

impl Client {
    fn start(mut command: Command, port: u16) -> Self {
        let started = command
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        assert!(
            started.is_ok(),
            "{command:?}: run cargo xtask tools: {started:?}"
        );
        let mut child = started.unwrap();
        let printed = Arc::new(Mutex::new(String::new()));
        let out = child.stdout.take().unwrap();
        let shared = Arc::clone(&printed);
        std::thread::spawn(move || follow(out, &shared));
        Self { child, printed }
    }

    fn wait(&self, what: &str, is_so: impl FnMut() -> anyhow::Result<bool>) {
        let done = wait_until(what, is_so);
        assert!(done.is_ok(), "{done:?}\n{}", self.printed.lock().unwrap());
    }

    fn leave(&mut self) {
        drop(self.child.stdin.take());
        let status = self.child.wait().unwrap();
        assert!(
            status.success(),
            "{status}\n{}",
            self.printed.lock().unwrap()
        );
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Already ended is fine.
        if self.child.kill().is_ok() {
            self.child.wait().ok();
        }
    }
}

fn follow(mut out: ChildStdout, printed: &Mutex<String>) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = out.read(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..count]);
        printed.lock().unwrap().push_str(&text);
    }
}

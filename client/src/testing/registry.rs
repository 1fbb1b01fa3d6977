//! For tests: a registry as far as its clients see it, with switches for what goes wrong.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{TestServer, reply};
use crate::discovery::{OwnInstance, Status};

/// A registry in memory, with the switches of what goes wrong.
#[derive(Default)]
pub(crate) struct Registry {
    pub(crate) instances: Mutex<BTreeMap<String, Value>>,
    pub(crate) changes: Mutex<Vec<Value>>,
    pub(crate) misses_changes: AtomicBool,
    pub(crate) gives_no_changes: AtomicBool,
    pub(crate) fails: AtomicBool,
    pub(crate) full_fetches: AtomicUsize,
}

impl Registry {
    pub(crate) async fn serve(self: &Arc<Self>) -> TestServer {
        let registry = Arc::clone(self);
        TestServer::start(move |asked| {
            let answer = registry.answer(&asked);
            async move { answer }
        })
        .await
    }

    fn answer(&self, asked: &Request<Bytes>) -> Response<Full<Bytes>> {
        if self.fails.load(Ordering::Relaxed) {
            return reply(503, "");
        }
        let path = asked.uri().path().to_owned();
        match (asked.method().clone(), path.as_str()) {
            (Method::GET, "/eureka/apps/") => {
                self.full_fetches.fetch_add(1, Ordering::Relaxed);
                let all = self.instances.lock().values().cloned().collect();
                reply(200, self.applications(all))
            }
            (Method::GET, "/eureka/apps/delta") => {
                if self.gives_no_changes.load(Ordering::Relaxed) {
                    return reply(403, "");
                }
                reply(200, self.applications(self.changes.lock().clone()))
            }
            (Method::POST, _) => {
                let body: Value = serde_json::from_slice(asked.body()).unwrap();
                self.put(body["instance"].clone());
                reply(204, "")
            }
            (Method::PUT, path) => {
                let known = self.instances.lock().contains_key(id_of(path));
                reply(if known { 200 } else { 404 }, "")
            }
            (Method::DELETE, path) => {
                self.delete(id_of(path));
                reply(200, "")
            }
            _ => reply(405, ""),
        }
    }

    pub(crate) fn put(&self, mut instance: Value) {
        let id = instance["instanceId"].as_str().unwrap().replace(':', "%3A");
        instance["actionType"] = "ADDED".into();
        self.instances.lock().insert(id, instance.clone());
        self.change(instance);
    }

    pub(crate) fn delete(&self, id: &str) {
        if let Some(mut instance) = self.instances.lock().remove(id) {
            instance["actionType"] = "DELETED".into();
            self.change(instance);
        }
    }

    fn change(&self, instance: Value) {
        if !self.misses_changes.load(Ordering::Relaxed) {
            self.changes.lock().push(instance);
        }
    }

    pub(crate) fn add(&self, app: &str, port: u16) {
        let own = OwnInstance::new(app, "127.0.0.1", "127.0.0.1", port);
        let lease = (Duration::from_secs(30), Duration::from_secs(90));
        self.put(own.describe(Status::Up, 1, lease)["instance"].clone());
    }

    pub(crate) fn status(&self, id: &str) -> Option<String> {
        let instances = self.instances.lock();
        let instance = instances.get(&id.replace(':', "%3A"))?;
        Some(instance["status"].as_str().unwrap().to_owned())
    }

    fn applications(&self, instances: Vec<Value>) -> String {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for instance in self.instances.lock().values() {
            *counts
                .entry(instance["status"].as_str().unwrap().into())
                .or_default() += 1;
        }
        let hash = hash_of(&counts);
        let one = |instance: Value| json!({"name": instance["app"], "instance": [instance]});
        let list: Vec<Value> = instances.into_iter().map(one).collect();
        let all = json!({"versions__delta": "1", "apps__hashcode": hash, "application": list});
        json!({ "applications": all }).to_string()
    }
}

fn id_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

/// Returns the hash of counted statuses.
pub(crate) fn hash_of<S: std::fmt::Display>(counts: &BTreeMap<S, usize>) -> String {
    let one = |all, (status, count)| format!("{all}{status}_{count}_");
    counts.iter().fold(String::new(), one)
}

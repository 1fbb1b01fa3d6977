//! All that is registered, as far as it was fetched: replaced as a whole or changed by deltas, with
//! the hash by which a client finds out that it missed something, and sorted by the names that
//! callers use.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::Arc;

use super::decode::{Action, Answer, Registered};
use super::instance::Status;
use crate::call::{Instance, Place};

/// What is registered.
#[derive(Debug, Default)]
pub(super) struct Applications(BTreeMap<(String, String), Registered>);

impl Applications {
    /// Takes the answer to a full fetch.
    pub(super) fn replace(&mut self, answer: Answer) {
        self.0.clear();
        self.apply(answer);
    }

    /// Takes changes. Each may come more than once.
    pub(super) fn apply(&mut self, answer: Answer) {
        for (application, instances) in answer.applications {
            for instance in instances {
                let key = (application.clone(), instance.id.clone());
                match instance.action {
                    Action::Put => self.0.insert(key, instance),
                    Action::Deleted => self.0.remove(&key),
                };
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns how many instances have which status: `DOWN_1_UP_3_`.
    pub(super) fn hash(&self) -> String {
        let mut counts = BTreeMap::new();
        for instance in self.0.values() {
            *counts.entry(instance.status.name()).or_insert(0_usize) += 1;
        }
        let mut hash = String::new();
        for (status, count) in counts {
            // Writing to a string does not fail.
            let _written = write!(hash, "{status}_{count}_");
        }
        hash
    }

    /// Sorts the instances that can be called by name. Who was known before stays who it is, with
    /// all that callers learned of it.
    pub(super) fn index(&self, before: &Index, prefer_ip: bool) -> Index {
        let mut index = Index::default();
        let mut by_name: HashMap<String, Vec<Arc<Instance>>> = HashMap::new();
        for ((application, id), registered) in &self.0 {
            if registered.status != Status::Up {
                continue;
            }
            let Some(place) = place(registered, prefer_ip) else {
                continue;
            };
            let key = (application.clone(), id.clone());
            let known = before.by_id.get(&key).filter(|known| known.place == place);
            let instance = known
                .cloned()
                .unwrap_or_else(|| Arc::new(Instance::new(place)));
            let names = names(registered);
            for name in names {
                by_name.entry(name).or_default().push(Arc::clone(&instance));
            }
            index.by_id.insert(key, instance);
        }
        index.by_name = by_name
            .into_iter()
            .map(|(name, all)| (name, all.into()))
            .collect();
        index
    }
}

/// Returns the names under which it is looked up: Spring's clients go by VIP, not by application.
fn names(registered: &Registered) -> Vec<String> {
    let vips = if registered.secure_port.is_some() && registered.port.is_none() {
        &registered.secure_vips
    } else {
        &registered.vips
    };
    let mut names: Vec<String> = vips
        .split(',')
        .map(|name| name.trim().to_ascii_uppercase())
        .filter(|name| !name.is_empty())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Returns where it is called; TLS wins, as with Spring's clients.
fn place(registered: &Registered, prefer_ip: bool) -> Option<Place> {
    let (port, secure) = match (registered.secure_port, registered.port) {
        (Some(port), _) => (port, true),
        (None, Some(port)) => (port, false),
        (None, None) => return None,
    };
    let (first, second) = if prefer_ip {
        (&registered.ip_addr, &registered.host_name)
    } else {
        (&registered.host_name, &registered.ip_addr)
    };
    let host = [first, second].into_iter().find(|host| !host.is_empty())?;
    let weight = registered.metadata.get("weight");
    Some(Place {
        id: registered.id.clone(),
        host: host.clone(),
        port,
        secure,
        zone: registered.metadata.get("zone").cloned(),
        weight: weight.and_then(|weight| weight.parse().ok()).unwrap_or(1),
        metadata: registered.metadata.clone(),
    })
}

/// Instances that can be called.
#[derive(Debug, Default)]
pub(super) struct Index {
    by_name: HashMap<String, Arc<[Arc<Instance>]>>,
    by_id: HashMap<(String, String), Arc<Instance>>,
}

impl Index {
    /// Returns those of a name. Upper-case names need no copy.
    pub(super) fn of(&self, service: &str) -> Arc<[Arc<Instance>]> {
        let found = match self.by_name.get(service) {
            Some(instances) => Some(instances),
            None => self.by_name.get(&service.to_ascii_uppercase()),
        };
        found.cloned().unwrap_or_default()
    }

    /// Returns the names, lower-case as they are mostly written, and how many instances each has.
    pub(super) fn services(&self) -> BTreeMap<String, usize> {
        let services = self.by_name.iter();
        services
            .map(|(name, all)| (name.to_lowercase(), all.len()))
            .collect()
    }

    pub(super) fn instances(&self) -> usize {
        self.by_id.len()
    }
}

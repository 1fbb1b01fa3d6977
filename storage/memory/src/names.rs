//! Names and tag values that are offered to choose from: a service goes with its last trace, the
//! names of a service that stays never go, nor do tag values. It holds no spans.

use std::collections::{HashMap, HashSet};

use speargun_model::Span;
use speargun_model::span::java_order;

/// Bytes of names and tag values that are held: beyond this, new ones are not listed. Zipkin has
/// no such bound, and a sender that puts a number into span names fills it up.
const NAMES_BYTES_MAX: usize = 64 << 20;

/// What an entry costs beside its text.
const ENTRY_BYTES: usize = 64;

/// All names.
#[derive(Debug, Default)]
pub(crate) struct Names {
    services: HashMap<String, Service>,
    /// The values of the configured keys.
    tag_values: HashMap<String, HashSet<String>>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Service {
    /// The lower halves of the ids of its traces; at least one.
    traces: HashSet<u64>,
    span_names: HashSet<String>,
    remote_services: HashSet<String>,
}

impl Names {
    pub(crate) fn new(autocomplete_keys: &[String]) -> Self {
        Self {
            tag_values: autocomplete_keys
                .iter()
                .map(|key| (key.clone(), HashSet::new()))
                .collect(),
            ..Self::default()
        }
    }

    /// Lists the names of a span that was stored.
    pub(crate) fn push(&mut self, span: &Span) {
        if let Some(name) = span.local_service_name() {
            self.push_service(name, span);
        }
        for (key, value) in &span.tags {
            if let Some(values) = self.tag_values.get_mut(key) {
                insert(values, Some(value), &mut self.bytes);
            }
        }
    }

    fn push_service(&mut self, name: &str, span: &Span) {
        if !self.services.contains_key(name) {
            // As many services as spans at most, and they go with them: not under the bound.
            self.services.insert(name.to_owned(), Service::default());
        }
        if let Some(service) = self.services.get_mut(name) {
            service.traces.insert(span.trace_id.low);
            insert(
                &mut service.remote_services,
                span.remote_service_name(),
                &mut self.bytes,
            );
            insert(
                &mut service.span_names,
                span.name.as_deref(),
                &mut self.bytes,
            );
        }
    }

    /// Forgets a trace, and the services that have no other.
    pub(crate) fn evict<'a>(&mut self, low: u64, spans: impl Iterator<Item = &'a Span>) {
        for name in spans.filter_map(Span::local_service_name) {
            let Some(service) = self.services.get_mut(name) else {
                continue;
            };
            service.traces.remove(&low);
            if service.traces.is_empty() {
                let all = service.span_names.iter().chain(&service.remote_services);
                self.bytes -= all.map(|text| text.len() + ENTRY_BYTES).sum::<usize>();
                self.services.remove(name);
            }
        }
    }

    /// Returns whether a service recorded spans of a trace.
    pub(crate) fn is_in_trace(&self, service: &str, low: u64) -> bool {
        let service = self.services.get(service);
        service.is_some_and(|service| service.traces.contains(&low))
    }

    pub(crate) fn services(&self) -> Vec<String> {
        sorted(self.services.keys())
    }

    pub(crate) fn span_names(&self, service: &str) -> Vec<String> {
        let service = self.services.get(service);
        sorted(service.into_iter().flat_map(|s| &s.span_names))
    }

    pub(crate) fn remote_services(&self, service: &str) -> Vec<String> {
        let service = self.services.get(service);
        sorted(service.into_iter().flat_map(|s| &s.remote_services))
    }

    pub(crate) fn tag_values(&self, key: &str) -> Vec<String> {
        sorted(self.tag_values.get(key).into_iter().flatten())
    }
}

fn insert(set: &mut HashSet<String>, text: Option<&str>, bytes: &mut usize) {
    let Some(text) = text.filter(|text| !set.contains(*text)) else {
        return;
    };
    let more = text.len() + ENTRY_BYTES;
    if *bytes + more <= NAMES_BYTES_MAX {
        *bytes += more;
        set.insert(text.to_owned());
    }
}

fn sorted<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut all: Vec<String> = texts.cloned().collect();
    all.sort_unstable_by(|a, b| java_order(a, b));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_bound_are_not_listed_until_others_go() {
        let mut set = HashSet::new();
        let mut bytes = NAMES_BYTES_MAX - ENTRY_BYTES - 3;
        insert(&mut set, Some("four"), &mut bytes);
        assert!(set.is_empty());
        insert(&mut set, Some("two"), &mut bytes);
        insert(&mut set, Some("two"), &mut bytes);
        assert_eq!((set.len(), bytes), (1, NAMES_BYTES_MAX));
        insert(&mut set, Some(""), &mut bytes);
        assert_eq!(set.len(), 1);
    }
}

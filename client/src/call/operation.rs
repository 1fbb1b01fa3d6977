//! What calls of one method and path template share: their circuit and their figures. There are as
//! many as the program has such templates in it, and no more than a bound.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::Method;
use parking_lot::RwLock;

use super::CallError;
use super::breaker::{Breaker, BreakerSettings};
use crate::clock::Clock;
use crate::timing::Timing;

/// Operations of one service; the calls beyond share one.
const OPERATIONS_MAX: usize = 256;

/// Who is beyond the bound.
const OTHER: &str = "other";

#[derive(Debug)]
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) template: &'static str,
    /// `None` when circuits are off.
    pub(super) breaker: Option<Breaker>,
    /// Calls by outcome.
    pub(super) timings: [Timing; OUTCOMES.len()],
    pub(super) retries: AtomicU64,
    pub(super) fallbacks: AtomicU64,
}

/// Micrometer's outcomes of a call.
pub(super) const OUTCOMES: [&str; 5] = [
    "SUCCESS",
    "REDIRECTION",
    "CLIENT_ERROR",
    "SERVER_ERROR",
    "UNKNOWN",
];

/// Returns the index of a call's outcome.
pub(super) fn outcome_index<T>(result: &Result<T, CallError>) -> usize {
    let status = match result {
        Ok(_) => return 0,
        Err(error) => error.status(),
    };
    match status.map_or(0, |status| status.as_u16() / 100) {
        3 => 1,
        4 => 2,
        5 => 3,
        _ => 4,
    }
}

impl Operation {
    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The operations of one service.
#[derive(Debug)]
pub(super) struct Operations {
    service: Arc<str>,
    breaker: Option<BreakerSettings>,
    clock: Arc<dyn Clock>,
    known: RwLock<HashMap<(Method, &'static str), Arc<Operation>>>,
}

impl Operations {
    pub(super) fn new(
        service: Arc<str>,
        breaker: Option<BreakerSettings>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            service,
            breaker,
            clock,
            known: RwLock::default(),
        }
    }

    pub(super) fn of(&self, method: &Method, template: &'static str) -> Arc<Operation> {
        if let Some(found) = self.known.read().get(&(method.clone(), template)) {
            return Arc::clone(found);
        }
        let mut known = self.known.write();
        let key = if known.len() < OPERATIONS_MAX {
            (method.clone(), template)
        } else {
            (Method::GET, OTHER)
        };
        let operation = known.entry(key).or_insert_with_key(|(method, template)| {
            let name = format!("{}#{method} {template}", self.service);
            let clock = || Arc::clone(&self.clock);
            Arc::new(Operation {
                method: method.clone(),
                template,
                breaker: self.breaker.map(|it| Breaker::new(&name, it, clock())),
                timings: Default::default(),
                retries: AtomicU64::new(0),
                fallbacks: AtomicU64::new(0),
            })
        });
        Arc::clone(operation)
    }

    /// Returns all of them, in the order of their names.
    pub(super) fn all(&self) -> Vec<Arc<Operation>> {
        let mut all: Vec<_> = self.known.read().values().cloned().collect();
        all.sort_by(|a, b| (a.template, a.method.as_str()).cmp(&(b.template, b.method.as_str())));
        all
    }
}

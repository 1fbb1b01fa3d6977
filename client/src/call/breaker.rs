//! The circuit breaker: after too many failures calls are refused at once for a while, then a few
//! are tried. One machine serves the settings of both generations: Hystrix's rolling window with
//! its single trial, and Resilience4j's windows, slow calls and trials.
//!
//! ```text
//!          rate reached                 wait over, a call comes
//! CLOSED ───────────────▶ OPEN ◀────────────────────────────▶ HALF_OPEN
//!    ▲                         trials failed (or took too long)    │
//!    └─────────────────────────── trials succeeded ────────────────┘
//! ```
//!
//! Unlike in both originals, a call counts only in the state in which it began: what ends late
//! neither closes nor opens a circuit that has moved on meanwhile.

mod machine;
mod window;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Clock;
use machine::Machine;
pub use window::Window;

/// What is watched, and when the circuit opens and closes. Rates are percent.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BreakerSettings {
    /// Which calls count.
    pub window: Window,
    /// So many calls must count before a rate means anything.
    pub minimum_calls: u32,
    /// The circuit opens when so many of the calls failed.
    pub failure_rate: f64,
    /// From here on a call is slow.
    pub slow_call: Duration,
    /// The circuit opens when so many of the calls were slow; above 100 is never.
    pub slow_call_rate: f64,
    /// How long calls are refused.
    pub open_for: Duration,
    /// Calls that are tried then.
    pub trial_calls: u32,
    /// How long trials may take in all before the circuit opens again; zero is for ever.
    pub trials_within: Duration,
}

impl BreakerSettings {
    /// Returns Hystrix's defaults: 20 calls within 10 seconds, half of them failed, one trial after
    /// five seconds.
    pub fn hystrix() -> Self {
        Self {
            window: Window::Time {
                bucket: Duration::from_secs(1),
                buckets: 10,
            },
            minimum_calls: 20,
            failure_rate: 50.0,
            slow_call: Duration::MAX,
            slow_call_rate: f64::INFINITY,
            open_for: Duration::from_secs(5),
            trial_calls: 1,
            trials_within: Duration::ZERO,
        }
    }

    /// Returns Resilience4j's defaults: the last 100 calls, half of them failed or all of them
    /// slower than a minute, ten trials after a minute.
    pub fn resilience4j() -> Self {
        Self {
            window: Window::Calls(100),
            minimum_calls: 100,
            failure_rate: 50.0,
            slow_call: Duration::from_mins(1),
            slow_call_rate: 100.0,
            open_for: Duration::from_mins(1),
            trial_calls: 10,
            trials_within: Duration::ZERO,
        }
    }
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self::hystrix()
    }
}

/// What a circuit does at the moment. The texts are Resilience4j's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BreakerState {
    /// Calls pass and are counted.
    Closed,
    /// Calls are refused.
    Open,
    /// A few calls are tried.
    HalfOpen,
    /// Calls pass, whatever happens: somebody said so.
    Disabled,
    /// Calls are refused: somebody said so.
    ForcedOpen,
}

/// All states, in the order of metrics.
const STATES: [BreakerState; 5] = [
    BreakerState::Closed,
    BreakerState::Open,
    BreakerState::HalfOpen,
    BreakerState::Disabled,
    BreakerState::ForcedOpen,
];

impl BreakerState {
    /// Returns the name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::Disabled => "disabled",
            Self::ForcedOpen => "forced_open",
        }
    }
}

/// What became of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was answered.
    Success,
    /// It was not.
    Failure,
    /// It says nothing about the other side.
    Ignored,
}

/// The call was refused, the other side not asked.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("circuit breaker {0} is open and permits no call")]
pub struct NotPermitted(pub Arc<str>);

/// A circuit breaker. Clones are the same one.
#[derive(Clone)]
pub struct Breaker(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    clock: Arc<dyn Clock>,
    machine: Mutex<Machine>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    successes: AtomicU64,
    failures: AtomicU64,
    ignored: AtomicU64,
    not_permitted: AtomicU64,
}

/// How often a circuit was passed and refused so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BreakerFigures {
    /// What it does now.
    pub state: BreakerState,
    /// Calls that succeeded.
    pub successes: u64,
    /// Calls that failed.
    pub failures: u64,
    /// Calls that do not count, cancelled ones included.
    pub ignored: u64,
    /// Calls that were refused.
    pub not_permitted: u64,
}

// === impl Breaker ===

impl Breaker {
    /// Returns a closed circuit.
    pub fn new(name: &str, settings: BreakerSettings, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner {
            name: name.into(),
            clock,
            machine: Mutex::new(Machine::new(settings)),
            counts: Counts::default(),
        }))
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Lets a call pass, or refuses it.
    pub fn admit(&self) -> Result<Permit, NotPermitted> {
        let now = self.0.clock.elapsed();
        let admitted = self.0.machine.lock().admit(now);
        match admitted {
            Some(generation) => Ok(Permit {
                breaker: self.clone(),
                generation,
                begun: now,
                open: true,
            }),
            None => {
                self.0.counts.not_permitted.fetch_add(1, Ordering::Relaxed);
                Err(NotPermitted(Arc::clone(&self.0.name)))
            }
        }
    }

    /// Returns what it does at the moment. An open circuit whose wait is over is still open: the
    /// next call makes it half-open.
    pub fn state(&self) -> BreakerState {
        self.0.machine.lock().state()
    }

    /// Forces a state, or begins anew with `Closed`, `Open` or `HalfOpen`.
    pub fn force(&self, state: BreakerState) {
        let now = self.0.clock.elapsed();
        self.0.machine.lock().force(state, now);
    }

    /// Returns how often it was passed and refused.
    pub fn figures(&self) -> BreakerFigures {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        BreakerFigures {
            state: self.state(),
            successes: of(&self.0.counts.successes),
            failures: of(&self.0.counts.failures),
            ignored: of(&self.0.counts.ignored),
            not_permitted: of(&self.0.counts.not_permitted),
        }
    }

    fn end(&self, permit: &Permit, outcome: Outcome) {
        let counts = &self.0.counts;
        let counter = match outcome {
            Outcome::Success => &counts.successes,
            Outcome::Failure => &counts.failures,
            Outcome::Ignored => &counts.ignored,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let now = self.0.clock.elapsed();
        let took = now.saturating_sub(permit.begun);
        let change = {
            let mut machine = self.0.machine.lock();
            let before = machine.state();
            machine.record(permit.generation, outcome, took, now);
            (before, machine.state())
        };
        if change.0 != change.1 {
            let (from, to) = (change.0.name(), change.1.name());
            tracing::info!(breaker = self.name(), from, to, "circuit changed");
        }
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("name", &self.0.name)
            .field("figures", &self.figures())
            .finish_non_exhaustive()
    }
}

/// Appends metrics of circuits, under Resilience4j's names. Those of one name are told together:
/// their calls are added up, and each of their states is one that the name has.
pub(crate) fn write_metrics(mut breakers: Vec<Breaker>, out: &mut crate::exposition::Exposition) {
    breakers.sort_by(|a, b| a.name().cmp(b.name()));
    let same: Vec<(&str, Vec<BreakerFigures>)> = breakers
        .chunk_by(|a, b| a.name() == b.name())
        .map(|same| (same[0].name(), same.iter().map(Breaker::figures).collect()))
        .collect();
    let name = "resilience4j_circuitbreaker_state";
    out.family(name, "gauge", "Whether the circuit is in this state.");
    for (breaker, figures) in &same {
        for state in STATES {
            let labels = [("name", *breaker), ("state", state.name())];
            let is_in = figures.iter().any(|of| of.state == state);
            out.sample(name, &labels, u8::from(is_in));
        }
    }
    let name = "resilience4j_circuitbreaker_calls_total";
    out.family(name, "counter", "Calls that the circuit let pass.");
    for (breaker, figures) in &same {
        let sum = |of: fn(&BreakerFigures) -> u64| figures.iter().map(of).sum::<u64>();
        for (kind, count) in [
            ("successful", sum(|of| of.successes)),
            ("failed", sum(|of| of.failures)),
            ("ignored", sum(|of| of.ignored)),
        ] {
            out.sample(name, &[("name", *breaker), ("kind", kind)], count);
        }
    }
    let name = "resilience4j_circuitbreaker_not_permitted_calls_total";
    out.family(name, "counter", "Calls that the circuit refused.");
    for (breaker, figures) in &same {
        let refused: u64 = figures.iter().map(|of| of.not_permitted).sum();
        let labels = [("name", *breaker), ("kind", "not_permitted")];
        out.sample(name, &labels, refused);
    }
}

/// A call that was let pass. One that is dropped without a word does not count.
#[derive(Debug)]
#[must_use = "a permit that is dropped does not count"]
pub struct Permit {
    breaker: Breaker,
    generation: u64,
    begun: Duration,
    open: bool,
}

impl Permit {
    /// Says what became of the call.
    pub fn end(mut self, outcome: Outcome) {
        self.open = false;
        self.breaker.end(&self, outcome);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.open {
            self.breaker.end(self, Outcome::Ignored);
        }
    }
}

#[cfg(test)]
mod tests;

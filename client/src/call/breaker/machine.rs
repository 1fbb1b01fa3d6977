//! The states of a circuit, and what moves it from one to the next. It is told the time, and owns
//! neither clock nor lock.

use std::time::Duration;

use super::window::{Counted, Tally};
use super::{BreakerSettings, BreakerState, Outcome, Window};

#[derive(Debug)]
pub(super) struct Machine {
    settings: BreakerSettings,
    state: State,
    /// Grows with each change, so that a call knows whether its state is over.
    generation: u64,
}

#[derive(Debug)]
enum State {
    Closed(Counted),
    Open {
        until: Duration,
    },
    HalfOpen {
        counted: Counted,
        permits: u32,
        since: Duration,
    },
    Disabled,
    ForcedOpen,
}

impl Machine {
    pub(super) fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            state: State::Closed(Counted::new(settings.window)),
            generation: 0,
        }
    }

    pub(super) fn state(&self) -> BreakerState {
        match &self.state {
            State::Closed(_) => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
            State::Disabled => BreakerState::Disabled,
            State::ForcedOpen => BreakerState::ForcedOpen,
        }
    }

    /// Returns the generation in which a call begins, or `None` when it is refused.
    pub(super) fn admit(&mut self, now: Duration) -> Option<u64> {
        let limit = self.settings.trials_within;
        match &self.state {
            State::Open { until } if now >= *until => self.begin_trials(now),
            State::HalfOpen { since, .. }
                if !limit.is_zero() && now.saturating_sub(*since) >= limit =>
            {
                self.open(now);
            }
            _ => {}
        }
        match &mut self.state {
            State::Closed(_) | State::Disabled => Some(self.generation),
            State::Open { .. } | State::ForcedOpen => None,
            State::HalfOpen { permits, .. } => {
                *permits = permits.checked_sub(1)?;
                Some(self.generation)
            }
        }
    }

    /// Counts a call that began in this generation.
    pub(super) fn record(
        &mut self,
        generation: u64,
        outcome: Outcome,
        took: Duration,
        now: Duration,
    ) {
        if generation != self.generation {
            return;
        }
        let slow = took >= self.settings.slow_call;
        let call = Tally::one(outcome == Outcome::Failure, slow);
        let (counted, needed) = match &mut self.state {
            State::Closed(counted) => (counted, self.settings.minimum_calls),
            State::HalfOpen { permits, .. } if outcome == Outcome::Ignored => {
                // Somebody else may try instead.
                *permits += 1;
                return;
            }
            State::HalfOpen { counted, .. } => {
                let trials = self.settings.trial_calls;
                (counted, self.settings.minimum_calls.min(trials))
            }
            State::Open { .. } | State::Disabled | State::ForcedOpen => return,
        };
        if outcome == Outcome::Ignored {
            return;
        }
        counted.add(call, now);
        let sum = counted.sum(now);
        let needed = match self.settings.window {
            // A window of calls never holds more than its size.
            Window::Calls(size) => needed.min(size),
            Window::Time { .. } => needed,
        };
        if sum.calls < needed.max(1) {
            return;
        }
        if self.is_reached(sum) {
            self.open(now);
        } else if self.state() == BreakerState::HalfOpen {
            self.change(State::Closed(Counted::new(self.settings.window)));
        }
    }

    pub(super) fn force(&mut self, state: BreakerState, now: Duration) {
        match state {
            BreakerState::Closed => {
                self.change(State::Closed(Counted::new(self.settings.window)));
            }
            BreakerState::Open => self.open(now),
            BreakerState::HalfOpen => self.begin_trials(now),
            BreakerState::Disabled => self.change(State::Disabled),
            BreakerState::ForcedOpen => self.change(State::ForcedOpen),
        }
    }

    fn is_reached(&self, sum: Tally) -> bool {
        let rate = |part: u32| f64::from(part) * 100.0 / f64::from(sum.calls);
        rate(sum.failures) >= self.settings.failure_rate
            || rate(sum.slow) >= self.settings.slow_call_rate
    }

    fn open(&mut self, now: Duration) {
        let until = now.saturating_add(self.settings.open_for);
        self.change(State::Open { until });
    }

    fn begin_trials(&mut self, now: Duration) {
        let permits = self.settings.trial_calls.max(1);
        self.change(State::HalfOpen {
            counted: Counted::new(Window::Calls(permits)),
            permits,
            since: now,
        });
    }

    fn change(&mut self, state: State) {
        self.state = state;
        self.generation += 1;
    }
}

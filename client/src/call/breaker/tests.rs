//! Circuits by example, with the originals' defaults, and against a model that keeps every call.

use proptest::prelude::*;

use super::*;
use crate::clock::ManualClock;

fn breaker(settings: BreakerSettings) -> (Breaker, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(0));
    let same = Arc::<ManualClock>::clone(&clock);
    (Breaker::new("service-1#hi", settings, same), clock)
}

fn call(breaker: &Breaker, outcome: Outcome) {
    breaker.admit().unwrap().end(outcome);
}

#[test]
fn hystrix_opens_at_twenty_calls_of_which_half_failed() {
    let (breaker, clock) = breaker(BreakerSettings::hystrix());
    for _ in 0..19 {
        call(&breaker, Outcome::Failure);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
    call(&breaker, Outcome::Success);
    // The twentieth call opens, whatever its own outcome.
    assert_eq!(breaker.state(), BreakerState::Open);
    let refused = breaker.admit().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "circuit breaker service-1#hi is open and permits no call"
    );
    clock.advance(Duration::from_millis(4999));
    assert!(breaker.admit().is_err());
    clock.advance(Duration::from_millis(1));
    let trial = breaker.admit().unwrap();
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    assert!(breaker.admit().is_err(), "one trial at a time");
    trial.end(Outcome::Failure);
    assert_eq!(breaker.state(), BreakerState::Open);
    clock.advance(Duration::from_secs(5));
    call(&breaker, Outcome::Success);
    assert_eq!(breaker.state(), BreakerState::Closed);
    // The window begins anew.
    for _ in 0..19 {
        call(&breaker, Outcome::Failure);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
    assert_eq!(breaker.figures().not_permitted, 3);
}

#[test]
fn hystrix_forgets_after_ten_seconds() {
    let (breaker, clock) = breaker(BreakerSettings::hystrix());
    for _ in 0..19 {
        call(&breaker, Outcome::Failure);
    }
    clock.advance(Duration::from_secs(10));
    call(&breaker, Outcome::Failure);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn resilience4j_opens_at_a_hundred_calls_and_tries_ten() {
    let (breaker, clock) = breaker(BreakerSettings::resilience4j());
    for turn in 0..100 {
        assert_eq!(breaker.state(), BreakerState::Closed, "{turn}");
        call(
            &breaker,
            if turn % 2 == 0 {
                Outcome::Failure
            } else {
                Outcome::Success
            },
        );
    }
    assert_eq!(breaker.state(), BreakerState::Open);
    clock.advance(Duration::from_mins(1));
    let trials: Vec<Permit> = (0..10).map(|_| breaker.admit().unwrap()).collect();
    assert!(breaker.admit().is_err());
    for (turn, trial) in trials.into_iter().enumerate() {
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        trial.end(if turn < 4 {
            Outcome::Failure
        } else {
            Outcome::Success
        });
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn slow_calls_open_it_too() {
    let (breaker, clock) = breaker(BreakerSettings {
        minimum_calls: 4,
        slow_call: Duration::from_secs(2),
        slow_call_rate: 50.0,
        ..BreakerSettings::resilience4j()
    });
    for slow in [false, true, false, true] {
        assert_eq!(breaker.state(), BreakerState::Closed);
        let permit = breaker.admit().unwrap();
        clock.advance(Duration::from_secs(if slow { 2 } else { 1 }));
        permit.end(Outcome::Success);
    }
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn a_trial_that_is_given_up_leaves_its_place() {
    let (breaker, clock) = breaker(BreakerSettings::hystrix());
    breaker.force(BreakerState::Open);
    clock.advance(Duration::from_secs(5));
    drop(breaker.admit().unwrap());
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    call(&breaker, Outcome::Success);
    assert_eq!(breaker.state(), BreakerState::Closed);
    assert_eq!(breaker.figures().ignored, 1);
}

#[test]
fn trials_that_hang_open_it_again() {
    let (breaker, clock) = breaker(BreakerSettings {
        trials_within: Duration::from_secs(3),
        ..BreakerSettings::hystrix()
    });
    breaker.force(BreakerState::HalfOpen);
    let hanging = breaker.admit().unwrap();
    clock.advance(Duration::from_secs(3));
    assert!(breaker.admit().is_err());
    assert_eq!(breaker.state(), BreakerState::Open);
    // Its answer comes too late to close a circuit that opened again.
    hanging.end(Outcome::Success);
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn a_call_of_an_earlier_state_does_not_count() {
    let (breaker, clock) = breaker(BreakerSettings::hystrix());
    let early = breaker.admit().unwrap();
    breaker.force(BreakerState::Open);
    clock.advance(Duration::from_secs(5));
    let trial = breaker.admit().unwrap();
    early.end(Outcome::Failure);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    trial.end(Outcome::Success);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn somebody_may_force_it() {
    let (breaker, _) = breaker(BreakerSettings::hystrix());
    breaker.force(BreakerState::ForcedOpen);
    assert!(breaker.admit().is_err());
    breaker.force(BreakerState::Disabled);
    for _ in 0..100 {
        call(&breaker, Outcome::Failure);
    }
    assert_eq!(breaker.state(), BreakerState::Disabled);
}

/// A circuit that keeps every call there was and counts anew each time.
struct Model {
    settings: BreakerSettings,
    state: BreakerState,
    /// Calls of this state: when they ended, whether they failed or were slow.
    calls: Vec<(Duration, bool, bool)>,
    since: Duration,
    trials: u32,
    generation: u32,
}

impl Model {
    fn admit(&mut self, now: Duration) -> Option<u32> {
        if self.state == BreakerState::Open && now >= self.since + self.settings.open_for {
            self.go(BreakerState::HalfOpen, now);
        }
        match self.state {
            BreakerState::Closed => Some(self.generation),
            BreakerState::HalfOpen if self.trials < self.settings.trial_calls => {
                self.trials += 1;
                Some(self.generation)
            }
            _ => None,
        }
    }

    fn end(&mut self, generation: u32, outcome: Outcome, took: Duration, now: Duration) {
        if generation != self.generation {
            return;
        }
        if outcome == Outcome::Ignored {
            if self.state == BreakerState::HalfOpen {
                self.trials -= 1;
            }
            return;
        }
        let slow = took >= self.settings.slow_call;
        self.calls.push((now, outcome == Outcome::Failure, slow));
        let (counting, needed): (Vec<_>, u32) = match (self.state, self.settings.window) {
            (BreakerState::Closed, Window::Time { bucket, buckets }) => {
                let number = |at: Duration| (at.as_nanos() / bucket.as_nanos()) as u64;
                let first = (number(now) + 1).saturating_sub(u64::from(buckets));
                let counting = self.calls.iter().filter(|call| number(call.0) >= first);
                (counting.copied().collect(), self.settings.minimum_calls)
            }
            (BreakerState::Closed, Window::Calls(size)) => {
                let from = self.calls.len().saturating_sub(size as usize);
                (
                    self.calls[from..].to_vec(),
                    self.settings.minimum_calls.min(size),
                )
            }
            (_, window) => {
                let needed = self.settings.minimum_calls.min(self.settings.trial_calls);
                let needed = match window {
                    Window::Calls(size) => needed.min(size),
                    Window::Time { .. } => needed,
                };
                (self.calls.clone(), needed)
            }
        };
        if (counting.len() as u32) < needed {
            return;
        }
        let count = |calls: usize| f64::from(u32::try_from(calls).unwrap());
        let all = count(counting.len());
        let failed = count(counting.iter().filter(|call| call.1).count());
        let slow = count(counting.iter().filter(|call| call.2).count());
        if failed / all * 100.0 >= self.settings.failure_rate
            || slow / all * 100.0 >= self.settings.slow_call_rate
        {
            self.go(BreakerState::Open, now);
        } else if self.state == BreakerState::HalfOpen {
            self.go(BreakerState::Closed, now);
        }
    }

    fn go(&mut self, state: BreakerState, now: Duration) {
        self.state = state;
        self.calls.clear();
        self.since = now;
        self.trials = 0;
        self.generation += 1;
    }
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Wait(u64),
    Begin,
    End(usize, Outcome),
}

fn any_action() -> impl Strategy<Value = Action> {
    let outcome = prop_oneof![
        3 => Just(Outcome::Success), 5 => Just(Outcome::Failure), 1 => Just(Outcome::Ignored)
    ];
    prop_oneof![
        2 => (0_u64..1500).prop_map(Action::Wait),
        4 => Just(Action::Begin),
        4 => (0_usize..8, outcome).prop_map(|(which, outcome)| Action::End(which, outcome)),
    ]
}

prop_compose! {
    fn any_settings()(
        by_time in any::<bool>(),
        size in 1_u32..8,
        minimum_calls in 1_u32..8,
        // Rates that division represents exactly the same in both.
        failure_rate in prop_oneof![Just(25.0), Just(50.0), Just(100.0)],
        slow_call in 0_u64..3000,
        slow_call_rate in prop_oneof![Just(50.0), Just(f64::INFINITY)],
        trial_calls in 1_u32..4,
    ) -> BreakerSettings {
        BreakerSettings {
            window: if by_time {
                Window::Time { bucket: Duration::from_secs(1), buckets: size }
            } else {
                Window::Calls(size)
            },
            minimum_calls,
            failure_rate,
            slow_call: Duration::from_millis(slow_call),
            slow_call_rate,
            open_for: Duration::from_secs(2),
            trial_calls,
            trials_within: Duration::ZERO,
        }
    }
}

proptest! {
    #[test]
    fn random_calls_agree_with_the_model(
        settings in any_settings(),
        actions in proptest::collection::vec(any_action(), 1..200),
    ) {
        let (breaker, clock) = breaker(settings);
        let mut model = Model {
            settings,
            state: BreakerState::Closed,
            calls: Vec::new(),
            since: Duration::ZERO,
            trials: 0,
            generation: 0,
        };
        let mut going_on = Vec::new();
        for action in actions {
            let now = clock.elapsed();
            match action {
                Action::Wait(ms) => clock.advance(Duration::from_millis(ms)),
                Action::Begin => {
                    let (permit, expected) = (breaker.admit(), model.admit(now));
                    prop_assert_eq!(permit.is_ok(), expected.is_some());
                    going_on.extend(permit.ok().zip(expected).map(|(p, g)| (p, g, now)));
                }
                Action::End(which, outcome) => {
                    if going_on.is_empty() {
                        continue;
                    }
                    let (permit, generation, begun) = going_on.remove(which % going_on.len());
                    permit.end(outcome);
                    model.end(generation, outcome, now.saturating_sub(begun), now);
                }
            }
            prop_assert_eq!(breaker.state(), model.state);
        }
    }
}

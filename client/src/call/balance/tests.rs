//! Balancers by counting who is called.

use proptest::prelude::*;

use super::*;
use crate::call::instance::Place;

const NOW: Duration = Duration::from_secs(1);

fn instances(places: impl IntoIterator<Item = Place>) -> Vec<Arc<Instance>> {
    let new = |place| Arc::new(Instance::new(place));
    places.into_iter().map(new).collect()
}

fn plain(count: u16) -> Vec<Arc<Instance>> {
    instances((0..count).map(|port| Place {
        port,
        ..Place::default()
    }))
}

fn ports(balance: &dyn Balance, instances: &[Arc<Instance>], calls: usize) -> Vec<u16> {
    let one = |_| choose(balance, instances, &[], NOW).unwrap().place.port;
    (0..calls).map(one).collect()
}

#[test]
fn round_robin_goes_one_after_the_other() {
    let balance = RoundRobin::from(4);
    assert_eq!(ports(&balance, &plain(3), 5), [2, 0, 1, 2, 0]);
    // It stands still while there is one, and survives the end of its numbers.
    assert_eq!(ports(&balance, &plain(1), 2), [0, 0]);
    assert_eq!(ports(&balance, &plain(3), 1), [1]);
    let old = RoundRobin::from(i32::MAX as u32 - 1);
    assert_eq!(ports(&old, &plain(2), 3), [1, 0, 1]);
    assert!(RoundRobin::default().choose(&[], NOW).is_none());
}

#[test]
fn weights_are_interleaved() {
    let weights = [5, 1, 1];
    let all = instances((0..3).map(|port| Place {
        port,
        weight: weights[usize::from(port)],
        ..Place::default()
    }));
    let balance = Weighted::default();
    assert_eq!(ports(&balance, &all, 7), [0, 0, 1, 0, 2, 0, 0]);
}

#[test]
fn the_own_zone_is_first_as_long_as_somebody_is_there() {
    let zones = ["a", "b", "b"];
    let all = instances((0..3).map(|port| Place {
        port,
        zone: Some(zones[usize::from(port)].into()),
        ..Place::default()
    }));
    let balance = ZoneFirst::new("B", RoundRobin::from(1));
    assert_eq!(ports(&balance, &all, 4), [1, 2, 1, 2]);
    let tried = [Arc::clone(&all[1]), Arc::clone(&all[2])];
    assert_eq!(choose(&balance, &all, &tried, NOW).unwrap().place.port, 0);
    let elsewhere = ZoneFirst::new("c", RoundRobin::from(2));
    assert_eq!(ports(&elsewhere, &all, 3), [0, 1, 2]);
}

#[test]
fn the_slow_one_gets_few_calls() {
    let all = plain(4);
    for instance in &all {
        instance.learn(Duration::from_millis(1), false, NOW);
    }
    all[0].learn(Duration::from_secs(1), false, NOW);
    let called = ports(&PeakEwma, &all, 1000);
    assert_eq!(called.iter().filter(|port| **port == 0).count(), 0);
    for port in 1..4 {
        assert!(called.iter().filter(|p| **p == port).count() > 200);
    }
}

#[test]
fn who_fails_fast_is_not_fast() {
    let all = plain(2);
    all[0].learn(Duration::from_millis(50), false, NOW);
    all[1].learn(Duration::from_micros(10), true, NOW);
    assert!(ports(&PeakEwma, &all, 100).iter().all(|port| *port == 0));
}

#[test]
fn one_that_cannot_be_reached_is_called_only_when_all_cannot() {
    let all = plain(2);
    for _ in 0..3 {
        all[0].learn_unreachable(NOW);
    }
    let balance = RoundRobin::default();
    assert_eq!(ports(&balance, &all, 3), [1, 1, 1]);
    for _ in 0..3 {
        all[1].learn_unreachable(NOW);
    }
    let called = ports(&balance, &all, 10);
    assert!(called.contains(&0) && called.contains(&1));
}

proptest! {
    /// Within one round of all weights everyone is called as often as its weight says.
    #[test]
    fn weights_are_met_exactly(weights in proptest::collection::vec(1_u32..9, 1..6)) {
        let all = instances(weights.iter().zip(0..).map(|(weight, port)| Place {
            port,
            weight: *weight,
            ..Place::default()
        }));
        let balance = Weighted::default();
        let total: u32 = weights.iter().sum();
        for _ in 0..3 {
            let called = ports(&balance, &all, total as usize);
            for (port, weight) in (0_u16..).zip(&weights) {
                let count = called.iter().filter(|p| **p == port).count();
                prop_assert_eq!(count, *weight as usize);
            }
        }
    }

    /// Whatever was tried and can't be reached, somebody is chosen, and one not tried when there
    /// is one.
    #[test]
    fn somebody_is_always_chosen(
        count in 1_u16..6,
        tried in proptest::collection::vec(any::<bool>(), 6),
        away in proptest::collection::vec(any::<bool>(), 6),
    ) {
        let all = plain(count);
        for (instance, away) in all.iter().zip(&away) {
            (0..if *away { 3 } else { 0 }).for_each(|_| instance.learn_unreachable(NOW));
        }
        let was = all.iter().zip(&tried).filter(|(_, tried)| **tried);
        let was: Vec<_> = was.map(|(instance, _)| Arc::clone(instance)).collect();
        let balances: [&dyn Balance; 4] = [
            &RoundRobin::default(), &Weighted::default(), &PeakEwma, &ZoneFirst::new("z", PeakEwma)
        ];
        for balance in balances {
            let chosen = choose(balance, &all, &was, NOW).unwrap();
            if was.len() < all.len() {
                prop_assert!(!was.iter().any(|w| Arc::ptr_eq(w, chosen)));
            }
        }
    }
}

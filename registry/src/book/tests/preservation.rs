//! When leases that ran out are held, and when they are let go.

use super::super::preserve::{HOLD_MS, Verdict};
use super::*;

fn many(count: usize) -> Book {
    let mut book = Book::new(Rules::default());
    for number in 0..count {
        book.register(instance(&number.to_string(), 10), Origin::Client, at(0));
    }
    book
}

/// Lets time pass in steps of a second; those with a number of at least `from` renew.
fn pass(book: &mut Book, ms: std::ops::RangeInclusive<u64>, from: usize) {
    let ids: Vec<String> = book
        .leases()
        .map(|it| it.instance.id().to_owned())
        .collect();
    for now in ms.step_by(1000) {
        for id in ids.iter().filter(|id| id.parse::<usize>().unwrap() >= from) {
            book.renew(("SHOP", id), beat(10), Origin::Client, at(now));
        }
        book.expire(at(now));
    }
}

#[test]
fn few_deaths_are_believed_at_once_even_in_a_small_registry() {
    // Of so many, so many may go.
    for (count, dead) in [(1, 1), (2, 1), (3, 1), (6, 1), (7, 2), (20, 3), (100, 15)] {
        let mut book = many(count);
        pass(&mut book, 0..=3000, dead);
        assert_eq!(book.len(), count, "{count}");
        pass(&mut book, 4000..=4000, dead);
        assert_eq!(book.len(), count - dead, "{count}");
    }
}

#[test]
fn many_deaths_at_once_are_doubted_until_others_have_renewed_for_long() {
    let mut book = many(20);
    pass(&mut book, 0..=10_000, 10);
    assert_eq!(book.len(), 20);
    let why = book.explain(at(10_000));
    assert_eq!(why.verdict, Verdict::Held);
    assert_eq!(
        (why.instances, why.expired, why.evicted, why.allowed),
        (20, 10, 0, 3)
    );
    assert!((why.share() - 0.5).abs() < 1e-9, "{why:?}");
    assert!((why.expected_per_min - 1200.0).abs() < 1e-9);
    assert_eq!(why.held_for_ms, Some(6000));
    pass(&mut book, 11_000..=HOLD_MS + 3000, 10);
    assert_eq!(book.len(), 20);
    pass(&mut book, HOLD_MS + 4000..=HOLD_MS + 4000, 10);
    assert_eq!(book.len(), 10);
    assert_eq!(book.explain(at(HOLD_MS + 4000)).held_for_ms, None);
}

#[test]
fn a_registry_that_hears_nobody_holds_everything() {
    let mut book = many(20);
    pass(&mut book, 0..=3 * HOLD_MS, 20);
    assert_eq!(book.len(), 20);
    // An operator can overrule it.
    assert_eq!(book.purge_expired(at(3 * HOLD_MS)).instances, 20);
    assert!(book.is_empty());
}

#[test]
fn what_is_held_and_comes_back_was_never_away() {
    let mut book = many(20);
    pass(&mut book, 0..=10_000, 15);
    let changes = book.version();
    pass(&mut book, 11_000..=20_000, 0);
    assert_eq!((book.len(), book.version()), (20, changes));
    assert_eq!(book.explain(at(20_000)).verdict, Verdict::Quiet);
}

#[test]
fn deaths_that_trickle_are_counted_together() {
    let mut book = many(20);
    pass(&mut book, 0..=4000, 3);
    assert_eq!(book.len(), 17);
    pass(&mut book, 5000..=30_000, 8);
    assert_eq!(book.len(), 17);
    // Three were let go within this minute, which are forgotten at its end: 5 of 17 are too many.
    pass(&mut book, 31_000..=70_000, 8);
    assert_eq!(book.explain(at(70_000)).evicted, 0);
    assert_eq!(book.len(), 17);
}

#[test]
fn a_client_that_promised_little_weighs_little() {
    let mut book = many(20);
    for number in 20..30 {
        let mut slow = instance(&number.to_string(), 10);
        slow.lease.renewal_interval_s = 60;
        slow.lease.duration_s = 3;
        book.register(slow, Origin::Client, at(0));
    }
    // A third of the instances, and less than one in a hundred of the renewals.
    let slow = |book: &mut Book, now| {
        for number in 0..20 {
            book.renew(
                ("SHOP", &number.to_string()),
                beat(10),
                Origin::Client,
                at(now),
            );
        }
        book.expire(at(now));
    };
    slow(&mut book, 3000);
    assert_eq!(book.len(), 30);
    slow(&mut book, 4000);
    assert_eq!(book.len(), 20);
}

#[test]
fn switched_off_it_holds_nothing() {
    let mut book = Book::new(Rules {
        self_preservation: false,
        ..Rules::default()
    });
    for id in ["a", "b", "c"] {
        book.register(instance(id, 10), Origin::Client, at(0));
    }
    assert_eq!(book.explain(at(3001)).verdict, Verdict::Off);
    assert_eq!(book.expire(at(3001)), 3);
}

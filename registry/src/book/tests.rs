//! The book against a model that is too simple to be wrong, and its rules one by one.

mod model;
mod preservation;

use super::*;

const KEY: (&str, &str) = ("SHOP", "a");

fn at(ms: u64) -> Now {
    Now {
        wall_ms: 1_700_000_000_000 + ms,
        steady_ms: ms,
    }
}

/// An instance that promised to renew each second and may be silent for three.
fn instance(id: &str, dirty_ms: u64) -> Instance {
    let mut it = Instance::new("shop");
    it.instance_id = Some(id.to_owned());
    it.host_name = Some("host".to_owned());
    it.dirty_ms = dirty_ms;
    it.lease.renewal_interval_s = 1;
    it.lease.duration_s = 3;
    it
}

fn book_with(ids: &[&str]) -> Book {
    let mut book = Book::new(Rules::default());
    for id in ids {
        assert_eq!(
            book.register(instance(id, 10), Origin::Client, at(0)),
            Registered::New
        );
    }
    book
}

fn beat(dirty_ms: u64) -> Heartbeat {
    Heartbeat {
        dirty_ms: Some(dirty_ms),
        overridden: None,
    }
}

fn set(status: Status) -> StatusChange {
    StatusChange {
        what: Override::Set(status),
        dirty_ms: None,
    }
}

fn remove(status: Status) -> StatusChange {
    StatusChange {
        what: Override::Remove(status),
        dirty_ms: None,
    }
}

fn known(instance: Instance, silent_ms: u64) -> Known {
    Known {
        instance,
        silent_ms,
        override_ms: 0,
    }
}

fn shown(book: &Book) -> (Status, Status) {
    let it = &book.lease(KEY.0, KEY.1).unwrap().instance;
    (it.status, it.overridden)
}

fn actions(book: &mut Book) -> Vec<(String, &'static str)> {
    let delta = book.delta();
    let name = |it: &Arc<Instance>| (it.id().to_owned(), it.action.unwrap().name());
    let mut all: Vec<_> = delta.instances().map(name).collect();
    all.sort_unstable();
    all
}

#[test]
fn a_lease_lasts_as_long_as_the_client_said_to_the_millisecond() {
    let mut book = book_with(&["a"]);
    assert_eq!(book.expire(at(3000)), 0);
    assert_eq!(
        book.renew(KEY, beat(10), Origin::Client, at(3000)),
        Renewed::Yes
    );
    assert_eq!(book.expire(at(6000)), 0);
    assert_eq!(book.expire(at(6001)), 1);
    assert!(book.is_empty());
    assert_eq!(actions(&mut book), [("a".to_owned(), "DELETED")]);
    assert_eq!(
        book.renew(KEY, beat(10), Origin::Client, at(6002)),
        Renewed::Unknown
    );
}

#[test]
fn the_wall_clock_going_back_neither_ends_nor_prolongs_a_lease() {
    let mut book = book_with(&["a"]);
    let back = Now {
        wall_ms: 5,
        steady_ms: 3000,
    };
    assert_eq!(book.expire(back), 0);
    assert_eq!(
        book.renew(KEY, beat(10), Origin::Client, back),
        Renewed::Yes
    );
    let forth = Now {
        wall_ms: u64::MAX,
        steady_ms: 6000,
    };
    assert_eq!(book.expire(forth), 0);
    assert_eq!(
        book.expire(Now {
            steady_ms: 6001,
            ..back
        }),
        1
    );
}

#[test]
fn a_process_that_stood_still_does_not_blame_its_clients() {
    let mut book = book_with(&["a"]);
    assert_eq!(book.expire(at(1000)), 0);
    assert_eq!(book.expire(at(60_000)), 0);
    assert_eq!(book.expire(at(62_000)), 0);
    assert_eq!(book.expire(at(63_001)), 1);
}

#[test]
fn whose_change_is_later_wins() {
    let mut book = book_with(&["a"]);
    let mut older = instance("a", 9);
    older.port.number = 1;
    assert_eq!(
        book.register(older, Origin::Client, at(1)),
        Registered::KeptNewer
    );
    assert_eq!(book.lease(KEY.0, KEY.1).unwrap().instance.port.number, 7001);
    let mut equal = instance("a", 10);
    equal.port.number = 2;
    let replaced = Registered::Replaced {
        from_other_host: false,
    };
    assert_eq!(book.register(equal, Origin::Client, at(1)), replaced);
    assert_eq!(book.lease(KEY.0, KEY.1).unwrap().instance.port.number, 2);
    let mut other = instance("a", 11);
    other.host_name = Some("elsewhere".into());
    let replaced = Registered::Replaced {
        from_other_host: true,
    };
    assert_eq!(book.register(other, Origin::Client, at(1)), replaced);

    assert_eq!(
        book.renew(KEY, beat(12), Origin::Client, at(2)),
        Renewed::Outdated
    );
    assert_eq!(book.renew(KEY, beat(11), Origin::Peer, at(2)), Renewed::Yes);
    assert_eq!(
        book.renew(KEY, beat(10), Origin::Client, at(2)),
        Renewed::Yes
    );
    assert_eq!(book.renew(KEY, beat(10), Origin::Peer, at(2)).status(), 409);
    // All of them renewed.
    assert_eq!(book.lease(KEY.0, KEY.1).unwrap().renewed_ms, 2);
}

#[test]
fn an_override_outlives_renewals_and_registrations() {
    let mut book = book_with(&["a"]);
    assert!(book.change_status(KEY, set(Status::OutOfService), at(1)));
    let out = (Status::OutOfService, Status::OutOfService);
    assert_eq!(shown(&book), out);
    assert_eq!(book.hash(), "OUT_OF_SERVICE_1_");
    book.renew(KEY, beat(10), Origin::Client, at(2));
    assert_eq!(shown(&book), out);
    book.register(instance("a", 20), Origin::Client, at(3));
    assert_eq!(shown(&book), out);
    let mut down = instance("a", 21);
    down.status = Status::Down;
    book.register(down, Origin::Client, at(4));
    assert_eq!(shown(&book), (Status::Down, Status::OutOfService));
    book.register(instance("a", 22), Origin::Client, at(5));
    assert_eq!(shown(&book), out);

    assert!(book.change_status(KEY, remove(Status::Up), at(6)));
    assert_eq!(shown(&book), (Status::Up, Status::Unknown));
    assert!(book.change_status(KEY, set(Status::OutOfService), at(7)));
    assert!(book.change_status(KEY, remove(Status::Unknown), at(8)));
    assert_eq!(shown(&book), (Status::Unknown, Status::Unknown));
    // Nobody knows what it is now, so the client has to say.
    assert_eq!(
        book.renew(KEY, beat(22), Origin::Client, at(9)),
        Renewed::Unknown
    );
    book.register(instance("a", 22), Origin::Client, at(10));
    assert_eq!(shown(&book), (Status::Up, Status::Unknown));
    assert!(!book.change_status(("SHOP", "b"), set(Status::Up), at(11)));
}

#[test]
fn a_client_that_does_not_know_of_an_override_does_not_end_it_but_a_registry_does() {
    let mut book = book_with(&["a"]);
    book.change_status(KEY, set(Status::OutOfService), at(1));
    book.change_status(KEY, remove(Status::OutOfService), at(2));
    book.register(instance("a", 11), Origin::Client, at(3));
    assert_eq!(shown(&book).0, Status::OutOfService);
    book.register(instance("a", 12), Origin::Peer, at(4));
    assert_eq!(shown(&book).0, Status::Up);
}

#[test]
fn the_delta_shows_each_instance_once_as_it_is_for_three_minutes() {
    let mut book = book_with(&["a", "b"]);
    book.change_status(KEY, set(Status::Down), at(100_000));
    let before = book.delta();
    let both = [("a".to_owned(), "MODIFIED"), ("b".to_owned(), "ADDED")];
    assert_eq!(actions(&mut book), both);
    assert_eq!(before.hash, "DOWN_1_UP_1_");
    for ms in (0..=180_000).step_by(1000) {
        for id in ["a", "b"] {
            book.renew(("SHOP", id), beat(10), Origin::Client, at(ms));
        }
        book.expire(at(ms));
    }
    assert_eq!(actions(&mut book), both);
    book.expire(at(180_001));
    assert_eq!(actions(&mut book), [("a".to_owned(), "MODIFIED")]);
    assert!(book.delta().version > before.version);
    book.expire(at(280_001));
    assert_eq!(actions(&mut book), []);
    assert_eq!((book.delta_len(), book.changes.len()), (0, 0));
}

#[test]
fn a_goodbye_older_than_the_registration_is_left_alone() {
    let mut book = book_with(&["a"]);
    assert!(book.cancel(KEY.0, KEY.1, Some(9), at(1)));
    assert_eq!(book.len(), 1);
    assert!(book.cancel(KEY.0, KEY.1, Some(10), at(1)));
    assert!(book.is_empty());
    assert!(!book.cancel(KEY.0, KEY.1, None, at(1)));
    // A peer that has not heard of it does not bring it back, unless it knows better.
    assert!(!book.adopt(known(instance("a", 10), 0), at(2)));
    assert!(book.adopt(known(instance("a", 11), 0), at(2)));
}

#[test]
fn an_adopted_lease_goes_on_where_it_was() {
    let mut book = Book::new(Rules::default());
    assert!(book.adopt(known(instance("a", 10), 2000), at(10_000)));
    assert_eq!(book.expire(at(11_000)), 0);
    // There it renewed meanwhile.
    assert!(!book.adopt(known(instance("a", 10), 500), at(11_000)));
    assert_eq!(book.expire(at(13_500)), 0);
    assert_eq!(book.expire(at(13_501)), 1);
    // It ran out rather than saying goodbye, so it may come back.
    assert!(book.adopt(known(instance("a", 10), 0), at(14_000)));
}

#[test]
fn registries_that_meet_again_agree_whoever_reads_first() {
    // Both know the instance; then one sets an override and the other sets and removes one later.
    let mut books = [book_with(&["a"]), book_with(&["a"])];
    books[0].change_status(KEY, set(Status::OutOfService), at(1));
    books[1].change_status(KEY, set(Status::OutOfService), at(2));
    books[1].change_status(KEY, remove(Status::Up), at(3));
    for order in [[0, 1, 0], [1, 0, 1]] {
        let mut met = [book_with(&["a"]), book_with(&["a"])];
        for (index, book) in books.iter().enumerate() {
            let lease = book.lease(KEY.0, KEY.1).unwrap().clone();
            met[index]
                .apps
                .get_mut("SHOP")
                .unwrap()
                .insert("a".into(), lease);
            met[index].counts = book.counts;
        }
        for pair in order.windows(2) {
            let lease = met[pair[1]].lease(KEY.0, KEY.1).unwrap();
            let known = Known {
                instance: lease.fresh(),
                silent_ms: 0,
                override_ms: lease.override_ms,
            };
            met[pair[0]].adopt(known, at(4));
        }
        assert_eq!(shown(&met[0]), (Status::Up, Status::Unknown), "{order:?}");
        assert_eq!(shown(&met[1]), (Status::Up, Status::Unknown), "{order:?}");
    }
}

#[test]
fn a_later_registration_elsewhere_does_not_end_an_override_here() {
    let mut book = book_with(&["a"]);
    book.change_status(KEY, set(Status::OutOfService), at(1));
    let mut newer = instance("a", 11);
    newer.port.number = 5;
    assert!(book.adopt(known(newer, 0), at(2)));
    assert_eq!(shown(&book), (Status::OutOfService, Status::OutOfService));
    assert_eq!(book.lease(KEY.0, KEY.1).unwrap().instance.port.number, 5);
}

#[test]
fn a_full_book_takes_nobody_new() {
    let mut book = Book::new(Rules {
        instances_max: 2,
        ..Rules::default()
    });
    for id in ["a", "b"] {
        book.register(instance(id, 10), Origin::Client, at(0));
    }
    assert_eq!(
        book.register(instance("c", 10), Origin::Client, at(1)),
        Registered::Full
    );
    assert!(!book.adopt(known(instance("c", 10), 0), at(1)));
    let replaced = book.register(instance("a", 11), Origin::Client, at(1));
    assert!(matches!(replaced, Registered::Replaced { .. }));
    assert_eq!(book.len(), 2);
}

#[test]
fn a_flood_of_changes_does_not_grow_the_delta_without_end() {
    let mut book = Book::new(Rules {
        instances_max: 10,
        ..Rules::default()
    });
    for round in 0..2000_u64 {
        book.register(instance("a", round + 1), Origin::Client, at(round));
    }
    assert_eq!((book.changes.len(), book.delta_len()), (1000, 1));
    assert_eq!(book.recent().entries().count(), 1000);
    assert_eq!(book.recent().since(1990).unwrap().len(), 10);
    assert_eq!(book.recent().since(5), None);
    assert_eq!(book.recent().since(2001), None);
}

#[test]
fn metadata_is_added_and_counts_as_registering() {
    let mut book = book_with(&["a"]);
    let entries = |all: &[(&str, &str)]| -> Vec<(String, String)> {
        all.iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    };
    assert!(book.add_metadata(KEY, &entries(&[("zone", "1"), ("x", "y")]), at(1)));
    assert!(book.add_metadata(KEY, &entries(&[("zone", "2")]), at(2)));
    let it = &book.lease(KEY.0, KEY.1).unwrap().instance;
    assert_eq!(it.metadata, entries(&[("zone", "2"), ("x", "y")]));
    assert_eq!(actions(&mut book), [("a".to_owned(), "ADDED")]);
    assert!(!book.add_metadata(("SHOP", "b"), &[], at(3)));
}

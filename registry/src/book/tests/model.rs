//! Random requests at random times: the book and a model agree on every answer and on every list.

use std::collections::BTreeMap;

use proptest::prelude::{Just, ProptestConfig, Strategy, prop_oneof, proptest};

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Register(u8, u64, Status, Origin),
    Renew(u8, u64, Origin),
    Cancel(u8),
    Set(u8, Status),
    Remove(u8, Status),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = 0..5_u8;
    let status = || proptest::sample::select(Status::ALL.to_vec());
    let origin = || prop_oneof![Just(Origin::Client), Just(Origin::Peer)];
    let step = prop_oneof![
        3 => (id.clone(), 1..6_u64, status(), origin())
            .prop_map(|(i, d, s, o)| Step::Register(i, d, s, o)),
        4 => (id.clone(), 1..6_u64, origin()).prop_map(|(i, d, o)| Step::Renew(i, d, o)),
        1 => id.clone().prop_map(Step::Cancel),
        2 => (id.clone(), status()).prop_map(|(i, s)| Step::Set(i, s)),
        1 => (id, status()).prop_map(|(i, s)| Step::Remove(i, s)),
        3 => (1..1500_u64).prop_map(Step::Pass),
    ];
    proptest::collection::vec(step, 1..120)
}

/// One instance of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    dirty: u64,
    status: Status,
    overridden: Status,
    until: u64,
}

#[derive(Default)]
struct Model {
    known: BTreeMap<u8, Known>,
    now: u64,
}

impl Model {
    fn rule(status: Status, overridden: Status, existing: Option<Status>) -> Status {
        let free = [Status::Up, Status::OutOfService];
        match existing {
            _ if !free.contains(&status) => status,
            _ if overridden != Status::Unknown => overridden,
            Some(existing) if free.contains(&existing) => existing,
            _ => status,
        }
    }

    fn register(&mut self, id: u8, dirty: u64, status: Status, origin: Origin) {
        let old = self.known.get(&id).copied();
        let mut new = Known {
            dirty,
            status,
            overridden: old.map_or(Status::Unknown, |old| old.overridden),
            until: self.now + 3000,
        };
        if let Some(old) = old.filter(|old| old.dirty > dirty) {
            new.dirty = old.dirty;
            new.status = old.status;
        }
        let existing = old
            .map(|old| old.status)
            .filter(|_| origin == Origin::Client);
        new.status = Self::rule(new.status, new.overridden, existing);
        self.known.insert(id, new);
    }

    fn renew(&mut self, id: u8, dirty: u64, origin: Origin) -> u16 {
        let Some(it) = self.known.get_mut(&id) else {
            return 404;
        };
        let existing = Some(it.status).filter(|_| origin == Origin::Client);
        let status = Self::rule(it.status, it.overridden, existing);
        if status == Status::Unknown {
            return 404;
        }
        it.status = status;
        it.until = self.now + 3000;
        match dirty.cmp(&it.dirty) {
            std::cmp::Ordering::Greater => 404,
            std::cmp::Ordering::Less if origin == Origin::Peer => 409,
            _ => 200,
        }
    }

    fn set(&mut self, id: u8, status: Status) -> bool {
        let now = self.now;
        let Some(it) = self.known.get_mut(&id) else {
            return false;
        };
        it.until = now + 3000;
        if it.status != status {
            (it.status, it.overridden) = (status, status);
        }
        true
    }

    fn remove(&mut self, id: u8, status: Status) -> bool {
        let now = self.now;
        let Some(it) = self.known.get_mut(&id) else {
            return false;
        };
        it.until = now + 3000;
        if it.overridden != Status::Unknown {
            (it.status, it.overridden) = (status, Status::Unknown);
        }
        true
    }
}

/// What a client has that asks for deltas and applies them.
#[derive(Default)]
struct Client(BTreeMap<String, Status>);

impl Client {
    fn fetch(&mut self, book: &mut Book) {
        let delta = book.delta();
        for it in delta.instances() {
            match it.action {
                Some(Action::Deleted) => drop(self.0.remove(it.id())),
                _ => drop(self.0.insert(it.id().to_owned(), it.status)),
            }
        }
    }

    fn hash(&self) -> String {
        let mut counts = [0; Status::ALL.len()];
        for status in self.0.values() {
            counts[status.index()] += 1;
        }
        hash_of(&counts)
    }
}

fn run(steps: &[Step]) {
    let rules = Rules {
        self_preservation: false,
        ..Rules::default()
    };
    let (mut book, mut model) = (Book::new(rules), Model::default());
    let mut client = Client::default();
    for step in steps {
        let now = at(model.now);
        let name = |id: u8| format!("i{id}");
        match *step {
            Step::Register(id, dirty, status, origin) => {
                let mut it = instance(&name(id), dirty);
                it.status = status;
                book.register(it, origin, now);
                model.register(id, dirty, status, origin);
            }
            Step::Renew(id, dirty, origin) => {
                let got = book
                    .renew(("SHOP", &name(id)), beat(dirty), origin, now)
                    .status();
                assert_eq!(got, model.renew(id, dirty, origin), "{step:?}");
            }
            Step::Cancel(id) => {
                let got = book.cancel("SHOP", &name(id), None, now);
                assert_eq!(got, model.known.remove(&id).is_some(), "{step:?}");
            }
            Step::Set(id, status) => {
                let got = book.change_status(("SHOP", &name(id)), set(status), now);
                assert_eq!(got, model.set(id, status), "{step:?}");
            }
            Step::Remove(id, status) => {
                let got = book.change_status(("SHOP", &name(id)), remove(status), now);
                assert_eq!(got, model.remove(id, status), "{step:?}");
            }
            Step::Pass(ms) => {
                model.now += ms;
                let before = model.known.len();
                let now = model.now;
                model.known.retain(|_, it| it.until >= now);
                assert_eq!(book.expire(at(now)), before - model.known.len(), "{step:?}");
            }
        }
        let list = book.list();
        let mut shown: Vec<_> = list
            .instances()
            .map(|it| (it.id().to_owned(), it.status, it.overridden, it.dirty_ms))
            .collect();
        shown.sort();
        let known = model.known.iter();
        let expected: Vec<_> = known
            .map(|(id, it)| (name(*id), it.status, it.overridden, it.dirty))
            .collect();
        assert_eq!(shown, expected, "{step:?}");
        // Whoever applies deltas has the same as whoever fetches everything.
        client.fetch(&mut book);
        assert_eq!(client.hash(), list.hash, "{step:?}");
        assert_eq!(book.len(), expected.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_requests_agree_with_the_model(steps in steps()) {
        run(&steps);
    }
}

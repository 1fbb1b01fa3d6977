//! The whole write path, as the binary puts it together but without sockets, on a disk that loses
//! power, runs full and breaks: what was acknowledged is found, each span once, after any number of
//! lives. The kill of the real process is a test of the binary.
//!
//! `FAULT_SEED` sets the first seed, `FAULT_SEEDS` how many there are.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

#[path = "support/life.rs"]
mod life;
#[path = "support/sent.rs"]
mod sent;

use std::ops::Range;

use speargun_runtime::{Disk, Machine, SimulatedDisk};
use speargun_storage::contract::Random;

use crate::life::Life;
use crate::sent::Sent;

const SEEDS: u64 = 12;
const LIVES: u64 = 6;
const ROUNDS: u64 = 25;

fn seeds() -> Range<u64> {
    let setting = |name: &str| {
        #[expect(clippy::disallowed_methods, reason = "a setting of the tests alone")]
        let given = std::env::var(name).ok();
        given.map(|text| text.parse::<u64>().unwrap())
    };
    let first = setting("FAULT_SEED").unwrap_or(0);
    first..first + setting("FAULT_SEEDS").unwrap_or(SEEDS)
}

fn used(disk: &SimulatedDisk) -> u64 {
    let size = |folder: &str| -> u64 {
        // Before the first start there is no folder.
        let files = disk.list(folder.as_ref()).unwrap_or_default();
        files
            .iter()
            .map(|path| disk.content(path).map_or(0, |bytes| bytes.len() as u64))
            .sum()
    };
    size("/data/segments") + size("/data/journal")
}

fn well(disk: &SimulatedDisk) -> Machine {
    Machine::new(disk, None)
}

#[test]
fn what_was_acknowledged_outlives_power_cuts() {
    let mut replayed = 0;
    for seed in seeds() {
        println!("FAULT_SEED={seed}");
        let mut random = Random::seeded(seed);
        let disk = SimulatedDisk::new();
        let mut sent = Sent::default();
        for _ in 0..LIVES {
            // In the middle of whatever the parts do, a start included.
            let cut = (random.below(500), random.below(u64::MAX));
            let machine = Machine::new(&disk, Some(cut));
            let alive = match Life::try_begin(&machine) {
                Ok(alive) => alive,
                Err(error) => {
                    assert!(!machine.is_on(), "{error}");
                    continue;
                }
            };
            replayed += alive.replayed.spans;
            alive.assert_holds(&sent);
            while machine.is_on() {
                let refused = alive.round(&mut random, &mut sent);
                assert!(refused == 0 || !machine.is_on(), "a well disk takes all");
            }
            alive.assert_balance();
            alive.end();
        }
        let alive = Life::begin(&well(&disk));
        alive.assert_holds(&sent);
        alive.end();
        Life::begin(&well(&disk)).assert_holds(&sent);
        assert!(sent.acknowledged() > 0);
    }
    assert!(replayed > 0, "some spans come from the journal");
}

#[test]
fn a_full_disk_refuses_and_recovers_by_itself() {
    for seed in seeds() {
        println!("FAULT_SEED={seed}");
        let mut random = Random::seeded(seed + 1000);
        let disk = SimulatedDisk::new();
        let mut sent = Sent::default();
        let alive = Life::begin(&well(&disk));
        for _ in 0..4 {
            for _ in 0..random.below(ROUNDS) {
                alive.round(&mut random, &mut sent);
            }
            disk.set_capacity(Some(used(&disk) + random.below(6000)));
            while alive.round(&mut random, &mut sent) == 0 {}
            alive.assert_holds(&sent);
            assert_eq!(alive.condition.failure(), None, "a full disk is no failure");
            disk.set_capacity(None);
            while alive.round(&mut random, &mut sent) > 0 {}
        }
        alive.assert_holds(&sent);
        alive.assert_balance();
        alive.machine.cut(seed);
        alive.end();
        Life::begin(&well(&disk)).assert_holds(&sent);
    }
}

#[test]
fn a_disk_that_fails_ends_writing_until_a_restart_and_loses_nothing() {
    let mut failed = 0;
    for seed in seeds() {
        println!("FAULT_SEED={seed}");
        let mut random = Random::seeded(seed + 2000);
        let disk = SimulatedDisk::new();
        let mut sent = Sent::default();
        for _ in 0..2 {
            let alive = Life::begin(&well(&disk));
            for _ in 0..random.below(ROUNDS) {
                alive.round(&mut random, &mut sent);
            }
            plan_fault(&disk, &mut random, 3);
            for _ in 0..ROUNDS {
                alive.round(&mut random, &mut sent);
            }
            if alive.condition.failure().is_some() {
                failed += 1;
                // The round asserts that nothing is taken.
                alive.round(&mut random, &mut sent);
            }
            alive.assert_holds(&sent);
            alive.assert_balance();
            stop(&alive, &mut random);
            disk.forget_faults();
            alive.end();
        }
        let again = Life::begin(&well(&disk));
        again.assert_holds(&sent);
        while again.round(&mut random, &mut sent) > 0 {}
        again.assert_holds(&sent);
        again.machine.cut(seed);
        again.end();
        Life::begin(&well(&disk)).assert_holds(&sent);
    }
    assert!(failed > 0, "some faults hit the journal");
}

/// Lets one of the next writes or syncs of files fail.
fn plan_fault(disk: &SimulatedDisk, random: &mut Random, nth_max: u64) {
    let (nth, seed) = (random.below(nth_max), random.below(u64::MAX));
    if random.once_in(2) {
        disk.fail_data_sync(nth, seed);
    } else {
        disk.fail_write(nth, seed);
    }
}

/// Ends the process or the whole machine.
fn stop(alive: &Life, random: &mut Random) {
    if random.once_in(2) {
        alive.machine.kill();
    } else {
        alive.machine.cut(random.below(u64::MAX));
    }
}

/// What happened over all seeds, so that a test which tests nothing is seen.
#[derive(Default, Debug)]
struct Seen {
    failed_starts: u64,
    replayed: u64,
    failures: u64,
    full: u64,
    merges: u64,
}

#[test]
fn all_faults_together_lose_nothing() {
    let mut seen = Seen::default();
    for seed in seeds() {
        println!("FAULT_SEED={seed}");
        let mut random = Random::seeded(seed + 3000);
        let disk = SimulatedDisk::new();
        let mut sent = Sent::default();
        for _ in 0..LIVES {
            live(&disk, &mut random, &mut sent, &mut seen);
            if random.once_in(2) {
                disk.forget_faults();
                disk.set_capacity(None);
            }
        }
        disk.forget_faults();
        disk.set_capacity(None);
        let alive = Life::begin(&well(&disk));
        alive.assert_holds(&sent);
        alive.machine.cut(seed);
        alive.end();
        Life::begin(&well(&disk)).assert_holds(&sent);
    }
    println!("{seen:?}");
    assert!(seen.failed_starts > 0 && seen.replayed > 0 && seen.failures > 0);
    assert!(seen.full > 0 && seen.merges > 0, "{seen:?}");
}

fn live(disk: &SimulatedDisk, random: &mut Random, sent: &mut Sent, seen: &mut Seen) {
    // A start makes few changes; some cuts and faults shall meet it.
    let within = [8, 800][random.below(2) as usize];
    let cut = random.once_in(2);
    let cut = cut.then(|| (random.below(within), random.below(u64::MAX)));
    disk.forget_faults();
    let fails = random.once_in(6);
    if fails {
        plan_fault(disk, random, 4);
    }
    let machine = Machine::new(disk, cut);
    let alive = match Life::try_begin(&machine) {
        Ok(alive) => alive,
        Err(error) => {
            assert!(fails || !machine.is_on(), "{error}");
            seen.failed_starts += 1;
            machine.kill();
            return;
        }
    };
    seen.replayed += alive.replayed.spans;
    alive.assert_holds(sent);
    for _ in 0..random.below(3 * ROUNDS) {
        if !machine.is_on() {
            break;
        }
        match random.below(24) {
            0 => disk.set_capacity(Some(used(disk) + random.below(6000))),
            1 => plan_fault(disk, random, 40),
            2 | 3 => drop(alive.store.compact()),
            4 | 5 => {
                disk.set_capacity(None);
                let ends = || alive.condition.failure().is_some() || !machine.is_on();
                while alive.round(random, sent) > 0 && !ends() {}
            }
            _ => {}
        }
        alive.round(random, sent);
        seen.full += u64::from(alive.condition.is_full());
    }
    alive.assert_holds(sent);
    alive.assert_balance();
    seen.failures += u64::from(machine.is_on() && alive.condition.failure().is_some());
    seen.merges += alive.store.stats().merges;
    if random.once_in(3) {
        disk.forget_faults();
        disk.set_capacity(None);
    } else {
        stop(&alive, random);
    }
    alive.end();
}

#[test]
fn a_flipped_bit_in_a_segment_costs_only_its_page() {
    let (mut lost, mut reported) = (0, 0);
    for seed in seeds() {
        println!("FAULT_SEED={seed}");
        let mut random = Random::seeded(seed + 4000);
        let disk = SimulatedDisk::new();
        let mut sent = Sent::default();
        let alive = Life::begin(&well(&disk));
        while alive.store.stats().segments < 4 {
            alive.round(&mut random, &mut sent);
            // Nothing is left to merge while a bit flips.
            alive.store.seal().unwrap();
            alive.store.compact().unwrap();
        }
        flip(&disk, &mut random);
        let missing = sent.count_missing(&alive.store).unwrap();
        let reports = alive.store.stats().corrupt_reads;
        assert_eq!(missing > 0, reports > 0, "what is missing is reported");
        assert!(missing < sent.acknowledged() / 2);
        lost += missing;
        reported += reports;
        // What comes after is stored, sealed and merged as if nothing were.
        let mut later = sent.to_come();
        for _ in 0..ROUNDS {
            assert_eq!(alive.round(&mut random, &mut later), 0);
        }
        assert_eq!(later.count_missing(&alive.store), Ok(0));
        alive.end();
        let again = Life::begin(&well(&disk));
        assert_eq!(later.count_missing(&again.store), Ok(0));
        let missing = sent.count_missing(&again.store).unwrap();
        assert!(missing < sent.acknowledged() / 2, "{missing} missing");
    }
    assert!(lost > 0 && reported > 0, "{lost} lost, {reported} reported");
}

/// Inverts a bit anywhere behind the header of any segment.
fn flip(disk: &SimulatedDisk, random: &mut Random) {
    let mut segments = disk.list("/data/segments".as_ref()).unwrap();
    segments.retain(|path| path.extension().is_some_and(|suffix| suffix == "segment"));
    let segment = &segments[random.below(segments.len() as u64) as usize];
    let bytes = disk.content(segment).unwrap().len() as u64;
    let offset = 16 + random.below(bytes - 16);
    disk.flip_bit(segment, offset, random.below(8) as u8)
        .unwrap();
}

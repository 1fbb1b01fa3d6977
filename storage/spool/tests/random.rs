//! Random writes, seals, merges, moves, lost answers and restarts, after each of which the spool
//! answers as the memory engine does that was told the same.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/model.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod model;
#[path = "support/pair.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod pair;

use std::sync::Arc;

use speargun_memory::MemoryStore;
use speargun_storage::contract::random::NAMES;
use speargun_storage::contract::{Config as Case, Random, assert_agree, batch_of};
use speargun_storage::{IdMode, Position, SpanWriter};

use crate::model::Fault;
use crate::pair::Pair;

const SEEDS: u64 = 16;
const ACTIONS: u64 = 20;

#[test]
fn random_actions_are_answered_like_the_model() {
    for seed in 0..SEEDS {
        println!("seed {seed}");
        let mut random = Random::seeded(seed);
        let case = Case {
            id_mode: [IdMode::Strict, IdMode::Lenient][seed as usize % 2],
            autocomplete_keys: NAMES[..2].iter().map(|key| (*key).into()).collect(),
        };
        let mut pair = Pair::new(&case, 1 + random.below(40) as usize);
        let model = MemoryStore::new(&speargun_memory::Config {
            id_mode: case.id_mode,
            autocomplete_keys: case.autocomplete_keys.clone(),
            ..speargun_memory::Config::default()
        });
        let mut written = 0;
        for _ in 0..ACTIONS {
            match random.below(9) {
                0 => pair.local.seal().unwrap(),
                1 => {
                    pair.local.seal().unwrap();
                    pair.local.compact().unwrap();
                }
                2 => pair.restart(),
                3 => {
                    pair.local.seal().unwrap();
                    pair.move_lists(1);
                }
                4 => {
                    pair.database.plan(vec![Fault::After, Fault::Before]);
                    pair.local.seal().unwrap();
                    pair.move_lists(usize::MAX);
                    pair.database.plan(vec![]);
                }
                5 => {
                    // The thread moves what it can before the first fault.
                    pair.database.plan(vec![Fault::After]);
                    pair.spool.start().unwrap();
                    pair.restart();
                    pair.database.plan(vec![]);
                }
                _ => {
                    let spans = random.spans();
                    written += spans.len();
                    model
                        .write(&[Arc::new(batch_of(&spans))], Position(0))
                        .unwrap();
                    pair.write(&spans);
                }
            }
            assert_agree(&model, &*pair.spool, &mut random);
        }
        pair.local.seal().unwrap();
        while pair.move_lists(usize::MAX) {}
        assert_agree(&model, &*pair.spool, &mut random);
        assert_eq!(pair.database.rows(), written, "each list once");
        pair.spool.close().unwrap();
    }
}

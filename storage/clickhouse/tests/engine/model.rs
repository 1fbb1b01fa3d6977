//! Random spans told to the engine and to the memory engine, in lists from two processes, and all
//! questions asked of both.

use std::sync::Arc;

use speargun_clickhouse::Config;
use speargun_memory::{Config as MemoryConfig, MemoryStore};
use speargun_storage::contract::random::NAMES;
use speargun_storage::contract::{Random, assert_agree, batch_of};
use speargun_storage::{Database, IdMode, Position, SpanWriter};

use crate::support;

const SEEDS: u64 = 6;
const LISTS: u64 = 6;

#[test]
fn random_lists_are_answered_like_memory() {
    for seed in 0..SEEDS {
        println!("seed {seed}");
        let id_mode = [IdMode::Strict, IdMode::Lenient][seed as usize % 2];
        let autocomplete_keys: Vec<String> = NAMES[..2].iter().map(|k| (*k).into()).collect();
        let config = Config {
            id_mode,
            autocomplete_keys: autocomplete_keys.clone(),
            ..support::config()
        };
        let processes = [support::open(&config), support::open(&config)];
        let memory = MemoryStore::new(&MemoryConfig {
            id_mode,
            autocomplete_keys,
            ..MemoryConfig::default()
        });
        let mut random = Random::seeded(seed);
        for number in 0..LISTS {
            let spans = random.spans();
            let batch = Arc::new(batch_of(&spans));
            memory.write(&[batch], Position(number)).unwrap();
            let writes = number as usize % 2;
            let name = support::list(&format!("process-{writes}"), number);
            processes[writes].store(&name, &spans).unwrap();
            assert_agree(&memory, &*processes[1 - writes], &mut random);
        }
    }
}

//! The suite that every engine passes, over the memory engine.

use speargun_memory::{Config, MemoryStore};
use speargun_storage::contract::{self, Harness};
use speargun_storage::{SpanReader, SpanWriter};

struct Memory(MemoryStore);

impl Harness for Memory {
    fn fresh(config: contract::Config) -> Self {
        Self(MemoryStore::new(&Config {
            id_mode: config.id_mode,
            autocomplete_keys: config.autocomplete_keys,
            ..Config::default()
        }))
    }

    fn writer(&self) -> &dyn SpanWriter {
        &self.0
    }

    fn reader(&self) -> &dyn SpanReader {
        &self.0
    }
}

speargun_storage::contract_tests!(Memory);

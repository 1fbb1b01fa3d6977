//! The suite that every engine passes, in Zipkin's own tables, but for what those can't hold, and
//! in tables of their form that were converted to `utf8mb4`.

use std::sync::Arc;

use speargun_mysql::MySqlStore;
use speargun_storage::contract::{self, Direct, Harness};
use speargun_storage::{SpanReader, SpanWriter};

use crate::config;

#[derive(Debug)]
struct Tables {
    store: Arc<MySqlStore>,
    writer: Direct<MySqlStore>,
}

impl Harness for Tables {
    fn fresh(case: contract::Config) -> Self {
        let server = speargun_e2e::mariadb::MariaDb::shared().unwrap();
        let database = server.database().unwrap();
        let store = crate::open(speargun_mysql::Config {
            id_mode: case.id_mode,
            autocomplete_keys: case.autocomplete_keys,
            ..config(server, &database)
        });
        Self {
            writer: Direct::new(store.clone(), "test"),
            store,
        }
    }

    fn writer(&self) -> &dyn SpanWriter {
        &self.writer
    }

    fn reader(&self) -> &dyn SpanReader {
        &*self.store
    }
}

speargun_storage::contract_tests!(Tables);

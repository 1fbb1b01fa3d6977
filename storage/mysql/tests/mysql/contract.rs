//! The suite that every engine passes, in Zipkin's own tables and in those of the same form that
//! hold all texts; but for what tables of that form can't hold, which is named here.

use std::sync::Arc;

use speargun_mysql::MySqlStore;
use speargun_mysql::config::Texts;
use speargun_storage::contract::{self, Direct, Exception, Harness};
use speargun_storage::{SpanReader, SpanWriter};

use crate::config;

const ONE_ROW: &str = "a span id has one row: fragments of it come back as one span";
const NO_ORDER: &str = "rows have no order of arrival: spans of a millisecond come by their ids";
const UTF8: &str = "Zipkin's tables are utf8, without characters beyond the BMP in names";

const fn except(case: &'static str, reason: &'static str) -> Exception {
    Exception { case, reason }
}

/// What the tables can't hold, whatever texts are in them.
const OF_TABLES: [Exception; 3] = [
    except("fragments_that_differ_are_all_kept", ONE_ROW),
    except("spans_are_grouped_by_millisecond", ONE_ROW),
    except("many_batches_of_a_group_are_all_read", NO_ORDER),
];

/// What Zipkin's own can't hold besides.
const OF_ZIPKINS_TABLES: [Exception; 7] = [
    OF_TABLES[0],
    OF_TABLES[1],
    OF_TABLES[2],
    except("a_span_comes_back_in_every_field", UTF8),
    except("equal_spans_are_stored_once", UTF8),
    except("names_are_sorted_once_each", UTF8),
    except("unicode_is_found", UTF8),
];

/// A store; `EXACT` says whether its tables hold all texts.
#[derive(Debug)]
struct Tables<const EXACT: bool> {
    store: Arc<MySqlStore>,
    writer: Direct<MySqlStore>,
}

impl<const EXACT: bool> Harness for Tables<EXACT> {
    fn fresh(case: contract::Config) -> Self {
        let server = speargun_e2e::mariadb::MariaDb::shared().unwrap();
        let database = server.database().unwrap();
        let store = crate::open(speargun_mysql::Config {
            id_mode: case.id_mode,
            autocomplete_keys: case.autocomplete_keys,
            new_texts: if EXACT { Texts::Exact } else { Texts::Zipkins },
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

mod zipkins {
    speargun_storage::contract_tests!(super::Tables<false>, except & super::OF_ZIPKINS_TABLES);
}

mod exact {
    speargun_storage::contract_tests!(super::Tables<true>, except & super::OF_TABLES);
}

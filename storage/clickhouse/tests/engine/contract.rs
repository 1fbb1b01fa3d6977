//! The storage contract without anything in front of the engine: as a small store that is searched
//! everywhere, and as a large one that is searched in slices.

use std::sync::Arc;

use speargun_clickhouse::{ClickHouse, Config, Housekeeping};
use speargun_storage::contract::{Config as Case, Direct, Harness};
use speargun_storage::{SpanReader, SpanWriter};

use crate::support;

/// An engine over a database of its own.
#[derive(Debug)]
struct Store<const SMALL_SPANS: u64> {
    engine: Arc<ClickHouse>,
    writer: Direct<ClickHouse>,
    config: Config,
    opened: u64,
}

impl<const SMALL_SPANS: u64> Harness for Store<SMALL_SPANS> {
    fn fresh(case: Case) -> Self {
        let config = Config {
            id_mode: case.id_mode,
            autocomplete_keys: case.autocomplete_keys,
            small_store_spans: SMALL_SPANS,
            ..support::config()
        };
        let engine = support::open(&config);
        Self {
            writer: Direct::new(engine.clone(), "origin-0"),
            engine,
            config,
            opened: 0,
        }
    }

    fn writer(&self) -> &dyn SpanWriter {
        &self.writer
    }

    fn reader(&self) -> &dyn SpanReader {
        &*self.engine
    }

    /// Merges all parts, and goes on as another process.
    fn settle(&mut self) {
        let database = &self.config.database;
        for table in ["spans", "traces", "names"] {
            let merge = format!("OPTIMIZE TABLE {database}.{table} FINAL");
            let merged = support::server().run(&merge);
            let text = merged.unwrap_or_else(|error| format!("{error:#}"));
            // Without a list there is no table.
            assert!(text.is_empty() || text.contains("UNKNOWN_"), "{text}");
        }
        self.opened += 1;
        self.engine = support::open(&self.config);
        self.writer = Direct::new(self.engine.clone(), format!("origin-{}", self.opened));
    }
}

/// An engine over a database whose spans are linked before each question.
#[derive(Debug)]
struct Linked {
    store: Store<500_000>,
    house: Housekeeping,
}

impl Harness for Linked {
    fn fresh(case: Case) -> Self {
        let store = Store::fresh(case);
        let house = Housekeeping::new(support::open(&store.config), "house");
        Self { store, house }
    }

    fn writer(&self) -> &dyn SpanWriter {
        self.store.writer()
    }

    fn reader(&self) -> &dyn SpanReader {
        // A list may be in the future: those of one millisecond count on.
        while self.house.pass().is_ok_and(|pass| pass.spans_linked > 0) {}
        self.store.reader()
    }

    fn settle(&mut self) {
        self.store.settle();
    }
}

mod linked {
    speargun_storage::contract_tests! { super::Linked, &[];
        dependencies: a_client_and_a_server_are_one_call, shared_spans_are_one_call,
            messages_link_to_the_broker, errors_are_counted, the_window_picks_traces,
            a_trace_in_the_window_is_linked_in_full, halves_of_an_id_are_one_trace,
            duplicates_and_fragments_are_one_call, no_spans_have_no_links,
            spans_without_timestamp_are_linked, calls_of_many_traces_add_up;
        scale: a_huge_fan_is_searched_and_linked;
    }
}

mod everywhere {
    speargun_storage::contract_tests!(super::Store<500_000>);
}

/// What is asked of a store in another way when it is large.
mod in_slices {
    speargun_storage::contract_tests! { super::Store<0>, &[];
        search: everything_is_found_without_criteria, the_service_must_be_local,
            a_remote_service_is_met_by_a_candidate, a_span_name_is_met_by_a_candidate,
            a_bare_key_is_a_tag_or_an_annotation, a_tag_is_met_exactly,
            terms_are_met_across_spans, terms_of_other_services_do_not_count,
            durations_have_both_bounds, duration_is_met_by_one_candidate,
            all_criteria_are_met_together, candidates_in_other_writes_count,
            unicode_is_found, whole_traces_are_answered;
        window: both_ends_are_inside, the_time_of_the_root_decides,
            the_least_time_decides_without_a_root, spans_without_timestamp_are_not_found,
            newest_traces_come_first, the_limit_keeps_the_newest,
            the_limit_counts_spans_of_other_services,
            a_trace_that_does_not_match_takes_no_place, lookback_may_be_longer_than_time;
        traces: strict_ids_are_searched_apart, lenient_ids_are_searched_together;
        scale: a_huge_fan_is_searched_and_linked;
    }
}

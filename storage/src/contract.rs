//! The suite that every engine passes. Not a benchmark, and no test of durability: crashes and
//! faults are the business of the engine that has a disk.
//!
//! An engine implements [`Harness`] in its tests and calls the macro
//! [`contract_tests!`](crate::contract_tests), which makes one `#[test]` of each case:
//!
//! ```text
//! speargun_storage::contract_tests!(SegmentHarness);
//! ```
//!
//! [`Random`] and [`assert_agree`] are for tests that tell an engine and a model the same random
//! things and compare all answers.
//!
//! A case writes spans and looks at what the engine answers, before and after [`Harness::settle`].
//! All times lie near [`NOW_MS`]: an engine that looks at a clock gets one that shows it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the cases are tests"
)]

use std::fmt::Debug;
use std::sync::Arc;

use speargun_model::{DependencyLink, Span, TraceId};

use crate::observed::{NamesRequest, ObservedNames};
use crate::read::{Extent, IdMode, ReadContext, SpanReader};
use crate::request::{TraceRequest, Window};
use crate::summary::{FoundTraces, SummaryRequest};
use crate::write::{Position, SpanWriter};

pub mod agree;
pub mod batch;
pub mod dependencies;
pub mod direct;
pub mod names;
pub mod observed;
pub mod random;
pub mod scale;
pub mod search;
pub mod spans;
pub mod summaries;
pub mod traces;
pub mod window;

pub use agree::assert_agree;
pub use batch::batch_of;
pub use direct::Direct;
pub use random::Random;
pub use spans::{NOW_MS, NOW_US, Sketch, span};

/// What a case asks of a fresh store.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// How trace ids are compared.
    pub id_mode: IdMode,
    /// Tags whose values are listed.
    pub autocomplete_keys: Vec<String>,
}

/// A store under test. It holds at least 300,000 spans and keeps spans of any age, those without
/// a timestamp (time 0) too.
pub trait Harness: Sized {
    /// Returns an empty store, alone on its folder.
    fn fresh(config: Config) -> Self;

    /// Returns the half that writes.
    fn writer(&self) -> &dyn SpanWriter;

    /// Returns the half that reads.
    fn reader(&self) -> &dyn SpanReader;

    /// Does whatever the engine may do behind the back of its users: seals, merges, restarts.
    fn settle(&mut self) {}
}

/// A store in the hands of a case.
#[derive(Debug)]
pub struct Store<H> {
    harness: H,
    written: u64,
}

impl<H: Harness> Store<H> {
    /// Returns an empty store that compares ids in full.
    pub fn strict() -> Self {
        Self::with(Config::default())
    }

    /// Returns an empty store that compares the lower halves of ids.
    pub fn lenient() -> Self {
        Self::with(Config {
            id_mode: IdMode::Lenient,
            ..Config::default()
        })
    }

    /// Returns an empty store.
    pub fn with(config: Config) -> Self {
        Self {
            harness: H::fresh(config),
            written: 0,
        }
    }

    /// Writes the spans as one batch.
    pub fn write(&mut self, spans: &[Span]) {
        self.write_group(&[spans]);
    }

    /// Writes each list of spans as a batch, all in one group.
    pub fn write_group(&mut self, group: &[&[Span]]) {
        let group: Vec<_> = group.iter().map(|s| Arc::new(batch_of(s))).collect();
        self.written += 1;
        let end = Position(self.written);
        self.harness
            .writer()
            .write(&group, end)
            .expect("a small write fits");
    }

    /// Lets the engine do its housekeeping.
    pub fn settle(&mut self) {
        self.harness.settle();
    }

    /// Asserts that `ask` is answered with `expected` now, after settling, and after settling
    /// once more.
    pub fn expect<T: PartialEq + Debug>(&mut self, expected: &T, ask: impl Fn(&Asked<'_>) -> T) {
        for state in ["fresh", "settled", "settled twice"] {
            let asked = Asked(self.harness.reader());
            assert_eq!(&ask(&asked), expected, "in a {state} store");
            if state != "settled twice" {
                self.settle();
            }
        }
    }
}

/// The questions of a reader, without deadlines and errors.
#[derive(Debug)]
pub struct Asked<'a>(&'a dyn SpanReader);

impl Asked<'_> {
    /// Returns the spans of a trace.
    pub fn trace(&self, id: u128) -> Vec<Span> {
        self.0.trace(TraceId::from_u128(id), &never()).unwrap()
    }

    /// Returns the traces found.
    pub fn search(&self, request: &TraceRequest) -> Vec<Vec<Span>> {
        self.0.search(request, &never()).unwrap()
    }

    /// Returns the summaries of the traces found.
    pub fn summaries(&self, request: &SummaryRequest) -> FoundTraces {
        self.0.summaries(request, &never()).unwrap()
    }

    /// Returns the names seen.
    pub fn observed(&self, request: &NamesRequest) -> ObservedNames {
        self.0.observed_names(request, &never()).unwrap()
    }

    /// Returns how much is held.
    pub fn extent(&self) -> Extent {
        self.0.extent(&never()).unwrap()
    }

    /// Returns the trace ids found, each trace's first.
    pub fn found(&self, request: &TraceRequest) -> Vec<u128> {
        let traces = self.search(request);
        traces.iter().map(|t| t[0].trace_id.as_u128()).collect()
    }

    /// Returns the span names of a service.
    pub fn span_names(&self, service: &str) -> Vec<String> {
        self.0.span_names(service, &never()).unwrap()
    }

    /// Returns the remote services of a service.
    pub fn remote_services(&self, service: &str) -> Vec<String> {
        self.0.remote_service_names(service, &never()).unwrap()
    }

    /// Returns the values of a tag.
    pub fn tag_values(&self, key: &str) -> Vec<String> {
        self.0.tag_values(key, &never()).unwrap()
    }

    /// Returns the links of a window, sorted: their order is the engine's own.
    pub fn links(&self, window: Window) -> Vec<DependencyLink> {
        let mut links = self.0.dependencies(window, &never()).unwrap();
        links.sort();
        links
    }
}

/// Returns the services. A function, since a method of a borrowing type can't be passed as it is.
pub fn services(ask: &Asked<'_>) -> Vec<String> {
    ask.0.service_names(&never()).unwrap()
}

fn never() -> ReadContext {
    ReadContext { deadline: None }
}

/// A case that an engine can't pass, as what it is built on does not hold what the case asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exception {
    /// The case.
    pub case: &'static str,
    /// What can't be held, as the documentation says it too.
    pub reason: &'static str,
}

/// Runs a case. An exception must fail: one that passes is none any more, and is told so.
pub fn run(name: &str, exceptions: &[Exception], case: impl FnOnce()) {
    let Some(exception) = exceptions.iter().find(|e| e.case == name) else {
        return case();
    };
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(case));
    assert!(
        outcome.is_err(),
        "{name} passes, and is named as an exception: {}",
        exception.reason
    );
}

/// Makes one `#[test]` of each case of the suite for a [`Harness`]; `except` and a slice of
/// [`Exception`] names those that must fail.
#[macro_export]
macro_rules! contract_tests {
    ($harness:ty) => {
        $crate::contract_tests! { $harness, except &[] }
    };
    ($harness:ty, except $exceptions:expr) => {
        $crate::contract_tests! { $harness, $exceptions;
            traces: an_unknown_trace_has_no_spans, nothing_written_is_nothing_found,
                a_span_comes_back_in_every_field, equal_spans_are_stored_once,
                fragments_that_differ_are_all_kept, spans_are_grouped_by_millisecond,
                order_survives_writes_and_settling, strict_ids_are_compared_in_full,
                lenient_ids_are_compared_by_their_lower_half, strict_ids_are_searched_apart,
                lenient_ids_are_searched_together, a_trace_grows_after_settling;
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
            names: services_are_local_names, names_are_sorted_once_each,
                span_names_belong_to_a_service, remote_names_belong_to_a_service,
                unknown_services_have_no_names, configured_tags_are_listed,
                other_tags_are_not_listed, names_of_many_writes_are_listed;
            summaries: summaries_are_of_what_is_found, pages_have_no_gaps_and_nothing_twice,
                a_trace_in_many_writes_is_on_one_page, lengths_of_traces_are_filtered,
                calls_of_traces_are_filtered, traces_are_left_out_by_their_tags,
                traces_are_filtered_by_their_roots;
            observed: names_are_counted_by_spans, tags_are_counted_by_spans,
                rare_tags_are_counted, the_extent_is_that_of_all_spans;
            dependencies: a_client_and_a_server_are_one_call, shared_spans_are_one_call,
                messages_link_to_the_broker, errors_are_counted, the_window_picks_traces,
                a_trace_in_the_window_is_linked_in_full, halves_of_an_id_are_one_trace,
                duplicates_and_fragments_are_one_call, no_spans_have_no_links,
                spans_without_timestamp_are_linked, calls_of_many_traces_add_up;
            scale: many_small_writes_are_all_read, many_batches_of_a_group_are_all_read,
                a_huge_trace_is_read_in_full, a_huge_fan_is_searched_and_linked,
                an_empty_batch_changes_nothing, writes_between_settling_are_all_found;
        }
    };
    ($harness:ty, $exceptions:expr; $($topic:ident: $($case:ident),+;)+) => {
        $($(
            #[test]
            fn $case() {
                let case = $crate::contract::$topic::$case::<$harness>;
                $crate::contract::run(stringify!($case), $exceptions, case);
            }
        )+)+
    };
}

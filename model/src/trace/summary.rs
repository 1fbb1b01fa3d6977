//! What a list shows of a trace: its root, its length, and how much of it is whose. It holds no
//! spans, and corrects no clocks.

use std::collections::HashMap;

use super::merge;
use crate::id::TraceId;
use crate::span::Span;

/// The tag that marks a failed span.
const ERROR: &str = "error";

/// A trace in a few figures.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TraceSummary {
    /// The id of its spans; where those differ in their upper half, one that has it.
    pub id: TraceId,
    /// Who recorded the root; empty when the root does not say.
    pub root_service: String,
    /// The root's name; empty when it has none.
    pub root_name: String,
    /// Whether another span stands for the root, which was not reported.
    pub root_missing: bool,
    /// The least timestamp; 0 when no span has one.
    pub start_us: u64,
    /// From there to the last end of a span.
    pub duration_us: u64,
    /// Spans, fragments merged.
    pub spans: u64,
    /// Those of them that failed.
    pub errors: u64,
    /// Who recorded them: the most spans first, then by name.
    pub services: Vec<ServiceShare>,
}

/// What one service has in a trace.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ServiceShare {
    /// Its name.
    pub service: String,
    /// Its spans.
    pub spans: u64,
    /// Those of them that failed.
    pub errors: u64,
    /// The length of its longest.
    pub longest_us: u64,
}

impl TraceSummary {
    /// Returns the summary of the spans of one trace, in any order.
    pub fn of(spans: Vec<Span>) -> Self {
        let spans = merge(spans);
        let times = || spans.iter().filter(|span| span.timestamp_us != 0);
        let start_us = times().map(|span| span.timestamp_us).min().unwrap_or(0);
        let ends = times().map(|span| span.timestamp_us.saturating_add(span.duration_us));
        let end_us = ends.max().unwrap_or(0);
        // Of several roots the earliest, as the page names a trace; one without a time comes last.
        let roots = spans.iter().filter(|span| is_root(span));
        let root = roots.min_by_key(|span| (span.timestamp_us == 0, span.timestamp_us));
        let first = times().min_by_key(|span| span.timestamp_us);
        let shown = root.or(first).or(spans.first());
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Self {
            id: shown.map(|span| span.trace_id).unwrap_or_default(),
            root_service: text(shown.and_then(Span::local_service_name)),
            root_name: text(shown.and_then(|span| span.name.as_deref())),
            root_missing: root.is_none(),
            start_us,
            duration_us: end_us.saturating_sub(start_us),
            spans: spans.len() as u64,
            errors: spans.iter().map(failed).sum(),
            services: shares(&spans),
        }
    }

    /// Returns about how much memory the summary takes.
    pub fn memory_bytes(&self) -> usize {
        let of_share = |share: &ServiceShare| size_of::<ServiceShare>() + share.service.len();
        size_of::<Self>()
            + self.root_service.len()
            + self.root_name.len()
            + self.services.iter().map(of_share).sum::<usize>()
    }
}

/// Returns whether a merged span has nothing above it: a shared one has its client.
fn is_root(span: &Span) -> bool {
    span.parent_id.is_none() && !span.shared
}

fn failed(span: &Span) -> u64 {
    u64::from(span.tag(ERROR).is_some())
}

fn shares(spans: &[Span]) -> Vec<ServiceShare> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut shares: Vec<ServiceShare> = Vec::new();
    for span in spans {
        let Some(service) = span.local_service_name() else {
            continue;
        };
        let place = *places.entry(service).or_insert(shares.len());
        if place == shares.len() {
            shares.push(ServiceShare {
                service: service.to_owned(),
                ..ServiceShare::default()
            });
        }
        if let Some(share) = shares.get_mut(place) {
            share.spans += 1;
            share.errors += failed(span);
            share.longest_us = share.longest_us.max(span.duration_us);
        }
    }
    shares.sort_by(|a, b| {
        b.spans
            .cmp(&a.spans)
            .then_with(|| a.service.cmp(&b.service))
    });
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Endpoint;
    use crate::id::SpanId;
    use crate::span::Kind;

    fn span(id: u64, parent: u64, service: &str) -> Span {
        let endpoint = Endpoint {
            service_name: (!service.is_empty()).then(|| service.to_owned()),
            ..Endpoint::default()
        };
        Span {
            trace_id: TraceId::from_u128(7),
            id: SpanId(id),
            parent_id: (parent != 0).then_some(SpanId(parent)),
            local_endpoint: endpoint.into_option(),
            name: Some(format!("of {id}")),
            ..Span::default()
        }
    }

    fn lasting(span: Span, timestamp_us: u64, duration_us: u64) -> Span {
        Span {
            timestamp_us,
            duration_us,
            ..span
        }
    }

    fn failed(mut span: Span) -> Span {
        span.tags.push(("error".into(), String::new()));
        span
    }

    #[test]
    fn a_summary_counts_what_is_whose() {
        let summary = TraceSummary::of(vec![
            failed(lasting(span(3, 1, "b"), 120, 70)),
            lasting(span(1, 0, "a"), 100, 50),
            lasting(span(2, 1, "b"), 90, 5),
            span(4, 1, ""),
        ]);
        assert_eq!(summary.root_service, "a");
        assert_eq!(summary.root_name, "of 1");
        assert!(!summary.root_missing);
        // From the second span's start to the third one's end.
        assert_eq!((summary.start_us, summary.duration_us), (90, 100));
        assert_eq!((summary.spans, summary.errors), (4, 1));
        let share = |service: &str, spans, errors, longest_us| ServiceShare {
            service: service.into(),
            spans,
            errors,
            longest_us,
        };
        assert_eq!(
            summary.services,
            [share("b", 2, 1, 70), share("a", 1, 0, 50)]
        );
    }

    #[test]
    fn fragments_are_one_span_and_halves_are_two() {
        let client = Span {
            kind: Some(Kind::Client),
            ..lasting(span(1, 0, "a"), 100, 0)
        };
        let rest = Span {
            duration_us: 30,
            ..span(1, 0, "a")
        };
        let server = Span {
            kind: Some(Kind::Server),
            shared: true,
            ..lasting(span(1, 0, "b"), 105, 10)
        };
        let summary = TraceSummary::of(vec![server, rest, client]);
        assert_eq!(summary.spans, 2);
        assert_eq!(summary.root_service, "a");
        assert_eq!(summary.duration_us, 30);
    }

    #[test]
    fn of_several_roots_the_earliest_is_shown() {
        let summary = TraceSummary::of(vec![
            span(1, 0, "none"),
            lasting(span(2, 0, "late"), 200, 1),
            lasting(span(3, 0, "early"), 100, 1),
        ]);
        assert!(!summary.root_missing);
        assert_eq!(summary.root_service, "early");
    }

    #[test]
    fn the_earliest_span_stands_for_a_missing_root() {
        let summary = TraceSummary::of(vec![
            span(5, 9, "none"),
            lasting(span(2, 9, "late"), 200, 1),
            lasting(span(3, 9, "early"), 100, 1),
        ]);
        assert!(summary.root_missing);
        assert_eq!(summary.root_service, "early");
        let timeless = TraceSummary::of(vec![span(5, 9, "x")]);
        assert_eq!((timeless.start_us, timeless.duration_us), (0, 0));
        assert_eq!(timeless.root_service, "x");
        assert_eq!(TraceSummary::of(vec![]).spans, 0);
    }

    #[test]
    fn times_at_the_end_of_time_do_not_overflow() {
        let max = i64::MAX as u64;
        let summary = TraceSummary::of(vec![
            lasting(span(1, 0, "a"), 1, max),
            lasting(span(2, 1, "a"), max, max),
        ]);
        assert_eq!(summary.duration_us, max - 1 + max);
    }
}

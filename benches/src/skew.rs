//! Workloads that differ from the reference in one thing, to see what a span then costs. How it is
//! measured is in the program of the same name.

use std::collections::HashSet;

use crate::way::Way;
use crate::workload::{Format, Knobs, Random, Span, TRACE_SPANS_MAX, Text, Window, batches};

/// Spans in a body.
const BATCH: usize = 100;
/// Values of each tag where spans have many.
const VALUES: u64 = 1000;
/// The reference has about seven tags of its own.
const MORE_TAGS: usize = 193;
const SERVICES: u64 = 2000;

/// What differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Skew {
    /// Nothing: the reference workload.
    Reference,
    /// Each span has a tag with a UUID that no other has.
    UniqueTags,
    /// Each span has 200 tags.
    ManyTags,
    /// The reference's traces are cut into such of three spans.
    SmallTraces,
    /// The reference's traces are hung below one another until they have 100,000 spans.
    LargeTraces,
    /// All spans are of one service.
    OneService,
    /// Spans are of 2,000 services, whose batches a gateway mixes.
    ManyServices,
    /// Trace ids have 64 bits.
    NarrowIds,
    /// Each side of a call has a span id of its own, as OpenTelemetry wants it, in Zipkin's form.
    OwnIds,
    /// The reference in OTLP.
    Otlp,
}

impl Skew {
    /// All, the reference first.
    pub const ALL: [Self; 10] = [
        Self::Reference,
        Self::UniqueTags,
        Self::ManyTags,
        Self::SmallTraces,
        Self::LargeTraces,
        Self::OneService,
        Self::ManyServices,
        Self::NarrowIds,
        Self::OwnIds,
        Self::Otlp,
    ];

    /// Returns what a table calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::UniqueTags => "a UUID tag on each span",
            Self::ManyTags => "200 tags a span",
            Self::SmallTraces => "3 spans a trace",
            Self::LargeTraces => "100,000 spans a trace",
            Self::OneService => "one service",
            Self::ManyServices => "2,000 services",
            Self::NarrowIds => "64-bit trace ids",
            Self::OwnIds => "own span ids",
            Self::Otlp => "OTLP over HTTP",
        }
    }

    /// Returns how its spans are sent.
    pub const fn way(self) -> Way {
        match self {
            Self::Otlp => Way::OtlpHttp,
            _ => Way::Zipkin(Format::Proto),
        }
    }

    /// Returns how many spans make a figure when the reference takes `count`: those that are many
    /// times as large are fewer.
    pub const fn count(self, count: usize) -> usize {
        match self {
            Self::ManyTags => count / 10,
            _ => count,
        }
    }

    /// Returns spans of traces that start in the window, in batches as they are reported.
    pub fn batches(self, count: usize, window: Window) -> Vec<Vec<Span>> {
        let mut spans = self.knobs().spans(count, window);
        match self {
            Self::UniqueTags => tag_uuids(&mut spans),
            Self::SmallTraces => join(spans.chunks_mut(3)),
            Self::LargeTraces => join(spans.chunks_mut(TRACE_SPANS_MAX)),
            Self::OneService => spans.iter_mut().for_each(|span| {
                span.local.service_name = Text::Borrowed("shop");
            }),
            Self::ManyServices => spans.iter_mut().for_each(|span| {
                let number = (span.trace_id as u64) % SERVICES.div_ceil(12);
                let name = format!("{}-{number:03}", span.local.service_name);
                span.local.service_name = Text::Owned(name);
            }),
            Self::OwnIds => own_ids(&mut spans),
            _ => {}
        }
        batches(spans, BATCH)
    }

    fn knobs(self) -> Knobs {
        let reference = Knobs {
            seed: 1,
            ..Knobs::default()
        };
        match self {
            Self::ManyTags => Knobs {
                extra_tags: MORE_TAGS,
                cardinality: VALUES,
                ..reference
            },
            Self::NarrowIds => Knobs {
                narrow_ids: true,
                ..reference
            },
            _ => reference,
        }
    }
}

/// Makes one trace of each group: spans whose parent is not in it are called by the first.
fn join<'a>(groups: impl Iterator<Item = &'a mut [Span]>) {
    let mut random = Random::new(0x5eed);
    for group in groups {
        let trace_id = (u128::from(random.bits()) << 64) | u128::from(random.bits());
        let ids: HashSet<u64> = group.iter().map(|span| span.id).collect();
        let first = group.first().map_or(0, |span| span.id);
        for span in group {
            span.trace_id = trace_id;
            if !ids.contains(&span.parent_id) {
                // The other side of the first call has its id.
                span.parent_id = if span.id == first { 0 } else { first };
            }
        }
    }
}

fn tag_uuids(spans: &mut [Span]) {
    let mut random = Random::new(0x0001_dea1);
    for span in spans {
        let digits = format!("{:016x}{:016x}", random.bits(), random.bits());
        let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
        let parts = parts.map(|part| digits.get(part).unwrap_or_default());
        let key = Text::Borrowed("message.id");
        span.tags.push((key, Text::Owned(parts.join("-"))));
    }
}

/// A server gets an id of its own below its client's; what it calls is below it.
fn own_ids(spans: &mut [Span]) {
    const OTHER: u64 = 0x5555_5555_5555_5555;
    for trace in spans.chunk_by_mut(|a, b| a.trace_id == b.trace_id) {
        let servers = trace.iter().filter(|span| span.shared);
        let shared: HashSet<u64> = servers.map(|span| span.id).collect();
        for span in trace {
            if span.shared {
                span.shared = false;
                span.parent_id = span.id;
                span.id ^= OTHER;
            } else if shared.contains(&span.parent_id) {
                span.parent_id ^= OTHER;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const WINDOW: Window = Window {
        start_us: 1_760_000_000_000_000,
        length_us: 60_000_000,
    };

    fn spans(skew: Skew, count: usize) -> Vec<Span> {
        skew.batches(count, WINDOW).into_iter().flatten().collect()
    }

    fn distinct<T: std::hash::Hash + Eq>(all: impl Iterator<Item = T>) -> usize {
        all.collect::<HashSet<T>>().len()
    }

    #[test]
    fn each_differs_in_what_it_says() {
        let count = 6000;
        let services = |skew, count| {
            let spans = spans(skew, count);
            distinct(spans.iter().map(|span| span.local.service_name.clone()))
        };
        assert_eq!(services(Skew::Reference, count), 12);
        assert_eq!(services(Skew::OneService, count), 1);
        // Those of orders are rare, so that some may be missing.
        let many = services(Skew::ManyServices, 10 * count);
        assert!((1500..=2004).contains(&many), "{many}");

        let unique = spans(Skew::UniqueTags, count);
        let values = unique.iter().map(|span| &span.tags[span.tags.len() - 1].1);
        assert_eq!(distinct(values.clone()), count);
        assert!(values.clone().all(|value| value.len() == 36));

        let many = spans(Skew::ManyTags, 500);
        let tags: usize = many.iter().map(|span| span.tags.len()).sum();
        assert!((199..=201).contains(&(tags / 500)), "{}", tags / 500);

        let traces = |skew, count| {
            let spans = spans(skew, count);
            (spans.len(), distinct(spans.iter().map(|s| s.trace_id)))
        };
        assert_eq!(traces(Skew::SmallTraces, 3000), (3000, 1000));
        assert_eq!(traces(Skew::LargeTraces, 101_000), (101_000, 2));
        let narrow = spans(Skew::NarrowIds, count);
        assert!(narrow.iter().all(|span| span.trace_id >> 64 == 0));
    }

    #[test]
    fn own_ids_keep_the_tree_and_are_all_different() {
        let spans = spans(Skew::OwnIds, 3000);
        assert!(spans.iter().all(|span| !span.shared));
        let ids: HashMap<(u128, u64), &Span> =
            spans.iter().map(|s| ((s.trace_id, s.id), s)).collect();
        assert_eq!(ids.len(), spans.len());
        let mut servers_below_clients = 0;
        for span in &spans {
            let Some(parent) = ids.get(&(span.trace_id, span.parent_id)) else {
                continue;
            };
            if span.kind == Some(crate::workload::Kind::Client) {
                assert_eq!(parent.local.service_name, span.local.service_name);
            } else if parent.kind == Some(crate::workload::Kind::Client) {
                servers_below_clients += 1;
            }
        }
        assert!(servers_below_clients > 500, "{servers_below_clients}");
    }
}

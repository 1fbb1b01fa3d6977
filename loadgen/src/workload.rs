//! The reference workload: a shop of 12 services and 39 instances, 14 spans a trace, 7 tags a
//! span, servers that share their client's span id. All figures of this project are about it.
//! It is deterministic by seed, and knows nothing of the server it loads.

mod encode;
mod knobs;
mod random;
mod shop;
mod span;
mod traffic;
mod tree;

pub use encode::{Format, Marks};
pub use knobs::{FRESH_DIGITS, Knobs, Shape, Window, is_fresh};
pub use random::Random;
pub use span::{Endpoint, Kind, Span, Text};
pub use traffic::Traffic;
pub use tree::{TRACE_SPANS_MAX, Tree};

/// Groups spans as reporters do: each batch comes from one instance, in the order in which its
/// spans end, and has `size` of them (an instance's last may be smaller). Batches come in the
/// order in which they are complete.
pub fn batches(mut spans: Vec<Span>, size: usize) -> Vec<Vec<Span>> {
    spans.sort_by_key(|span| (span.instance, span.end_us()));
    let mut all: Vec<Vec<Span>> = spans
        .chunk_by(|a, b| a.instance == b.instance)
        .flat_map(|own| own.chunks(size.max(1)).map(<[Span]>::to_vec))
        .collect();
    all.sort_by_key(|batch| batch.last().map(Span::end_us));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_US: u64 = 1_760_000_000_000_000;

    #[test]
    #[expect(
        clippy::cast_precision_loss,
        reason = "averages of small counts, rounded on purpose"
    )]
    fn averages_are_those_the_figures_are_quoted_for() {
        let count = 60_000;
        let spans = Traffic::new(1).spans(count, START_US, 60_000_000);
        let per_span = |total: usize| total as f64 / count as f64;
        let traces: std::collections::HashSet<u128> = spans.iter().map(|s| s.trace_id).collect();
        let in_trace = count as f64 / traces.len() as f64;
        assert!((13.0..15.0).contains(&in_trace), "{in_trace} spans a trace");
        let tags = per_span(spans.iter().map(|s| s.tags.len()).sum());
        assert!((6.6..7.6).contains(&tags), "{tags} tags a span");
        let json = per_span(Format::Json.encode(&spans).len());
        assert!(
            (565.0..600.0).contains(&json),
            "{json} bytes of JSON a span"
        );
        let proto = per_span(Format::Proto.encode(&spans).len());
        assert!(
            (340.0..366.0).contains(&proto),
            "{proto} proto bytes a span"
        );
        let clients = per_span(
            spans
                .iter()
                .filter(|s| s.kind == Some(Kind::Client))
                .count(),
        );
        assert!((0.6..0.68).contains(&clients), "{clients} are clients");
    }

    #[test]
    fn the_same_seed_makes_the_same_bytes() {
        let body = |seed| Format::Json.encode(&Traffic::new(seed).spans(500, START_US, 1000));
        assert_eq!(body(5), body(5));
        assert_ne!(body(5), body(6));
    }

    /// FNV-1a, written out so that the figures below need nothing else.
    fn checksum(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }

    #[test]
    fn the_reference_is_what_all_figures_so_far_were_made_with() {
        let spans = Traffic::new(7).spans(5000, START_US, 60_000_000);
        assert_eq!(
            checksum(&Format::Json.encode(&spans)),
            0x704c_e6fd_8182_7823
        );
        assert_eq!(
            checksum(&Format::Proto.encode(&spans)),
            0xb1e6_564c_4723_b6f8
        );
    }

    #[test]
    fn every_instance_reports() {
        let mut traffic = Traffic::new(1);
        assert_eq!(traffic.instance_count(), 39);
        let spans = traffic.spans(20_000, START_US, 1_000_000);
        let seen: std::collections::BTreeSet<u16> = spans.iter().map(|s| s.instance).collect();
        assert_eq!(seen.len(), 39);
    }

    #[test]
    fn batches_hold_every_span_once_each_from_one_instance() {
        let spans = Traffic::new(2).spans(3000, START_US, 1_000_000);
        let all = batches(spans.clone(), 100);
        assert_eq!(all.iter().map(Vec::len).sum::<usize>(), spans.len());
        for batch in &all {
            assert!(batch.len() <= 100);
            assert!(batch.iter().all(|s| s.instance == batch[0].instance));
            assert!(batch.is_sorted_by_key(Span::end_us));
        }
    }

    #[test]
    fn a_shared_server_repeats_its_clients_ids() {
        let spans = Traffic::new(4).spans(2000, START_US, 1_000_000);
        let servers: Vec<&Span> = spans.iter().filter(|s| s.shared).collect();
        assert!(servers.len() > 300, "{}", servers.len());
        let clients: std::collections::HashSet<(u128, u64, u64)> = spans
            .iter()
            .filter(|s| s.kind == Some(Kind::Client))
            .map(|s| (s.trace_id, s.id, s.parent_id))
            .collect();
        // The last trace may be cut before its clients, which come behind their servers.
        let last = spans[spans.len() - 1].trace_id;
        for server in servers.iter().filter(|s| s.trace_id != last) {
            assert!(clients.contains(&(server.trace_id, server.id, server.parent_id)));
        }
    }
}

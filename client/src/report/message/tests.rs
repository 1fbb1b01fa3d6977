//! Messages are read back by the collector's own decoders.

use std::io::Read;
use std::time::Duration;

use proptest::prelude::*;
use speargun_model::codec::{self, Format};
use speargun_model::{Bounds, SpanBatch, SpanId, TraceId};

use super::*;
use crate::report::Destination;

fn settings(encoding: Encoding, message_bytes_max: usize) -> ReporterSettings {
    ReporterSettings {
        encoding,
        message_bytes_max,
        message_timeout: Duration::from_hours(1),
        ..ReporterSettings::new(Destination::Found(std::sync::Arc::new(|| None)))
    }
}

fn span(id: u64, tag: &str) -> Span {
    Span {
        trace_id: TraceId { high: 0, low: 1 },
        id: SpanId(id),
        name: Some("a".into()),
        tags: vec![("tag".into(), tag.into())],
        ..Span::default()
    }
}

fn read(message: &Message, encoding: Encoding) -> Vec<Span> {
    let mut plain = Vec::new();
    if message.gzip {
        let mut packed = flate2::read::GzDecoder::new(&message.body[..]);
        packed.read_to_end(&mut plain).unwrap();
    } else {
        plain = message.body.to_vec();
    }
    assert_eq!(plain.len(), message.plain_bytes);
    let format = match encoding {
        Encoding::JsonV2 => Format::JsonV2,
        Encoding::Proto3 => Format::Proto3,
    };
    let mut batch = SpanBatch::default();
    codec::decode(format, plain.into(), &Bounds::default(), &mut batch).unwrap();
    batch.views().map(|view| view.to_span()).collect()
}

proptest! {
    /// Whatever the sizes: each span is in one message or counted, none is split, no message is too
    /// large, and the order stays.
    #[test]
    fn all_spans_are_packed_once(
        sizes in proptest::collection::vec(0_usize..400, 0..60),
        bytes_max in 200_usize..2000,
        json in any::<bool>(),
        gzip in any::<bool>(),
    ) {
        let encoding = if json { Encoding::JsonV2 } else { Encoding::Proto3 };
        let mut settings = settings(encoding, bytes_max);
        settings.gzip_from_bytes = gzip.then_some(600);
        let queue = Queue::new(&settings);
        for (index, size) in sizes.iter().enumerate() {
            queue.push(span(index as u64 + 1, &"x".repeat(*size)));
        }
        let mut packer = Packer::new(&settings);
        let mut ids = Vec::new();
        for _ in 0..=sizes.len() * 2 {
            let Some(message) = packer.pack(&queue) else { continue };
            prop_assert!(message.plain_bytes <= bytes_max);
            let spans = read(&message, encoding);
            prop_assert_eq!(spans.len(), message.spans);
            ids.extend(spans.iter().map(|span| span.id.0));
        }
        prop_assert!(ids.is_sorted());
        let dropped = queue.metrics().figures(&queue).dropped("too_large") as usize;
        prop_assert_eq!(ids.len() + dropped, sizes.len());
        prop_assert_eq!(queue.bytes(), 0);
    }
}

#[test]
fn small_messages_are_not_packed() {
    let settings = settings(Encoding::JsonV2, 100_000);
    let queue = Queue::new(&settings);
    let mut packer = Packer::new(&settings);
    queue.push(span(1, ""));
    assert!(!packer.pack(&queue).unwrap().gzip);
    queue.push(span(1, &"x".repeat(2000)));
    let message = packer.pack(&queue).unwrap();
    assert!(message.gzip && message.body.len() < 200);
}

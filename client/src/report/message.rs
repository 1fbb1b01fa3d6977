//! Packs spans into one message: as many as fit, in the form that was asked for, with gzip when it
//! is worth it.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderValue;
use speargun_model::Span;
use speargun_model::codec::{json_v2, proto3};

use super::metrics::Cause;
use super::queue::Queue;
use super::{Encoding, ReporterSettings};

/// What is posted.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) body: Bytes,
    pub(super) spans: usize,
    pub(super) content_type: HeaderValue,
    pub(super) gzip: bool,
    /// Bytes before packing.
    pub(super) plain_bytes: usize,
}

/// Packs messages, and keeps what did not fit the last one.
#[derive(Debug)]
pub(super) struct Packer {
    encoding: Encoding,
    bytes_max: usize,
    gzip_from_bytes: Option<usize>,
    /// The message that is being packed.
    plain: Vec<u8>,
    /// The span that opens the next message.
    next: Option<Vec<u8>>,
}

impl Packer {
    pub(super) fn new(settings: &ReporterSettings) -> Self {
        Self {
            encoding: settings.encoding,
            bytes_max: settings.message_bytes_max,
            gzip_from_bytes: settings.gzip_from_bytes,
            plain: Vec::new(),
            next: None,
        }
    }

    /// Returns whether a span was taken from the queue and is in no message yet.
    pub(super) fn holds_one(&self) -> bool {
        self.next.is_some()
    }

    /// Returns a message of what waits; `None` when nothing does.
    pub(super) fn pack(&mut self, queue: &Queue) -> Option<Message> {
        self.plain.clear();
        let mut spans = 0;
        if let Some(next) = self.next.take() {
            self.append(&next);
            spans = 1;
        }
        // What comes while this packs may go with it, but not for ever.
        for _ in 0..queue.len().max(1) {
            let Some(span) = queue.pop() else { break };
            let start = self.plain.len();
            self.encode(&span);
            let closing = usize::from(self.encoding == Encoding::JsonV2);
            if self.plain.len() + closing <= self.bytes_max {
                spans += 1;
                continue;
            }
            let encoded = self.cut(start);
            if encoded.len() + 2 > self.bytes_max {
                queue.metrics().drop(Cause::TooLarge, 1);
                continue;
            }
            self.next = Some(encoded);
            break;
        }
        (spans > 0).then(|| self.seal(spans))
    }

    /// Appends a span with what separates it from the one before.
    fn encode(&mut self, span: &Span) {
        match self.encoding {
            Encoding::JsonV2 => {
                self.plain.push(self.separator());
                json_v2::encode_span(span, &mut self.plain);
            }
            Encoding::Proto3 => proto3::encode_spans(std::slice::from_ref(span), &mut self.plain),
        }
    }

    fn append(&mut self, encoded: &[u8]) {
        if self.encoding == Encoding::JsonV2 {
            self.plain.push(self.separator());
        }
        self.plain.extend_from_slice(encoded);
    }

    fn separator(&self) -> u8 {
        if self.plain.is_empty() { b'[' } else { b',' }
    }

    /// Takes the last span off again, without its separator.
    fn cut(&mut self, start: usize) -> Vec<u8> {
        let separator = usize::from(self.encoding == Encoding::JsonV2);
        let encoded = self.plain.split_off(start + separator);
        self.plain.truncate(start);
        encoded
    }

    fn seal(&mut self, spans: usize) -> Message {
        let content_type = match self.encoding {
            Encoding::JsonV2 => {
                self.plain.push(b']');
                HeaderValue::from_static("application/json")
            }
            Encoding::Proto3 => HeaderValue::from_static("application/x-protobuf"),
        };
        let plain_bytes = self.plain.len();
        let worth_it = self.gzip_from_bytes.is_some_and(|from| plain_bytes >= from);
        let packed = worth_it.then(|| gzip(&self.plain)).flatten();
        Message {
            gzip: packed.is_some(),
            body: Bytes::from(packed.unwrap_or_else(|| self.plain.clone())),
            spans,
            content_type,
            plain_bytes,
        }
    }
}

/// Level 1: a third more bytes than level 6, for a fraction of its CPU, on the application's own
/// machine. Writing to memory does not fail; if it did, the message would go as it is.
fn gzip(plain: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::fast());
    encoder.write_all(plain).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests;

//! What the journal holds and the engine does not, read back on start: inflated, decoded and
//! sampled exactly as it was the first time. It does not touch the ledger: these spans were
//! counted by the process that took them.

use std::sync::Arc;
use std::time::Duration;

use speargun_journal::{Journal, JournalError, Record, Replay};
use speargun_model::SpanBatch;
use speargun_model::batch::Bounds;
use speargun_model::codec::decode;
use speargun_storage::{Position, SpanWriter, WriteError};

use crate::inflate::Inflater;
use crate::tag::Tag;

/// Why the start stops.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The journal can't be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The engine takes nothing.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// What was read back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// What the journal gave.
    pub journal: Replay,
    /// Spans handed to the engine.
    pub spans: u64,
    /// Records that could not be read as spans; they were left out.
    pub unreadable: u64,
    /// The position behind the last record, or where the replay began.
    pub end: u64,
}

const GROUP_ITEMS_MAX: usize = 1024;
const GROUP_BYTES_MAX: usize = 16 << 20;
const RECORDS_A_LINE: u64 = 50_000;
const BUSY_PAUSE: Duration = Duration::from_millis(50);
const BUSY_TRIES_MAX: u32 = 200;

/// Replays from the engine's durable position. Blocks. What was acknowledged is read whatever the
/// bounds of bodies are now.
pub fn replay(journal: &mut Journal, writer: &dyn SpanWriter) -> Result<Summary, ReplayError> {
    let from = writer.durable_position().0;
    let mut reader = Reader {
        writer,
        inflater: Inflater::new(Bounds::WIDEST.body_bytes_max),
        group: Vec::new(),
        group_bytes: 0,
        summary: Summary {
            end: from,
            ..Summary::default()
        },
        failed: None,
        waited: 0,
    };
    let replayed = journal.replay(from, &mut |position, record| {
        reader.visit(position, &record);
    })?;
    reader.flush();
    if let Some(error) = reader.failed {
        return Err(error.into());
    }
    Ok(Summary {
        journal: replayed,
        ..reader.summary
    })
}

struct Reader<'a> {
    writer: &'a dyn SpanWriter,
    inflater: Inflater,
    group: Vec<Arc<SpanBatch>>,
    group_bytes: usize,
    summary: Summary,
    failed: Option<WriteError>,
    /// Pauses made because the engine was not ready.
    waited: u32,
}

impl Reader<'_> {
    fn visit(&mut self, position: u64, record: &Record) {
        if self.failed.is_some() {
            return;
        }
        match read(&mut self.inflater, record) {
            Some(batch) => {
                self.summary.spans += batch.spans.len() as u64;
                self.group_bytes += batch.memory_bytes();
                self.group.push(Arc::new(batch));
            }
            None => self.summary.unreadable += 1,
        }
        self.summary.end = position;
        self.summary.journal.records += 1;
        if self.summary.journal.records.is_multiple_of(RECORDS_A_LINE) {
            let (records, spans) = (self.summary.journal.records, self.summary.spans);
            tracing::info!(records, spans, "replaying the journal");
        }
        if self.group.len() >= GROUP_ITEMS_MAX || self.group_bytes >= GROUP_BYTES_MAX {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.group.is_empty() || self.failed.is_some() {
            return;
        }
        // An engine that can't write gets some time, once. Then it has to take what is in the
        // journal all the same: that is bounded, and a start that fails would help nobody.
        while self.writer.ready().is_err() && self.waited < BUSY_TRIES_MAX {
            self.waited += 1;
            std::thread::sleep(BUSY_PAUSE);
        }
        let end = Position(self.summary.end);
        self.failed = self.writer.write(&self.group, end).err();
        self.group.clear();
        self.group_bytes = 0;
    }
}

/// Returns the spans of a record; `None` when it has none that can be read.
fn read(inflater: &mut Inflater, record: &Record) -> Option<SpanBatch> {
    let tag = Tag::decode(record.tag)?;
    let body = inflater.inflate(tag.encoding, &record.body).ok()?;
    let mut batch = SpanBatch::default();
    decode(tag.format, body, &Bounds::WIDEST, &mut batch).ok()?;
    tag.sampler.apply(&mut batch);
    let mut batch = batch.take_exact();
    batch.more_bytes += tag.encoding.packed_bytes(&record.body);
    Some(batch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inflate::Encoding;
    use crate::sample::Sampler;
    use bytes::Bytes;
    use speargun_model::codec::Format;

    #[test]
    fn what_was_acknowledged_is_read_whatever_it_takes_and_counted_as_then() {
        // Two spans that share more than a sender may have now.
        let value = "v".repeat(80 << 20);
        let span = r#"{"traceId":"00000000000000000000000000000001","spanId":"0000000000000001"}"#;
        let body = format!(
            r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"k","value":
            {{"stringValue":"{value}"}}}}]}},"scopeSpans":[{{"spans":[{span},{span}]}}]}}]}}"#
        );
        let packed = Bytes::from(zstd::bulk::compress(body.as_bytes(), 3).unwrap());
        let tag = Tag {
            format: Format::OtlpJson,
            encoding: Encoding::Zstd,
            sampler: Sampler::new(1.0).unwrap(),
        };
        let record = Record::new(tag.encode(), packed.clone());
        let mut inflater = Inflater::new(Bounds::WIDEST.body_bytes_max);
        let batch = read(&mut inflater, &record).unwrap();
        assert_eq!(batch.spans.len(), 2);
        let shared = 2 * ("k".len() + value.len() - 8192);
        assert!(shared > Bounds::default().more_bytes_max);
        assert_eq!(batch.more_bytes, shared + packed.len());
    }
}

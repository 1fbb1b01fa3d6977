//! Spans to the columns of table `spans`. How the server takes columns is `native`; reading them
//! back is `rows`.

use speargun_model::{Endpoint, Span};

use crate::native::{Block, Lists, Names, Numbers, Pairs, Values};

/// Bits of column `flags`.
pub(crate) mod flag {
    pub(crate) const DEBUG: u8 = 1;
    pub(crate) const SHARED: u8 = 2;
    pub(crate) const LOCAL_IPV4: u8 = 4;
    pub(crate) const LOCAL_IPV6: u8 = 8;
    pub(crate) const REMOTE_IPV4: u8 = 16;
    pub(crate) const REMOTE_IPV6: u8 = 32;
}

const MINUTE_US: u64 = 60_000_000;

/// Returns the minute that a time is filed under; times far beyond ours share the last one.
pub(crate) fn minute(timestamp_us: u64) -> u32 {
    u32::try_from(timestamp_us / MINUTE_US).unwrap_or(u32::MAX)
}

const DAY_MS: u64 = 86_400_000;

/// Of `arrived_as`, the bits that number the spans of a list; those above tell processes apart.
const PLACE_BITS: u32 = 20;

/// So many processes are told apart: a list of more spans than [`PLACE_BITS`] have room for goes
/// on in the next one's numbers.
const PROCESSES: u32 = 1 << 11;

/// Where a list stands among all others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// Milliseconds since the epoch; differs from that of each other list of this process.
    pub(crate) ms: u64,
    /// Something of the process: lists of one millisecond differ by it.
    pub(crate) process: u32,
}

impl Arrival {
    /// Returns what column `arrived_as` holds of the span at a place of the list.
    fn of_place(self, place: u32) -> u32 {
        ((self.process % PROCESSES) << PLACE_BITS).saturating_add(place)
    }
}

/// Returns what tells lists apart, in the order of arrival.
pub(crate) fn list_of(ms: u64, arrived_as: u32) -> u64 {
    (ms << (u32::BITS - PLACE_BITS)) | u64::from(arrived_as >> PLACE_BITS)
}

/// What [`list_of`] is in a statement.
pub(crate) const LIST: &str = "bitOr(bitShiftLeft(arrived_ms, 12), bitShiftRight(arrived_as, 20))";

/// Returns the milliseconds of a list.
pub(crate) fn ms_of_list(list: u64) -> u64 {
    list >> (u32::BITS - PLACE_BITS)
}

/// Returns the day of an arrival, counted from the epoch: its partition.
pub(crate) fn day_of(arrived_ms: u64) -> u32 {
    u32::try_from(arrived_ms / DAY_MS).unwrap_or(u32::MAX)
}

/// Returns a list of spans as a block.
pub(crate) fn block(spans: &[Span], arrival: Arrival) -> Vec<u8> {
    let mut rows = Rows {
        keys: Keys::with_rows(spans.len()),
        ..Rows::default()
    };
    // One pass: what is read of a span is near each other.
    spans.iter().for_each(|span| rows.push(span));
    for place in 0..spans.len() as u32 {
        rows.arrived_ms.push(arrival.ms.to_le_bytes());
        rows.arrived_as.push(arrival.of_place(place).to_le_bytes());
    }
    rows.into_block(spans.len())
}

/// The ids and numbers of spans.
#[derive(Default)]
struct Keys {
    trace_low: Numbers,
    trace_high: Numbers,
    id: Numbers,
    parent_id: Numbers,
    minute: Numbers,
    timestamp_us: Numbers,
    duration_us: Numbers,
    kind: Numbers,
    flags: Numbers,
}

/// One side of spans.
#[derive(Default)]
struct Ends<'a> {
    service: Names<'a>,
    ipv4: Numbers,
    ipv6: Numbers,
    port: Numbers,
}

#[derive(Default)]
struct Rows<'a> {
    keys: Keys,
    name: Names<'a>,
    local: Ends<'a>,
    remote: Ends<'a>,
    tags_count: usize,
    tags: Lists<Pairs<'a>>,
    annotations_count: usize,
    offsets_us: Lists<Numbers>,
    annotations: Lists<Names<'a>>,
    arrived_ms: Numbers,
    arrived_as: Numbers,
}

impl Keys {
    fn with_rows(rows: usize) -> Self {
        let words = || Numbers::with_capacity(rows * size_of::<u64>());
        Self {
            trace_low: words(),
            trace_high: words(),
            id: words(),
            parent_id: words(),
            timestamp_us: words(),
            duration_us: words(),
            ..Self::default()
        }
    }

    fn push(&mut self, span: &Span) {
        self.trace_low.push(span.trace_id.low.to_le_bytes());
        self.trace_high.push(span.trace_id.high.to_le_bytes());
        self.id.push(span.id.0.to_le_bytes());
        let parent_id = span.parent_id.map_or(0, |id| id.0);
        self.parent_id.push(parent_id.to_le_bytes());
        self.minute.push(minute(span.timestamp_us).to_le_bytes());
        self.timestamp_us.push(span.timestamp_us.to_le_bytes());
        self.duration_us.push(span.duration_us.to_le_bytes());
        self.kind.push([span.kind.map_or(0, |kind| kind as u8)]);
        self.flags.push([flags(span)]);
    }
}

impl<'a> Ends<'a> {
    fn push(&mut self, endpoint: Option<&'a Endpoint>) {
        let name = endpoint.and_then(|e| e.service_name.as_deref());
        self.service.push(name.unwrap_or_default());
        let ipv4 = endpoint.and_then(|e| e.ipv4).map_or(0, u32::from);
        self.ipv4.push(ipv4.to_le_bytes());
        let ipv6 = endpoint.and_then(|e| e.ipv6).map_or(0, u128::from);
        self.ipv6.push(ipv6.to_le_bytes());
        self.port.push(endpoint.map_or(0, |e| e.port).to_le_bytes());
    }
}

impl<'a> Rows<'a> {
    fn push(&mut self, span: &'a Span) {
        self.keys.push(span);
        self.name.push(span.name.as_deref().unwrap_or_default());
        self.local.push(span.local_endpoint.as_ref());
        self.remote.push(span.remote_endpoint.as_ref());
        for (key, value) in &span.tags {
            self.tags.values.keys.push(key);
            self.tags.values.values.push(value);
        }
        self.tags_count += span.tags.len();
        self.tags.end_row(self.tags_count);
        for annotation in &span.annotations {
            let offset_us = offset_us(annotation.timestamp_us, span.timestamp_us);
            self.offsets_us.values.push(offset_us.to_le_bytes());
            self.annotations.values.push(&annotation.value);
        }
        self.annotations_count += span.annotations.len();
        self.offsets_us.end_row(self.annotations_count);
        self.annotations.end_row(self.annotations_count);
    }

    fn bytes(&self, rows: usize) -> usize {
        /// What a row takes at most in columns of numbers, and names and types of columns.
        const NUMBERS: usize = 160;
        const HEADS: usize = 2048;
        let names = self.name.bytes() + self.local.service.bytes() + self.remote.service.bytes();
        let lists = self.tags.bytes() + self.offsets_us.bytes() + self.annotations.bytes();
        HEADS + rows * NUMBERS + names + lists
    }

    fn into_block(self, rows: usize) -> Vec<u8> {
        const NAMES: &str = "LowCardinality(String)";
        const COLUMNS: usize = 23;
        let mut block = Block::new((COLUMNS, rows), self.bytes(rows));
        let keys = &self.keys;
        block.add("trace_low", "UInt64", &keys.trace_low);
        block.add("trace_high", "UInt64", &keys.trace_high);
        block.add("id", "UInt64", &keys.id);
        block.add("parent_id", "UInt64", &keys.parent_id);
        block.add("minute", "UInt32", &keys.minute);
        block.add("timestamp_us", "UInt64", &keys.timestamp_us);
        block.add("duration_us", "UInt64", &keys.duration_us);
        block.add("kind", "UInt8", &keys.kind);
        block.add("flags", "UInt8", &keys.flags);
        block.add("name", NAMES, &self.name);
        block.add("service", NAMES, &self.local.service);
        block.add("local_ipv4", "UInt32", &self.local.ipv4);
        block.add("local_ipv6", "UInt128", &self.local.ipv6);
        block.add("local_port", "UInt16", &self.local.port);
        block.add("remote_service", NAMES, &self.remote.service);
        block.add("remote_ipv4", "UInt32", &self.remote.ipv4);
        block.add("remote_ipv6", "UInt128", &self.remote.ipv6);
        block.add("remote_port", "UInt16", &self.remote.port);
        let map = "Map(LowCardinality(String), String)";
        block.add("tags", map, &self.tags);
        block.add("annotation_offsets_us", "Array(Int64)", &self.offsets_us);
        let values = "Array(LowCardinality(String))";
        block.add("annotation_values", values, &self.annotations);
        block.add("arrived_ms", "UInt64", &self.arrived_ms);
        block.add("arrived_as", "UInt32", &self.arrived_as);
        block.into_bytes()
    }
}

fn flags(span: &Span) -> u8 {
    let has = |endpoint: &Option<Endpoint>| match endpoint {
        Some(endpoint) => (endpoint.ipv4.is_some(), endpoint.ipv6.is_some()),
        None => (false, false),
    };
    let (local, remote) = (has(&span.local_endpoint), has(&span.remote_endpoint));
    let bits = [
        (span.debug, flag::DEBUG),
        (span.shared, flag::SHARED),
        (local.0, flag::LOCAL_IPV4),
        (local.1, flag::LOCAL_IPV6),
        (remote.0, flag::REMOTE_IPV4),
        (remote.1, flag::REMOTE_IPV6),
    ];
    let set = bits.iter().filter(|(is_set, _)| *is_set);
    set.fold(0, |flags, (_, bit)| flags | bit)
}

/// Returns how far an annotation is from its span. Both may be anything: it wraps, and so does
/// [`annotation_us`].
fn offset_us(annotation_us: i64, timestamp_us: u64) -> i64 {
    annotation_us.wrapping_sub(timestamp_us.cast_signed())
}

/// Returns the time of an annotation.
pub(crate) fn annotation_us(offset_us: i64, timestamp_us: u64) -> i64 {
    offset_us.wrapping_add(timestamp_us.cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_come_back_at_both_ends_of_time() {
        for us in [i64::MIN, -1, 0, 1, i64::MAX] {
            for of in [0, 1, i64::MAX as u64] {
                assert_eq!(annotation_us(offset_us(us, of), of), us);
            }
        }
    }

    #[test]
    fn lists_are_told_apart_by_time_and_process() {
        let list = |ms, process, place| {
            let arrival = Arrival { ms, process };
            list_of(ms, arrival.of_place(place))
        };
        assert_eq!(list(7, 3, 0), list(7, 3, 999_999));
        assert!(list(7, 3, 0) < list(7, 4, 0) && list(7, 2047, 0) < list(8, 0, 0));
        assert_eq!(ms_of_list(list(7, 2047, 5)), 7);
        assert_eq!(day_of(86_400_000), 1);
    }

    #[test]
    fn every_time_has_a_minute() {
        assert_eq!(minute(0), 0);
        assert_eq!(minute(MINUTE_US), 1);
        assert_eq!(minute(i64::MAX as u64), u32::MAX);
    }
}

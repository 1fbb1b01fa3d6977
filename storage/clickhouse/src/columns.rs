//! Spans to the columns of table `spans`, as the server takes them in its native format. Reading
//! them back is `rows`.

use std::error::Error;
use std::net::{Ipv4Addr, Ipv6Addr};

use clickhouse::native::builder::{BlockBuilder, UpsertColumnError};
use clickhouse::native::encode::{Encode, ValueWriter};
use clickhouse::native::{Block, DataTypeNode};
use speargun_model::{Endpoint, Span};

type Boxed = Box<dyn Error + Send + Sync>;

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

/// Where a list stands among all others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// Milliseconds since the epoch; differs from that of each other list of this process.
    pub(crate) ms: u64,
}

/// Returns the columns of a list of spans, which is not empty.
pub(crate) fn block(spans: &[Span], arrival: Arrival) -> Result<Block, Boxed> {
    let mut builder = Columns(BlockBuilder::new());
    // In the order in which their memory is met: each column walks over all spans.
    builder.add("trace_low", spans.iter().map(|s| s.trace_id.low))?;
    builder.add("trace_high", spans.iter().map(|s| s.trace_id.high))?;
    builder.add("id", spans.iter().map(|s| s.id.0))?;
    let parents = spans.iter().map(|s| s.parent_id.map_or(0, |id| id.0));
    builder.add("parent_id", parents)?;
    builder.add("minute", spans.iter().map(|s| minute(s.timestamp_us)))?;
    builder.add("timestamp_us", spans.iter().map(|s| s.timestamp_us))?;
    builder.add("duration_us", spans.iter().map(|s| s.duration_us))?;
    let kinds = spans.iter().map(|s| s.kind.map_or(0, |kind| kind as u8));
    builder.add("kind", kinds)?;
    builder.add("flags", spans.iter().map(flags))?;
    let names = spans.iter().map(|s| s.name.as_deref().unwrap_or_default());
    builder.add("name", names)?;
    endpoints(&mut builder, spans)?;
    builder.add("tags", spans.iter().map(|s| Tags(&s.tags)))?;
    builder.add("annotation_offsets_us", spans.iter().map(Offsets))?;
    builder.add("annotation_values", spans.iter().map(Values))?;
    builder.add("arrived_ms", spans.iter().map(|_| arrival.ms))?;
    builder.add("arrived_as", (0_u32..).take(spans.len()))?;
    Ok(builder.0.build()?)
}

fn endpoints(builder: &mut Columns, spans: &[Span]) -> Result<(), Boxed> {
    let local = || spans.iter().map(|s| s.local_endpoint.as_ref());
    builder.add("service", local().map(service))?;
    builder.add("local_ipv4", local().map(ipv4))?;
    builder.add("local_ipv6", local().map(ipv6))?;
    builder.add("local_port", local().map(|e| e.map_or(0, |e| e.port)))?;
    let remote = || spans.iter().map(|s| s.remote_endpoint.as_ref());
    builder.add("remote_service", remote().map(service))?;
    builder.add("remote_ipv4", remote().map(ipv4))?;
    builder.add("remote_ipv6", remote().map(ipv6))?;
    builder.add("remote_port", remote().map(|e| e.map_or(0, |e| e.port)))
}

struct Columns(BlockBuilder);

impl Columns {
    fn add<T: Encode>(&mut self, name: &str, values: impl Iterator<Item = T>) -> Result<(), Boxed> {
        let column: Result<_, UpsertColumnError> = self.0.upsert_column::<T>(name);
        column?.add_all(values)?;
        Ok(())
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

fn service(endpoint: Option<&Endpoint>) -> &str {
    endpoint
        .and_then(|e| e.service_name.as_deref())
        .unwrap_or_default()
}

fn ipv4(endpoint: Option<&Endpoint>) -> u32 {
    let address: Option<Ipv4Addr> = endpoint.and_then(|e| e.ipv4);
    address.map_or(0, u32::from)
}

fn ipv6(endpoint: Option<&Endpoint>) -> u128 {
    let address: Option<Ipv6Addr> = endpoint.and_then(|e| e.ipv6);
    address.map_or(0, u128::from)
}

/// Written as a map, without copying the texts into one.
struct Tags<'a>(&'a [(String, String)]);

impl Encode for Tags<'_> {
    fn produces() -> DataTypeNode {
        let text = || Box::new(DataTypeNode::String);
        DataTypeNode::Map([text(), text()])
    }

    fn encode(&self, writer: &mut ValueWriter<'_>) -> Result<(), Boxed> {
        let mut map = writer.write_map::<&str, &str>()?;
        for (key, value) in self.0 {
            map.write(key, value)?;
        }
        map.finish();
        Ok(())
    }
}

/// The times of a span's annotations, counted from its own: small numbers.
struct Offsets<'a>(&'a Span);

impl Encode for Offsets<'_> {
    fn produces() -> DataTypeNode {
        <[i64]>::produces()
    }

    fn encode(&self, writer: &mut ValueWriter<'_>) -> Result<(), Boxed> {
        let mut array = writer.write_array::<i64>()?;
        for annotation in &self.0.annotations {
            array.write(offset_us(annotation.timestamp_us, self.0.timestamp_us))?;
        }
        array.finish();
        Ok(())
    }
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

struct Values<'a>(&'a Span);

impl Encode for Values<'_> {
    fn produces() -> DataTypeNode {
        <[String]>::produces()
    }

    fn encode(&self, writer: &mut ValueWriter<'_>) -> Result<(), Boxed> {
        let mut array = writer.write_array::<&str>()?;
        for annotation in &self.0.annotations {
            array.write(&annotation.value)?;
        }
        array.finish();
        Ok(())
    }
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
    fn every_time_has_a_minute() {
        assert_eq!(minute(0), 0);
        assert_eq!(minute(MINUTE_US), 1);
        assert_eq!(minute(i64::MAX as u64), u32::MAX);
    }

    #[test]
    fn a_list_has_a_row_a_span() {
        let spans = vec![Span::default(); 3];
        let block = block(&spans, Arrival { ms: 5 }).unwrap();
        assert_eq!(block.num_rows(), 3);
    }
}

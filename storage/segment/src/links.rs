//! The summary of a segment's links: for each trace, as the segment alone sees it, the number of
//! its set of links. Most traces of a system have one of few sets, so this takes a fraction of a
//! byte a span. A merged segment has it in its file; of one that was never merged it is made when
//! it is asked for ([`crate::dependencies`]). Whoever sums up links over segments mends what traces
//! that span several need.
//!
//! ```text
//! number of sets, then for each its number of links, then for each link parent and child in the
//! segment's services, calls, errors | planes: the set of each trace
//! ```

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use speargun_model::link::{LinkEndpoint, Linker};
use speargun_model::span::java_order;

use crate::bytes::{Reader, Writer};
use crate::dependencies::{Row, address, put_trace};
use crate::dictionary::text;
use crate::error::Corrupt;
use crate::planes::{self, Planes};
use crate::rows::Operation;

/// Calls between two services of a segment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Link {
    pub(crate) parent: u32,
    pub(crate) child: u32,
    pub(crate) calls: u64,
    pub(crate) errors: u64,
}

/// A summary as read back: little more than its bytes, since all segments that are asked for at
/// once have one.
#[derive(Debug, Default)]
pub(crate) struct LinkSets {
    raw: Vec<u8>,
    /// Where the links of each set start in `raw`, their number first.
    sets: Vec<u32>,
    /// Where the planes start, which give the set of each trace.
    planes: usize,
    traces: usize,
    /// The links of all traces together.
    pub(crate) totals: Vec<Link>,
}

impl LinkSets {
    /// Reads the summary of a segment with so many traces and services.
    pub(crate) fn decode(raw: Vec<u8>, traces: usize, services: usize) -> Result<Self, Corrupt> {
        let mut reader = Reader::new(&raw);
        let mut sets = Vec::with_capacity(reader.count(1)?);
        for _ in 0..sets.capacity() {
            sets.push((raw.len() - reader.remaining()) as u32);
            for _ in 0..reader.count(4)? {
                Link::read(&mut reader, services)?;
            }
        }
        let planes = raw.len() - reader.remaining();
        let of_trace = Planes::new(reader.take(reader.remaining())?, traces)?;
        let mut counts = vec![0_u64; sets.len()];
        for trace in 0..traces {
            let count = counts.get_mut(of_trace.get(trace) as usize);
            *count.ok_or(Corrupt("a trace has a set of links that is not there"))? += 1;
        }
        let mut sets = Self {
            sets,
            planes,
            traces,
            totals: vec![],
            raw,
        };
        sets.totals = sets.sum(&counts);
        Ok(sets)
    }

    /// Returns the links of the sets, each so many times.
    fn sum(&self, counts: &[u64]) -> Vec<Link> {
        let mut totals: HashMap<(u32, u32), (u64, u64), RandomState> = HashMap::default();
        for (set, &count) in counts.iter().enumerate() {
            for link in self.set(set) {
                let total = totals.entry((link.parent, link.child)).or_default();
                total.0 = total.0.wrapping_add(link.calls.wrapping_mul(count));
                total.1 = total.1.wrapping_add(link.errors.wrapping_mul(count));
            }
        }
        let link = |((parent, child), (calls, errors))| Link {
            parent,
            child,
            calls,
            errors,
        };
        totals.into_iter().map(link).collect()
    }

    fn set(&self, set: usize) -> impl Iterator<Item = Link> {
        let start = self.sets.get(set).map_or(usize::MAX, |&at| at as usize);
        let mut reader = Reader::new(self.raw.get(start..).unwrap_or_default());
        let count = reader.number().unwrap_or_default();
        // It was read before, with the number of services.
        (0..count).map_while(move |_| Link::read(&mut reader, usize::MAX).ok())
    }

    /// Returns the links of a trace.
    pub(crate) fn of(&self, trace: usize) -> impl Iterator<Item = Link> {
        let planes = self.raw.get(self.planes..).unwrap_or_default();
        let set = Planes::new(planes, self.traces).map_or(u64::MAX, |planes| planes.get(trace));
        self.set(set as usize)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.raw.len() + self.sets.len() * size_of::<u32>() + self.totals.len() * size_of::<Link>()
    }
}

impl Link {
    fn read(reader: &mut Reader<'_>, services: usize) -> Result<Self, Corrupt> {
        let link = Self {
            parent: reader.number32()?,
            child: reader.number32()?,
            calls: reader.number()?,
            errors: reader.number()?,
        };
        if link.parent as usize >= services || link.child as usize >= services {
            return Err(Corrupt("a link names a service that is not there"));
        }
        Ok(link)
    }
}

/// A row of a trace as links are found from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkRow {
    pub(crate) id: u64,
    pub(crate) parent: u64,
    pub(crate) timestamp: u64,
    pub(crate) operation: u32,
    pub(crate) local: u32,
    /// Whether it has a tag named error.
    pub(crate) error: bool,
}

/// Makes the summary while the traces of a segment are written one by one.
#[derive(Debug)]
pub(crate) struct Summary {
    /// The linker lets the order of names decide between reports that contradict each other, so it
    /// gets each name's rank; these are the services by rank.
    by_rank: Vec<u32>,
    /// What each operation and each address is to the linker.
    operations: Vec<Row>,
    addresses: Vec<LinkEndpoint<u32>>,
    linker: Linker<u32>,
    trace: Vec<Row>,
    /// The links of the trace in hand.
    set: Vec<Link>,
    sets: HashMap<Vec<Link>, u32, RandomState>,
    of_trace: Vec<u32>,
}

impl Summary {
    /// Returns the summary of no traces yet, whose rows have these dictionaries.
    pub(crate) fn new<'d>(
        services: impl Iterator<Item = &'d [u8]>,
        operations: &[Operation],
        addresses: impl Iterator<Item = &'d [u8]>,
    ) -> Self {
        let names: Vec<String> = services.map(text).collect();
        let mut by_rank: Vec<u32> = (0..names.len() as u32).collect();
        let name = |code: u32| names.get(code as usize).map_or("", String::as_str);
        by_rank.sort_by(|&a, &b| java_order(name(a), name(b)));
        let mut ranks = vec![0; by_rank.len()];
        for (rank, &code) in by_rank.iter().enumerate() {
            if let Some(place) = ranks.get_mut(code as usize) {
                *place = rank as u32;
            }
        }
        let rank_of = |code: u32| {
            let rank = ranks.get(code as usize).copied();
            rank.filter(|_| !name(code).is_empty())
        };
        let operations = operations
            .iter()
            .map(|operation| crate::dependencies::row(*operation, rank_of))
            .collect();
        Self {
            operations,
            addresses: addresses.map(address).collect(),
            linker: Linker::default(),
            trace: vec![],
            set: vec![],
            sets: HashMap::default(),
            of_trace: vec![],
            by_rank,
        }
    }

    /// Adds a row to the trace in hand, in order of arrival.
    #[inline]
    pub(crate) fn push(&mut self, row: LinkRow) {
        let operation = self.operations.get(row.operation as usize);
        let address = self.addresses.get(row.local as usize);
        if let (Some(operation), Some(address)) = (operation, address) {
            self.trace.push(Row {
                id: row.id,
                parent_id: row.parent,
                timestamp_us: row.timestamp,
                error: row.error,
                local: LinkEndpoint {
                    service: operation.local.service,
                    ..*address
                },
                ..*operation
            });
        }
    }

    /// Finds the links of the trace in hand, and begins the next.
    pub(crate) fn end_trace(&mut self) {
        self.linker.clear();
        put_trace(&mut self.linker, &self.trace);
        self.trace.clear();
        let service = |rank: u32| self.by_rank.get(rank as usize).copied().unwrap_or_default();
        let links = self.linker.counts().iter().map(|count| Link {
            parent: service(count.parent),
            child: service(count.child),
            calls: count.call_count,
            errors: count.error_count,
        });
        self.set.clear();
        self.set.extend(links);
        self.set.sort_unstable();
        let next = self.sets.len() as u32;
        let known = self.sets.get(self.set.as_slice());
        let number = known.copied().unwrap_or(next);
        if number == next {
            self.sets.insert(self.set.clone(), next);
        }
        self.of_trace.push(number);
    }

    /// Returns the bytes of the section.
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut sets: Vec<(Vec<Link>, u32)> = self.sets.into_iter().collect();
        sets.sort_unstable_by_key(|&(_, number)| number);
        let mut out = Writer::default();
        out.number(sets.len() as u64);
        for (set, _) in &sets {
            out.number(set.len() as u64);
            for link in set {
                out.number(u64::from(link.parent));
                out.number(u64::from(link.child));
                out.number(link.calls);
                out.number(link.errors);
            }
        }
        planes::write32(&mut out.out, &self.of_trace);
        out.out
    }
}

//! Spans as fixed-size rows over dictionaries, before they are sorted and written: what a segment
//! is made of. Rows come from batches here, and from other segments in [`crate::absorb`].
//!
//! Tag keys are columns. The keys of a span, in the order received, are its *shape*; shapes are
//! found by walking a trie from the span's operation, so that the usual next key costs a comparison
//! and no hash. Values are numbered per column; a column whose values rarely repeat turns *plain*
//! and keeps them as they come. A span whose keys would make too many columns or shapes goes into
//! the *loose* column with all its tags as one value, so that no sender can blow up a segment.

mod address;
mod last;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use speargun_model::batch::{EndpointRecord, Text};
use speargun_model::{Kind, SpanView};

use crate::bytes::Writer;
use crate::column::Column;
use crate::intern::{Interner, Known};
use address::AddressKey;
use last::Last;

/// The column of annotation values.
pub(crate) const ANNOTATIONS: u32 = 0;
/// The column of whole tag sets that have no columns of their own.
pub(crate) const LOOSE: u32 = 1;
/// Columns that are no tag keys.
pub(crate) const FIXED_COLUMNS: u32 = 2;
/// Tag keys that get a column of their own.
const KEYS_MAX: usize = 1024;
/// Nodes of the trie over all operations.
const NODES_MAX: usize = 1 << 16;
/// Keys of one span beyond which it is loose.
pub(crate) const SHAPE_KEYS_MAX: usize = 256;
/// Children of a node that are tried one by one before the hash.
const CHILDREN_TRIED: usize = 6;

/// What the spans of one operation have in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Operation {
    /// The local service, in `services`.
    pub(crate) service: u32,
    /// The remote service, in `services`.
    pub(crate) remote: u32,
    /// The span name, in `names`.
    pub(crate) name: u32,
    /// Kind in the low 3 bits, then debug, then shared.
    pub(crate) flags: u8,
}

impl Operation {
    pub(crate) fn flags_of(kind: Option<Kind>, debug: bool, shared: bool) -> u8 {
        kind.map_or(0, |kind| kind as u8) | u8::from(debug) << 3 | u8::from(shared) << 4
    }

    pub(crate) fn kind(self) -> Option<Kind> {
        Kind::from_number(u64::from(self.flags & 7))
    }

    pub(crate) fn debug(self) -> bool {
        self.flags & 8 != 0
    }

    pub(crate) fn shared(self) -> bool {
        self.flags & 16 != 0
    }
}

/// A span as numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Row {
    pub(crate) low: u64,
    pub(crate) high: u64,
    pub(crate) id: u64,
    pub(crate) parent: u64,
    pub(crate) timestamp: u64,
    pub(crate) duration: u64,
    pub(crate) operation: u32,
    pub(crate) shape: u32,
    pub(crate) local: u32,
    pub(crate) remote: u32,
    pub(crate) remote_port: u16,
    /// The first code in `codes`; as many follow as the shape has keys.
    pub(crate) codes: u32,
    pub(crate) annotations: u32,
    pub(crate) annotation_count: u32,
}

#[derive(Debug)]
struct Child {
    column: u32,
    node: u32,
    key: Known,
    /// The value that was here last: the spans of an operation often have the same.
    last: Known,
}

#[derive(Debug, Default)]
struct Node {
    children: Vec<Child>,
    shape: Option<u32>,
}

/// Rows and their dictionaries.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) rows: Vec<Row>,
    pub(crate) codes: Vec<u32>,
    pub(crate) annotations: Vec<(i64, u32)>,
    pub(crate) services: Interner,
    pub(crate) names: Interner,
    /// Addresses without service name: see [`AddressKey`].
    pub(crate) addresses: Interner,
    pub(crate) operations: Vec<Operation>,
    pub(crate) shapes: Vec<Vec<u32>>,
    /// Tag keys; the key with number `n` is column `n + FIXED_COLUMNS`.
    pub(crate) keys: Interner,
    pub(crate) columns: Vec<Column>,
    operation_codes: HashMap<Operation, u32, RandomState>,
    roots: Vec<u32>,
    nodes: Vec<Node>,
    edges: HashMap<(u32, u32), u32, RandomState>,
    last: Last,
}

impl Rows {
    pub(crate) fn new() -> Self {
        Self {
            rows: vec![],
            codes: vec![],
            annotations: vec![],
            services: Interner::new(),
            names: Interner::new(),
            addresses: Interner::new(),
            operations: vec![],
            shapes: vec![],
            keys: Interner::new(),
            columns: vec![Column::new(false), Column::new(true)],
            operation_codes: HashMap::default(),
            roots: vec![],
            nodes: vec![],
            edges: HashMap::default(),
            last: Last::default(),
        }
    }

    /// Returns no rows yet, with room for so many.
    pub(crate) fn with_room(rows: usize) -> Self {
        /// Tags that a span usually has at most.
        const TAGS_A_ROW: usize = 8;
        Self {
            rows: Vec::with_capacity(rows),
            codes: Vec::with_capacity(rows * TAGS_A_ROW),
            ..Self::new()
        }
    }

    /// Appends a span of a batch.
    pub(crate) fn push(&mut self, span: &SpanView<'_>) {
        let record = span.record();
        let last = &mut self.last;
        let (services, names) = (&mut self.services, &mut self.names);
        let operation = Operation {
            service: last.services.intern(services, span.local_service_name()),
            remote: last.services.intern(services, span.remote_service_name()),
            name: last.names.intern(names, span.name()),
            flags: Operation::flags_of(record.kind, record.debug, record.shared),
        };
        let operation = self.operation(operation);
        let local = self.local(span);
        let remote = self.remote(span);
        let codes = self.codes.len() as u32;
        let shape = self.push_tags(operation, span);
        let annotations = self.annotations.len() as u32;
        for (time, value) in span.annotations() {
            let mut last = self.last.annotation;
            let code = self.column(ANNOTATIONS).put(&mut last, value);
            self.last.annotation = last;
            self.annotations.push((time, code));
        }
        self.rows.push(Row {
            low: record.trace_id.low,
            high: record.trace_id.high,
            id: record.id,
            parent: record.parent_id,
            timestamp: record.timestamp_us,
            duration: record.duration_us,
            operation,
            shape,
            local,
            remote,
            remote_port: record.remote.port,
            codes,
            annotations,
            annotation_count: self.annotations.len() as u32 - annotations,
        });
    }

    /// Returns the number of the local address, which all spans of a batch often have.
    #[inline]
    fn local(&mut self, span: &SpanView<'_>) -> u32 {
        let local = EndpointRecord {
            service_name: Text::default(),
            ..span.record().local
        };
        // Where IPv6 addresses lie is the batch's business.
        if self.last.local != Some(local) || local.ipv6 != 0 {
            let key = AddressKey::of(&local, span).with_port(local.port);
            self.last.local_address = self.addresses.intern(key.as_slice());
            self.last.local = Some(local);
        }
        self.last.local_address
    }

    /// Returns the number of the remote address, of which an operation has few.
    #[inline]
    fn remote(&mut self, span: &SpanView<'_>) -> u32 {
        let remote = &span.record().remote;
        if let Some(known) = self.last.remote_of(remote) {
            return known;
        }
        let key = AddressKey::of(remote, span);
        let code = self.addresses.intern(key.as_slice());
        self.last.remember_remote(remote, code);
        code
    }

    /// Returns the number of an operation.
    #[inline]
    pub(crate) fn operation(&mut self, operation: Operation) -> u32 {
        if let Some(code) = self.last.code_of(operation) {
            return code;
        }
        let next = self.operations.len() as u32;
        let code = *self.operation_codes.entry(operation).or_insert(next);
        if code == next {
            self.operations.push(operation);
            self.roots.push(self.nodes.len() as u32);
            self.nodes.push(Node::default());
        }
        self.last.remember(operation, code);
        code
    }

    pub(crate) fn column(&mut self, column: u32) -> &mut Column {
        #[expect(
            clippy::indexing_slicing,
            reason = "columns are numbered by this struct"
        )]
        &mut self.columns[column as usize]
    }

    /// Appends the codes of the span's tags; returns its shape.
    fn push_tags(&mut self, operation: u32, span: &SpanView<'_>) -> u32 {
        let first = self.codes.len();
        let mut node = self.root(operation);
        if span.tags().len() > SHAPE_KEYS_MAX {
            return self.push_loose(operation, span.tags());
        }
        for (key, value) in span.tags() {
            let Some(next) = self.put_tag(node, key, value) else {
                self.codes.truncate(first);
                return self.push_loose(operation, span.tags());
            };
            node = next;
        }
        self.shape_at(node, || span.tags().map(|(key, _)| key))
    }

    fn root(&self, operation: u32) -> u32 {
        self.roots
            .get(operation as usize)
            .copied()
            .unwrap_or_default()
    }

    /// Appends all tags as one value of the loose column.
    fn push_loose<'t>(
        &mut self,
        operation: u32,
        tags: impl Iterator<Item = (&'t [u8], &'t [u8])>,
    ) -> u32 {
        let mut value = Writer::default();
        for (key, text) in tags {
            value.string(key);
            value.string(text);
        }
        self.push_loose_value(operation, &value.out)
    }

    /// Appends a value of the loose column; returns the shape of a loose span.
    fn push_loose_value(&mut self, operation: u32, value: &[u8]) -> u32 {
        let code = self.column(LOOSE).put_plain(value);
        self.codes.push(code);
        let root = self.root(operation);
        let node = match self.edge(root, LOOSE) {
            Some(node) => node,
            None => self.add_child(root, LOOSE),
        };
        self.shape_of_columns(node, &[LOOSE])
    }

    /// Appends the code of a tag; returns the node behind `node` for its key, or `None` when the
    /// segment has no room for another column or shape.
    #[inline]
    fn put_tag(&mut self, node: u32, key: &[u8], value: &[u8]) -> Option<u32> {
        let children = &mut self.nodes.get_mut(node as usize)?.children;
        for child in children.iter_mut().take(CHILDREN_TRIED) {
            if self.keys.is(&child.key, key) {
                let column = self.columns.get_mut(child.column as usize)?;
                self.codes.push(column.put(&mut child.last, value));
                return Some(child.node);
            }
        }
        let (node, column) = self.child_by_hash(node, key)?;
        let mut first = Known::NONE;
        let code = self.column(column).put(&mut first, value);
        self.codes.push(code);
        Some(node)
    }

    #[inline(never)]
    fn child_by_hash(&mut self, node: u32, key: &[u8]) -> Option<(u32, u32)> {
        let column = self.key_column(key)?;
        if let Some(child) = self.edge(node, column) {
            return Some((child, column));
        }
        (self.nodes.len() < NODES_MAX).then(|| (self.add_child(node, column), column))
    }

    /// Returns the column of a tag key; `None` when there is no room for another.
    pub(crate) fn key_column(&mut self, key: &[u8]) -> Option<u32> {
        let before = self.keys.len();
        if before >= KEYS_MAX {
            // A full dictionary takes no more, but still knows what is in it.
            return self.keys.find(key).map(|code| code + FIXED_COLUMNS);
        }
        let column = self.keys.intern(key) + FIXED_COLUMNS;
        if self.keys.len() > before {
            self.columns.push(Column::new(false));
        }
        Some(column)
    }

    fn edge(&self, node: u32, column: u32) -> Option<u32> {
        self.edges.get(&(node, column)).copied()
    }

    fn add_child(&mut self, node: u32, column: u32) -> u32 {
        let child = self.nodes.len() as u32;
        // What is no tag has no key.
        let key = column.checked_sub(FIXED_COLUMNS);
        let key = key.map_or(Known::NONE, |key| self.keys.known(key));
        self.nodes.push(Node::default());
        self.edges.insert((node, column), child);
        if let Some(parent) = self.nodes.get_mut(node as usize) {
            parent.children.push(Child {
                column,
                node: child,
                key,
                last: Known::NONE,
            });
        }
        child
    }

    /// Returns the shape at a node that keys have led to.
    fn shape_at<'k, I: Iterator<Item = &'k [u8]>>(
        &mut self,
        node: u32,
        keys: impl FnOnce() -> I,
    ) -> u32 {
        if let Some(shape) = self.nodes.get(node as usize).and_then(|node| node.shape) {
            return shape;
        }
        let columns: Vec<u32> = keys().filter_map(|key| self.key_column(key)).collect();
        self.shape_of_columns(node, &columns)
    }

    fn shape_of_columns(&mut self, node: u32, columns: &[u32]) -> u32 {
        let next = self.shapes.len() as u32;
        let Some(node) = self.nodes.get_mut(node as usize) else {
            return next;
        };
        let shape = *node.shape.get_or_insert(next);
        if shape == next {
            self.shapes.push(columns.to_vec());
        }
        shape
    }
}

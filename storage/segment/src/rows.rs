//! Spans as fixed-size rows over dictionaries, before they are sorted and written: what a segment
//! is made of. Rows come from batches here, and from other segments in [`crate::absorb`].
//!
//! Tag keys are columns. The keys of a span, in the order received, are its *shape*; shapes are
//! found by walking a trie from the span's operation, so that the usual next key costs a comparison
//! and no hash. Values are numbered per column; a column whose values rarely repeat turns *plain*
//! and keeps them as they come. A span whose keys would make too many columns or shapes goes into
//! the *loose* column with all its tags as one value, so that no sender can blow up a segment.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use speargun_model::batch::EndpointRecord;
use speargun_model::{Kind, SpanView};

use crate::bytes::Writer;
use crate::column::Column;
use crate::intern::Interner;

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
    /// Addresses without service name: see [`local_key`] and [`remote_key`].
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
    scratch: Vec<u8>,
}

/// What the row before had, which the next one often has again.
#[derive(Debug, Default)]
struct Last {
    service: u32,
    remote: u32,
    name: u32,
    local: u32,
    remote_address: u32,
    operation: Option<(Operation, u32)>,
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
            scratch: vec![],
        }
    }

    /// Appends a span of a batch.
    pub(crate) fn push(&mut self, span: &SpanView<'_>) {
        let record = span.record();
        let operation = Operation {
            service: self
                .services
                .intern_near(&mut self.last.service, span.local_service_name()),
            remote: self
                .services
                .intern_near(&mut self.last.remote, span.remote_service_name()),
            name: self.names.intern_near(&mut self.last.name, span.name()),
            flags: Operation::flags_of(record.kind, record.debug, record.shared),
        };
        let operation = self.operation(operation);
        local_key(&mut self.scratch, &record.local, span);
        let local = self
            .addresses
            .intern_near(&mut self.last.local, &self.scratch);
        remote_key(&mut self.scratch, &record.remote, span);
        let remote = self
            .addresses
            .intern_near(&mut self.last.remote_address, &self.scratch);
        let codes = self.codes.len() as u32;
        let shape = self.push_tags(operation, span);
        let annotations = self.annotations.len() as u32;
        for (time, value) in span.annotations() {
            let code = self.column(ANNOTATIONS).put(value);
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

    /// Returns the number of an operation.
    #[inline]
    pub(crate) fn operation(&mut self, operation: Operation) -> u32 {
        if let Some((last, code)) = self.last.operation
            && last == operation
        {
            return code;
        }
        let next = self.operations.len() as u32;
        let code = *self.operation_codes.entry(operation).or_insert(next);
        if code == next {
            self.operations.push(operation);
            self.roots.push(self.nodes.len() as u32);
            self.nodes.push(Node::default());
        }
        self.last.operation = Some((operation, code));
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
            let Some((child, column)) = self.child(node, key) else {
                self.codes.truncate(first);
                return self.push_loose(operation, span.tags());
            };
            let code = self.column(column).put(value);
            self.codes.push(code);
            node = child;
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

    /// Returns the node and column behind `node` for a key; `None` when the segment has no room
    /// for another column or shape.
    #[inline]
    fn child(&mut self, node: u32, key: &[u8]) -> Option<(u32, u32)> {
        let children = &self.nodes.get(node as usize)?.children;
        for child in children.iter().take(CHILDREN_TRIED) {
            if child.column >= FIXED_COLUMNS && self.keys.get(child.column - FIXED_COLUMNS) == key {
                return Some((child.node, child.column));
            }
        }
        self.child_by_hash(node, key)
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
        self.nodes.push(Node::default());
        self.edges.insert((node, column), child);
        if let Some(parent) = self.nodes.get_mut(node as usize) {
            parent.children.push(Child {
                column,
                node: child,
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

/// Writes what is kept of a local endpoint beside its name: flags, IPv4, port, IPv6.
fn local_key(out: &mut Vec<u8>, endpoint: &EndpointRecord, span: &SpanView<'_>) {
    remote_key(out, endpoint, span);
    out.extend_from_slice(&endpoint.port.to_le_bytes());
}

/// Writes what is kept of a remote endpoint beside its name and port: ports of callers are
/// ephemeral, so they have a column of their own.
fn remote_key(out: &mut Vec<u8>, endpoint: &EndpointRecord, span: &SpanView<'_>) {
    out.clear();
    let ipv6 = span.ipv6(endpoint);
    out.push(u8::from(endpoint.has_ipv4) | u8::from(ipv6.is_some()) << 1);
    if endpoint.has_ipv4 {
        out.extend_from_slice(&endpoint.ipv4.to_be_bytes());
    }
    out.extend_from_slice(ipv6.as_ref().map_or(&[], |address| address.as_slice()));
}

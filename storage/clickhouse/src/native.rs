//! A block of rows in the server's native format, each column filled by itself, so that one pass
//! over the rows is enough and all of it is sent at once. Which columns there are is `columns`'
//! business.
//!
//! ```text
//! block            columns, rows (LEB128), then each column
//! column           name, type, values             a text is its length (LEB128) and its bytes
//! UInt64 ..        little endian, one after the other
//! String           texts, one after the other
//! LowCardinality   u64 1, and when there are values: u64 0x600 + width (0 is u8, 1 u16, 2 u32),
//!                  u64 texts, the texts, the empty one first; u64 values, the index of each
//! Array            the u64 1 of what is inside, if it has one; the u64 end of each row's elements;
//!                  all elements
//! Map              as an array of keys, and then all values
//! ```

use std::collections::HashMap;

use clickhouse::Client;
use foldhash::fast::RandomState;

/// The only version of dictionaries that there is: texts and indexes of one block.
const DICTIONARY_VERSION: u64 = 1;
/// The dictionary is in the block, all of it.
const DICTIONARY_INSIDE: u64 = 0x600;

/// Bytes that are sent at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// The values of a column, as bytes that follow its name and type.
pub(crate) trait Values {
    /// Adds what goes before all else, for what is nested too.
    fn put_prefix(&self, _out: &mut Vec<u8>) {}

    /// Adds the values.
    fn put(&self, out: &mut Vec<u8>);

    /// Returns about how many bytes that are.
    fn bytes(&self) -> usize;
}

/// A block that is being put together.
#[derive(Debug)]
pub(crate) struct Block {
    out: Vec<u8>,
}

/// Numbers.
#[derive(Debug, Default)]
pub(crate) struct Numbers(Vec<u8>);

/// Texts, of which hardly two are equal.
#[derive(Debug, Default)]
pub(crate) struct Texts(Vec<u8>);

/// Texts of which many are equal: each is written once.
#[derive(Debug)]
pub(crate) struct Names<'a> {
    places: HashMap<&'a str, u32, RandomState>,
    texts: Texts,
    indexes: Vec<u32>,
}

/// Rows of many values each.
#[derive(Debug, Default)]
pub(crate) struct Lists<V> {
    ends: Numbers,
    pub(crate) values: V,
}

/// Rows of keys with a value each.
#[derive(Debug, Default)]
pub(crate) struct Pairs<'a> {
    pub(crate) keys: Names<'a>,
    pub(crate) values: Texts,
}

// === impl Block ===

impl Block {
    /// Begins a block, whose columns take about so many bytes.
    pub(crate) fn new((columns, rows): (usize, usize), bytes: usize) -> Self {
        let mut out = Vec::with_capacity(bytes);
        put_length(&mut out, columns);
        put_length(&mut out, rows);
        Self { out }
    }

    pub(crate) fn add(&mut self, name: &str, of_type: &str, values: &impl Values) {
        put_text(&mut self.out, name);
        put_text(&mut self.out, of_type);
        values.put_prefix(&mut self.out);
        values.put(&mut self.out);
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.out
    }
}

/// Sends a block into a table; `settings` go along.
pub(crate) async fn insert(
    client: Client,
    table: &str,
    block: &bytes::Bytes,
    settings: &[(&str, &str)],
) -> clickhouse::error::Result<()> {
    // The way to the server is short, and its CPU is dearer than what it carries.
    let client = client.with_compression(clickhouse::Compression::None);
    let mut insert = client.insert_formatted_with(format!("INSERT INTO {table} FORMAT Native"));
    for (name, value) in settings {
        insert = insert.with_setting(*name, *value);
    }
    let mut rest = block.clone();
    while !rest.is_empty() {
        let now = rest.split_to(CHUNK_BYTES.min(rest.len()));
        insert.send(now).await?;
    }
    insert.end().await
}

// === impl Values ===

impl Numbers {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    pub(crate) fn push<const N: usize>(&mut self, little_endian: [u8; N]) {
        self.0.extend_from_slice(&little_endian);
    }
}

impl Values for Numbers {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn bytes(&self) -> usize {
        self.0.len()
    }
}

impl Texts {
    pub(crate) fn push(&mut self, text: &str) {
        put_text(&mut self.0, text);
    }
}

impl Values for Texts {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn bytes(&self) -> usize {
        self.0.len()
    }
}

impl Default for Names<'_> {
    fn default() -> Self {
        let mut texts = Texts::default();
        texts.push("");
        Self {
            places: HashMap::from_iter([("", 0)]),
            texts,
            indexes: Vec::new(),
        }
    }
}

impl<'a> Names<'a> {
    pub(crate) fn push(&mut self, text: &'a str) {
        let next = self.places.len() as u32;
        let place = *self.places.entry(text).or_insert(next);
        if place == next {
            self.texts.push(text);
        }
        self.indexes.push(place);
    }
}

impl Values for Names<'_> {
    fn put_prefix(&self, out: &mut Vec<u8>) {
        put_u64(out, DICTIONARY_VERSION);
    }

    fn put(&self, out: &mut Vec<u8>) {
        if self.indexes.is_empty() {
            return;
        }
        let width = match self.places.len() {
            0..=0x100 => 0,
            0x101..=0x1_0000 => 1,
            _ => 2,
        };
        put_u64(out, DICTIONARY_INSIDE + width);
        put_u64(out, self.places.len() as u64);
        self.texts.put(out);
        put_u64(out, self.indexes.len() as u64);
        match width {
            0 => out.extend(self.indexes.iter().map(|index| *index as u8)),
            1 => put_all(
                out,
                self.indexes
                    .iter()
                    .map(|index| (*index as u16).to_le_bytes()),
            ),
            _ => put_all(out, self.indexes.iter().map(|index| index.to_le_bytes())),
        }
    }

    fn bytes(&self) -> usize {
        self.texts.bytes() + self.indexes.len() * size_of::<u32>()
    }
}

impl<V> Lists<V> {
    /// Ends a row, which began where the one before ended; `end` values were pushed so far.
    pub(crate) fn end_row(&mut self, end: usize) {
        self.ends.push((end as u64).to_le_bytes());
    }
}

impl<V: Values> Values for Lists<V> {
    fn put_prefix(&self, out: &mut Vec<u8>) {
        self.values.put_prefix(out);
    }

    fn put(&self, out: &mut Vec<u8>) {
        self.ends.put(out);
        self.values.put(out);
    }

    fn bytes(&self) -> usize {
        self.ends.bytes() + self.values.bytes()
    }
}

impl Values for Pairs<'_> {
    fn put_prefix(&self, out: &mut Vec<u8>) {
        self.keys.put_prefix(out);
    }

    fn put(&self, out: &mut Vec<u8>) {
        self.keys.put(out);
        self.values.put(out);
    }

    fn bytes(&self) -> usize {
        self.keys.bytes() + self.values.bytes()
    }
}

fn put_all<const N: usize>(out: &mut Vec<u8>, values: impl Iterator<Item = [u8; N]>) {
    values.for_each(|value| out.extend_from_slice(&value));
}

fn put_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_length(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Adds a length in LEB128.
fn put_length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(values: &impl Values) -> Vec<u8> {
        let mut out = Vec::new();
        values.put_prefix(&mut out);
        values.put(&mut out);
        out
    }

    #[test]
    fn a_block_is_names_types_and_values() {
        let mut numbers = Numbers::default();
        numbers.push(7_u16.to_le_bytes());
        let mut texts = Texts::default();
        texts.push("ab");
        let mut block = Block::new((2, 1), 0);
        block.add("n", "UInt16", &numbers);
        block.add("t", "String", &texts);
        let expected = b"\x02\x01\x01n\x06UInt16\x07\0\x01t\x06String\x02ab";
        assert_eq!(block.into_bytes(), expected);
    }

    #[test]
    fn lengths_take_as_many_bytes_as_they_need() {
        for (length, bytes) in [
            (0, &[0][..]),
            (127, &[127]),
            (128, &[0x80, 1]),
            (300, &[0xac, 2]),
            (1 << 21, &[0x80, 0x80, 0x80, 1]),
        ] {
            let mut out = Vec::new();
            put_length(&mut out, length);
            assert_eq!(out, bytes);
        }
    }

    #[test]
    fn equal_names_are_written_once() {
        let mut names = Names::default();
        for name in ["a", "", "b", "a"] {
            names.push(name);
        }
        let expected = b"\x01\0\0\0\0\0\0\0\x00\x06\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\0\x01a\x01b\
            \x04\0\0\0\0\0\0\0\x01\0\x02\x01";
        assert_eq!(put(&names), expected);
        assert_eq!(put(&Names::default()), DICTIONARY_VERSION.to_le_bytes());
    }

    #[test]
    fn many_names_have_wider_indexes() {
        for (count, width) in [(255, 1), (256, 2), (65_535, 2), (65_536, 4)] {
            let texts: Vec<String> = (0..count).map(|n| n.to_string()).collect();
            let mut names = Names::default();
            texts.iter().for_each(|text| names.push(text));
            let head = 4 * size_of::<u64>() + names.texts.bytes();
            assert_eq!(put(&names).len(), head + count * width, "{count}");
        }
    }

    #[test]
    fn lists_say_where_each_row_ends() {
        let mut lists = Lists::<Texts>::default();
        lists.values.push("x");
        lists.end_row(1);
        lists.end_row(1);
        let expected = b"\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01x";
        assert_eq!(put(&lists), expected);
    }
}

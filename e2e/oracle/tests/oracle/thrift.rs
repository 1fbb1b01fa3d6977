//! Random lists of v1 spans in thrift's binary protocol, written by hand so that they can be
//! wrong in any way.

use crate::chance::Pick;

mod kind {
    pub(super) const BOOL: u8 = 2;
    pub(super) const I16: u8 = 6;
    pub(super) const I32: u8 = 8;
    pub(super) const I64: u8 = 10;
    pub(super) const STRING: u8 = 11;
    pub(super) const STRUCT: u8 = 12;
    pub(super) const LIST: u8 = 15;
}

const VALUES: [&[u8]; 14] = [
    b"cs",
    b"cr",
    b"sr",
    b"ss",
    b"ms",
    b"mr",
    b"ws",
    b"wr",
    b"cs",
    b"sr",
    b"x",
    b"",
    b"\xff",
    b"\xed\xa0\x80",
];
const KEYS: [&[u8]; 9] = [
    b"sa", b"ca", b"ma", b"lc", b"error", b"k", b"", b"sa", b"\xc3",
];
const TEXTS: [&[u8]; 6] = [b"\x01", b"\x01", b"v", b"", b"\x00", "é😀".as_bytes()];
const NAMES: [&[u8]; 7] = [b"a", b"b", b"B", b"c", b"", "É".as_bytes(), b"\xff"];
const NUMBERS: [i64; 8] = [0, 0, 1, 7, -3, i64::MAX, i64::MIN, 1 << 40];

/// Bytes that decide something in thrift.
const DECISIVE: &[u8] = &[
    0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0x7f, 0x80, 0xff,
];

/// Returns a body.
pub(crate) fn body(pick: &mut Pick) -> Vec<u8> {
    pick.change_writer();
    let mut body = vec![if pick.slips_in(20) { 11 } else { 12 }];
    let spans = 1 + pick.below(8) / 6;
    let counted = if pick.slips_in(20) {
        pick.below(4)
    } else {
        spans
    };
    body.extend_from_slice(&(counted as u32).to_be_bytes());
    for _ in 0..spans {
        let span = span(pick);
        body.extend_from_slice(&span);
    }
    if pick.once_in(20) {
        body.push(pick.bits() as u8);
    }
    if pick.slips_in(1) || pick.once_in(4) {
        for _ in 0..=pick.below(2) {
            pick.damage(&mut body, DECISIVE);
        }
    }
    body
}

fn span(pick: &mut Pick) -> Vec<u8> {
    let mut fields = Vec::new();
    for number in [1, 4] {
        if !pick.slips_in(20) {
            fields.push(long(number, small(pick, 3) + 1));
        }
    }
    if pick.once_in(3) {
        fields.push(long(12, small(pick, 3)));
    }
    if pick.once_in(2) {
        fields.push(long(5, small(pick, 4)));
    }
    for number in [10, 11] {
        if !pick.once_in(3) {
            fields.push(long(number, time(pick)));
        }
    }
    if !pick.once_in(3) {
        fields.push(text(pick, 3, &NAMES));
    }
    if pick.once_in(3) {
        fields.push(vec![kind::BOOL, 0, 9, pick.below(3) as u8]);
    }
    fields.push(list(pick, 6, annotation));
    fields.push(list(pick, 8, binary_annotation));
    structure(pick, fields)
}

fn annotation(pick: &mut Pick) -> Vec<u8> {
    let fields = vec![long(1, time(pick)), text(pick, 2, &VALUES), host(pick, 3)];
    structure(pick, fields)
}

fn binary_annotation(pick: &mut Pick) -> Vec<u8> {
    let number = [0, 6, 6, 6, 0, 0, 1, 3][pick.below(8)];
    let of_kind = [&[kind::I32, 0, 3, 0, 0, 0][..], &[number]].concat();
    let fields = vec![
        text(pick, 1, &KEYS),
        text(pick, 2, &TEXTS),
        of_kind,
        host(pick, 4),
    ];
    structure(pick, fields)
}

fn host(pick: &mut Pick, number: u8) -> Vec<u8> {
    if pick.once_in(6) {
        return Vec::new();
    }
    let address = pick.below(3) as u8;
    let mut fields = vec![
        vec![kind::I32, 0, 1, address / 2 * 10, 0, 0, address],
        vec![
            kind::I16,
            0,
            2,
            pick.below(9) as u8 / 8 * 0xff,
            pick.below(3) as u8,
        ],
        text(pick, 3, &NAMES),
    ];
    if pick.once_in(4) {
        let length = if pick.slips_in(5) { pick.below(18) } else { 16 };
        let mut address: Vec<u8> = (0..length).map(|_| pick.bits() as u8).collect();
        if pick.once_in(2) {
            let zeros = address.len().min(12);
            address[..zeros].fill(0);
        }
        fields.push(bytes(4, &address));
    }
    [&[kind::STRUCT, 0, number], &structure(pick, fields)[..]].concat()
}

/// Joins most fields, in most orders, sometimes with one that nobody knows.
fn structure(pick: &mut Pick, mut fields: Vec<Vec<u8>>) -> Vec<u8> {
    if pick.slips_in(15) && !fields.is_empty() {
        fields.swap_remove(pick.below(fields.len()));
    }
    if pick.slips_in(15) {
        fields.push(unknown(pick));
    }
    if pick.once_in(2) {
        pick.shuffle(&mut fields);
    }
    let mut out = fields.concat();
    out.push(0);
    out
}

fn unknown(pick: &mut Pick) -> Vec<u8> {
    let number = [1, 2, 3, 4, 7, 13, 200][pick.below(7)];
    match pick.below(6) {
        0 => vec![kind::BOOL, 0, number, 1],
        1 => [&[kind::I64, 0, number], &[1; 8][..]].concat(),
        2 => vec![kind::STRUCT, 0, number, kind::BOOL, 0, 1, 1, 0],
        3 => vec![
            kind::LIST,
            1,
            number,
            kind::STRING,
            0,
            0,
            0,
            1,
            0,
            0,
            0,
            2,
            1,
            1,
        ],
        // A map, a set, a type of none.
        4 => vec![13, 0, number, 8, 2, 0, 0, 0, 1, 0, 0, 0, 1, 1],
        _ => vec![pick.below(20) as u8, 0, number, 1],
    }
}

fn time(pick: &mut Pick) -> i64 {
    match pick.below(8) {
        0 => NUMBERS[pick.below(NUMBERS.len())],
        _ => 1 + small(pick, 12),
    }
}

fn small(pick: &mut Pick, end: usize) -> i64 {
    (pick.below(end) as u64).cast_signed()
}

fn long(number: u8, value: i64) -> Vec<u8> {
    [&[kind::I64, 0, number], &value.to_be_bytes()[..]].concat()
}

fn text(pick: &mut Pick, number: u8, of: &[&[u8]]) -> Vec<u8> {
    bytes(number, pick.one(of))
}

fn bytes(number: u8, value: &[u8]) -> Vec<u8> {
    let length = (value.len() as u32).to_be_bytes();
    [&[kind::STRING, 0, number], &length[..], value].concat()
}

fn list(pick: &mut Pick, number: u8, item: fn(&mut Pick) -> Vec<u8>) -> Vec<u8> {
    let items: Vec<Vec<u8>> = (0..pick.below(6)).map(|_| item(pick)).collect();
    let count = (items.len() as u32).to_be_bytes();
    let of = if pick.slips_in(30) { 11 } else { kind::STRUCT };
    [&[kind::LIST, 0, number, of], &count[..], &items.concat()].concat()
}

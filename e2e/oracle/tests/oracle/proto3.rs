//! Random proto3 bodies, written by hand so that they can be wrong in any way: fields out of
//! order, twice, of another type, too short, too long.

use crate::chance::Pick;

const TEXTS: [&[u8]; 16] = [
    b"",
    b"a",
    b"Get",
    b"error",
    "É".as_bytes(),
    "İ".as_bytes(),
    "日本".as_bytes(),
    "😀".as_bytes(),
    "\u{2028}".as_bytes(),
    b"\0",
    b"\t\"\\",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x98",
    b"a\x80b",
];

const NUMBERS: [u64; 12] = [
    0,
    1,
    2,
    80,
    65_535,
    65_536,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    1 << 63,
    u64::MAX,
    i64::MAX as u64,
];

/// Bytes that decide something in protobuf.
const DECISIVE: &[u8] = &[
    0, 1, 2, 4, 8, 9, 0x0a, 0x0b, 0x0d, 0x12, 0x1a, 0x20, 0x31, 0x38, 0x5a, 0x70, 0x7f, 0x80, 0xff,
];

/// Returns a body.
pub(crate) fn body(pick: &mut Pick) -> Vec<u8> {
    let mut body = Vec::new();
    for _ in 0..=pick.below(8) / 6 {
        let span = span(pick);
        bytes(pick, 1, &span, &mut body);
    }
    if pick.once_in(60) {
        unknown(pick, &mut body);
    }
    if pick.once_in(4) {
        for _ in 0..=pick.below(2) {
            pick.damage(&mut body, DECISIVE);
        }
    }
    body
}

fn span(pick: &mut Pick) -> Vec<u8> {
    let mut fields: Vec<Vec<u8>> = Vec::new();
    for number in [1, 3] {
        if !pick.once_in(40) {
            fields.push(span_field(pick, number));
        }
    }
    for number in 2..14 {
        for _ in 0..[0, 0, 0, 1, 1, 1, 1, 2][pick.below(8)] {
            fields.push(span_field(pick, number));
        }
    }
    if pick.once_in(20) {
        let mut field = Vec::new();
        unknown(pick, &mut field);
        fields.push(field);
    }
    pick.shuffle(&mut fields);
    fields.concat()
}

fn span_field(pick: &mut Pick, field: u64) -> Vec<u8> {
    let mut out = Vec::new();
    match field {
        1..=3 => {
            let id = id(pick, if field == 1 { &[8, 16, 16] } else { &[8] });
            bytes(pick, field, &id, &mut out);
        }
        4 => varint_field(
            field,
            pick.below(5) as u64 + u64::from(pick.once_in(20)) * 7,
            &mut out,
        ),
        5 => text_field(pick, field, &mut out),
        6 => fixed(field, number(pick), &mut out),
        7 => varint_field(field, number(pick), &mut out),
        8 | 9 => {
            let endpoint = endpoint(pick);
            bytes(pick, field, &endpoint, &mut out);
        }
        10 => {
            let mut annotation = Vec::new();
            if !pick.once_in(20) {
                fixed(1, number(pick), &mut annotation);
            }
            if !pick.once_in(20) {
                text_field(pick, 2, &mut annotation);
            }
            bytes(pick, field, &annotation, &mut out);
        }
        11 => {
            let mut tag = Vec::new();
            for part in [1, 2] {
                if !pick.once_in(20) {
                    text_field(pick, part, &mut tag);
                }
            }
            bytes(pick, field, &tag, &mut out);
        }
        _ => {
            let other = u64::from(pick.once_in(80)) * 2;
            varint_field(field, pick.below(2) as u64 | other, &mut out);
        }
    }
    out
}

fn endpoint(pick: &mut Pick) -> Vec<u8> {
    let mut out = Vec::new();
    if !pick.once_in(4) {
        text_field(pick, 1, &mut out);
    }
    for (number, right) in [(2, 4), (3, 16)] {
        if pick.once_in(2) {
            let lengths = [
                right,
                right,
                right,
                right,
                right,
                0,
                4,
                16,
                right - 1,
                right + 1,
            ];
            let mut address: Vec<u8> = (0..lengths[pick.below(10)])
                .map(|_| pick.bits() as u8 * u8::from(pick.once_in(2)))
                .collect();
            if address.len() == 16 && pick.once_in(4) {
                address[..10].fill(0);
                address[10..12].fill(pick.one::<u8>(&[&0, &0xff]).to_owned());
            }
            bytes(pick, number, &address, &mut out);
        }
    }
    if pick.once_in(2) {
        let port = if pick.once_in(20) {
            number(pick)
        } else {
            pick.bits() >> 48
        };
        varint_field(4, port, &mut out);
    }
    if pick.once_in(30) {
        unknown(pick, &mut out);
    }
    out
}

fn id(pick: &mut Pick, lengths: &[usize]) -> Vec<u8> {
    if pick.once_in(20) {
        return (0..pick.below(20)).map(|_| pick.bits() as u8).collect();
    }
    let mut id = vec![0; lengths[pick.below(lengths.len())]];
    if !pick.once_in(40) {
        let last = id.len() - 1;
        id[last] = 1 + pick.below(4) as u8;
        id[0] = pick.below(4) as u8 / 3;
    }
    id
}

fn number(pick: &mut Pick) -> u64 {
    match pick.below(3) {
        0 => NUMBERS[pick.below(NUMBERS.len())],
        1 => pick.below(9) as u64,
        _ => pick.bits() >> pick.below(64),
    }
}

fn text_field(pick: &mut Pick, field: u64, out: &mut Vec<u8>) {
    let of = if pick.once_in(4) {
        &TEXTS[..]
    } else {
        &TEXTS[1..11]
    };
    let text: Vec<u8> = (0..pick.below(3))
        .flat_map(|_| pick.one(of).to_vec())
        .collect();
    bytes(pick, field, &text, out);
}

/// A field that no message has, or that has another type there.
fn unknown(pick: &mut Pick, out: &mut Vec<u8>) {
    let field = [1, 2, 5, 9, 14, 15, 16, 2047][pick.below(8)];
    match pick.below(8) {
        0 => fixed(field, number(pick), out),
        1 => {
            varint(field << 3 | 5, out);
            out.extend_from_slice(&[1, 2, 3, 4]);
        }
        2 => bytes(pick, field, b"abc", out),
        3 => varint(field << 3 | (3 + pick.below(5) as u64), out),
        _ => varint_field(field + 13, number(pick), out),
    }
}

fn bytes(pick: &mut Pick, field: u64, value: &[u8], out: &mut Vec<u8>) {
    varint(field << 3 | 2, out);
    let length = value.len() as u64;
    match pick.below(400) {
        0 => varint(length + 1, out),
        1 => varint(length.saturating_sub(1), out),
        2 => varint(NUMBERS[pick.below(NUMBERS.len())], out),
        // The same number, written longer.
        3 => out.extend_from_slice(&[length as u8 | 0x80, (length >> 7) as u8 | 0x80, 0]),
        _ => varint(length, out),
    }
    out.extend_from_slice(value);
}

fn fixed(field: u64, value: u64, out: &mut Vec<u8>) {
    varint(field << 3 | 1, out);
    out.extend_from_slice(&value.to_le_bytes());
}

fn varint_field(field: u64, value: u64, out: &mut Vec<u8>) {
    varint(field << 3, out);
    varint(value, out);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// What makes readers of protobuf disagree about a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Oddity {
    /// A group, or a field beside the spans of the list.
    UnknownField,
    /// A value that ends behind its message.
    TooLong,
    /// A span of no bytes.
    EmptySpan,
}

/// Returns the first oddity of a body.
pub(crate) fn oddity(body: &[u8]) -> Option<Oddity> {
    let mut rest = body;
    while !rest.is_empty() {
        match field(&mut rest) {
            Ok((0x0a, [])) => return Some(Oddity::EmptySpan),
            Ok((0x0a, span)) => {
                if let Some(odd) = inside(span, true) {
                    return Some(odd);
                }
            }
            Ok(_) => return Some(Oddity::UnknownField),
            Err(odd) => return Some(odd),
        }
    }
    None
}

fn inside(message: &[u8], is_span: bool) -> Option<Oddity> {
    let mut rest = message;
    while !rest.is_empty() {
        match field(&mut rest) {
            Ok((0x42 | 0x4a | 0x52 | 0x5a, inner)) if is_span => {
                if let Some(odd) = inside(inner, false) {
                    return Some(odd);
                }
            }
            Ok(_) => {}
            Err(odd) => return Some(odd),
        }
    }
    None
}

/// Takes a field off the front: its key, and its bytes when it has a length.
fn field<'b>(rest: &mut &'b [u8]) -> Result<(u64, &'b [u8]), Oddity> {
    let key = read_varint(rest)?;
    let length = match key & 7 {
        0 => {
            read_varint(rest)?;
            0
        }
        1 => 8,
        2 => read_varint(rest)?,
        5 => 4,
        _ => return Err(Oddity::UnknownField),
    };
    let length = usize::try_from(length).map_err(|_| Oddity::TooLong)?;
    let value = rest.get(..length).ok_or(Oddity::TooLong)?;
    *rest = &rest[length..];
    Ok((key, value))
}

fn read_varint(rest: &mut &[u8]) -> Result<u64, Oddity> {
    let end = rest.iter().position(|byte| *byte < 0x80);
    let (number, behind) = rest.split_at(end.ok_or(Oddity::TooLong)? + 1);
    *rest = behind;
    let bits = number.iter().zip((0..64).step_by(7));
    Ok(bits.fold(0, |sum, (byte, shift)| {
        sum | u64::from(byte & 0x7f) << shift
    }))
}

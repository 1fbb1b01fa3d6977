//! Random JSON v2 bodies: lists of spans whose fields are mostly what they should be, and now and
//! then any of the forms that JSON writers, careless ones too, are known to produce.

use crate::chance::Pick;

/// Numbers as texts, from the plain to those that no reader should take.
#[rustfmt::skip]
const NUMBERS: [&str; 64] = [
    "0", "1", "-1", "5", "+1", "01", "00", "-0", "-0.0", "0.0", "1.0", "1.5", "-1.5", "1.", ".5",
    "1e3", "1E3", "1e+3", "1E-3", "10e-1", "15e-1", "0.1e1", "1e15", "1e18", "1e19", "1e308", "1e400",
    "1e", "1e+", "-", "--1", "1-", "0x10", "1_000", "1760000000000000", "1760000000000000.0",
    "9007199254740992", "9007199254740993", "9007199254740993.0", "9223372036854775806",
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
    "18446744073709551615", "18446744073709551616", "123456789012345678901234567890", "2147483647",
    "2147483648", "-2147483648", "-2147483649", "4294967296", "65535", "65536", "70000", "922337203685477580801",
    "NaN", "Infinity", "-Infinity", "1d", "1f", "1L", "0e5", "12345678901234567",
];

/// Numbers that only come in quotes.
#[rustfmt::skip]
const QUOTED_NUMBERS: [&str; 24] = [
    " 5", "5 ", "\\t5\\u0001", "\\u0035", "+5", "-5", "--5", "5d", "5D", "5f", "5F", "5L", "1e3d", "5df", "d", "NaN",
    "Infinity", "-Infinity", "0x10", "0x1p3", "0X1P3d", "\u{665}", "\u{a0}5", ". 5",
];

/// Forms that are whole numbers for every reader.
const WHOLE: [&str; 14] = [
    "0",
    "5",
    "-1",
    "-0",
    "1.0",
    "1e3",
    "2E+2",
    "10e-1",
    "0e5",
    "1e15",
    "9223372036854775807",
    "65535",
    "-9223372036854775808",
    "1760000000000000.0",
];

/// Values that are no texts and no numbers.
const OTHERS: [&str; 13] = [
    "null",
    "true",
    "false",
    "NULL",
    "True",
    "nul",
    "[]",
    "{}",
    "[1]",
    "{\"a\":1}",
    "",
    "a",
    "[null]",
];

/// Pieces of texts, as they stand between the quotes.
#[rustfmt::skip]
const PIECES: [&[u8]; 58] = [
    b"a", b"A", b"GET", b"/x", b" ", b"=", b"error", b"9", b"_-.:", b"'", b"<&>", b"\x7f",
    "é".as_bytes(), "É".as_bytes(), "ß".as_bytes(), "ẞ".as_bytes(), "İ".as_bytes(), "ı".as_bytes(),
    "Σ".as_bytes(), "ΑΣ".as_bytes(), "Ǆ".as_bytes(), "日本".as_bytes(), "\u{2028}".as_bytes(),
    "\u{2029}".as_bytes(), "\u{feff}".as_bytes(), "\u{fffd}".as_bytes(), "\u{ffff}".as_bytes(),
    "😀".as_bytes(), "𐐀".as_bytes(), "\u{10ffff}".as_bytes(), b"\\n", b"\\t\\r\\b\\f", b"\\\"",
    b"\\\\", b"\\/", b"\\'", b"\\u0041", b"\\u00e9", b"\\u0000", b"\\u001F", b"\\u2028",
    b"\\ud83d\\ude00", b"\\ud83d", b"\\ude00", b"\\ud83dx", b"\\ude00\\ud83d", b"\\u12", b"\\u12g4",
    b"\\x", b"\\\n", b"\t", b"\n", b"\r\n", b"\0", b"\x01", b"\xff", b"\xc3(", b"\xed\xa0\x80",
];

/// Bytes that end where a character should go on, and what no UTF-8 has.
const BROKEN: [&[u8]; 8] = [
    b"\xc3",
    b"\xe2\x82",
    b"\xf0\x9f\x98",
    b"\xc0\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xf4\x90\x80\x80",
    b"\x80",
    b"\xe0\x80\x80",
];

#[rustfmt::skip]
const IDS: [&str; 24] = [
    "1", "a", "0a", "abc", "0", "00", "0000000000000000", "00000000000000000000000000000000",
    "000000000000000a", "00000000000000000000000000000abc", "0000000000000001000000000000000a",
    "463ac35c9f6413ad48485a3953bb6124", "48485a3953bb6124", "1234567890abcdef0", "00000000000000001",
    "463ac35c9f6413ad48485a3953bb61240", "", "A", "48485A3953BB6124", "0x1", "g", " 1", "1 ", "é",
];

#[rustfmt::skip]
const ADDRESSES: [&str; 56] = [
    "1.2.3.4", "0.0.0.0", "255.255.255.255", "256.1.1.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.04",
    "1.2.3.4 ", " 1.2.3.4", "1.2.3.a", "1..2.3", "1.2.3.", "1.2.3.4:80", "localhost", "", "::", "::1", "::2",
    "1::", "1::2", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8",
    "1:2:3::4:5:6:7:8", "2001:DB8::C001", "2001:db8:0:0:1:0:0:1", "2001:0:0:4:0:0:0:0", "0:0:0:1:0:0:0:0",
    "2001:0db8:0000:0000:0000:0000:0000:0001", "fe80::1%eth0", "fe80::1%1", "::ffff:1.2.3.4", "::1.2.3.4",
    "::ffff:102:304", "::ffff:0:0", "::FFFF:1.2.3.4", "1::1.2.3.4", "64:ff9b::1.2.3.4", "::1.2.3", "::ffff:1.2.3.256",
    "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", ":1", "1:", ":::", "1:::2", "::g", "12345::", "[::1]", "::1/64",
    "0:0:0:0:0:0:0:1", "::00001", "1:0:2:0:3:0:4:0",
];

const KINDS: [&str; 10] = [
    "CLIENT",
    "SERVER",
    "PRODUCER",
    "CONSUMER",
    "client",
    "",
    " SERVER",
    "LOCAL",
    "1",
    "\\u0043LIENT",
];

const SPACES: [&str; 8] = ["", "", "", "", " ", "\n", "\t \r\n", "  "];

/// Bytes that decide something in JSON.
pub(crate) const DECISIVE: &[u8] =
    b"\"\\{}[]:,0-.eEtfnu \n\t/#'=;\x00\x1f\x7f\x80\xc3\xe2\xf0\xff+*";

/// Returns a body.
pub(crate) fn body(pick: &mut Pick) -> Vec<u8> {
    pick.change_writer();
    let mut list = Vec::new();
    for _ in 0..=pick.below(8) / 6 {
        list.push(span(pick));
    }
    let body = join(pick, b"[", &list, b"]");
    damaged(pick, body)
}

/// Adds what may stand around a body, and damages it.
pub(crate) fn damaged(pick: &mut Pick, mut body: Vec<u8>) -> Vec<u8> {
    if pick.once_in(12) {
        let behind = pick.one::<[u8]>(&[b" ", b"\n", b"x", b"]", b"{}", b"\0"]);
        body.extend_from_slice(behind);
    }
    if pick.slips_in(10) {
        let before = pick.one::<[u8]>(&[b" ", b"\n", b"\xef\xbb\xbf", b")]}'\n", b"\x0c", b"\0"]);
        body.splice(0..0, before.iter().copied());
    }
    if pick.slips_in(2) {
        for _ in 0..=pick.below(2) {
            pick.damage(&mut body, DECISIVE);
        }
    }
    body
}

/// Writes the value of a field.
pub(crate) type Value = fn(&mut Pick) -> Vec<u8>;

fn span(pick: &mut Pick) -> Vec<u8> {
    let mut fields = Vec::new();
    for name in ["traceId", "id"] {
        if !pick.slips_in(20) {
            fields.push(field(pick, name, id));
        }
    }
    let optional: [(&str, Value); 12] = [
        ("parentId", id),
        ("kind", kind),
        ("name", text),
        ("timestamp", number),
        ("duration", number),
        ("localEndpoint", endpoint),
        ("remoteEndpoint", endpoint),
        ("annotations", annotations),
        ("tags", tags),
        ("debug", flag),
        ("shared", flag),
        ("unknown", anything),
    ];
    for (name, value) in optional {
        // Some come twice.
        for _ in 0..[0, 0, 0, 1, 1, 1, 1, 2][pick.below(8)] {
            fields.push(field(pick, name, value));
        }
    }
    pick.shuffle(&mut fields);
    object(pick, &fields)
}

pub(crate) fn field(pick: &mut Pick, name: &str, value: Value) -> Vec<u8> {
    let mut key = quoted(name.as_bytes());
    if pick.once_in(60) {
        key = quoted(name.replacen('a', "\\u0061", 1).as_bytes());
    }
    if pick.slips_in(60) {
        key = name.as_bytes().to_vec();
    }
    let value = if pick.slips_in(12) {
        pick.one(&OTHERS).as_bytes().to_vec()
    } else {
        value(pick)
    };
    let (before, behind) = (pick.one(&SPACES), pick.one(&SPACES));
    [&key, before.as_bytes(), b":", behind.as_bytes(), &value].concat()
}

pub(crate) fn object(pick: &mut Pick, fields: &[Vec<u8>]) -> Vec<u8> {
    join(pick, b"{", fields, b"}")
}

pub(crate) fn join(pick: &mut Pick, open: &[u8], items: &[Vec<u8>], close: &[u8]) -> Vec<u8> {
    let mut out = open.to_vec();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(pick.one(&SPACES).as_bytes());
            out.push(b',');
        }
        out.extend_from_slice(pick.one(&SPACES).as_bytes());
        out.extend_from_slice(item);
    }
    out.extend_from_slice(pick.one(&SPACES).as_bytes());
    out.extend_from_slice(close);
    out
}

pub(crate) fn quoted(text: &[u8]) -> Vec<u8> {
    [b"\"", text, b"\""].concat()
}

pub(crate) fn id(pick: &mut Pick) -> Vec<u8> {
    if pick.slips_in(5) {
        return quoted(pick.one(&IDS).as_bytes());
    }
    match pick.below(40) {
        0 => pick.one(&WHOLE[1..2]).as_bytes().to_vec(),
        1..10 => quoted(pick.one(&IDS[8..13]).as_bytes()),
        10..14 => quoted(format!("{:x}", pick.bits() >> pick.below(60)).as_bytes()),
        // The first few are ids, and few enough to meet each other.
        _ => quoted(pick.one(&IDS[..4]).as_bytes()),
    }
}

fn kind(pick: &mut Pick) -> Vec<u8> {
    let of = if pick.slips_in(5) {
        &KINDS[..]
    } else {
        &KINDS[..4]
    };
    quoted(pick.one(of).as_bytes())
}

pub(crate) fn text(pick: &mut Pick) -> Vec<u8> {
    if pick.slips_in(20) {
        return pick.one(&["'a'", "a", "\"a", "\"\"\""]).as_bytes().to_vec();
    }
    match pick.below(30) {
        0 => pick.one(&WHOLE).as_bytes().to_vec(),
        1 => quoted(pick.one(&BROKEN)),
        2..12 => quoted(&pieces(pick)),
        _ => quoted(format!("Name{}", pick.below(5)).as_bytes()),
    }
}

pub(crate) fn pieces(pick: &mut Pick) -> Vec<u8> {
    let count = pick.below(4) * (1 + pick.below(8));
    let of: &[&[u8]] = if pick.slips_in(3) {
        &PIECES
    } else {
        &PIECES[..42]
    };
    (0..count).flat_map(|_| pick.one(of).to_vec()).collect()
}

pub(crate) fn number(pick: &mut Pick) -> Vec<u8> {
    let of = if pick.slips_in(3) {
        &NUMBERS[..]
    } else {
        &WHOLE
    };
    let number = pick.one(of).as_bytes();
    match pick.below(12) {
        0 if pick.slips_in(2) => quoted(pick.one(&QUOTED_NUMBERS).as_bytes()),
        0 => quoted(number),
        1 => number.to_vec(),
        2 if pick.slips_in(2) => quoted(&pieces(pick)),
        _ => (pick.bits() >> pick.below(64)).to_string().into_bytes(),
    }
}

pub(crate) fn flag(pick: &mut Pick) -> Vec<u8> {
    let of = [
        "true", "true", "false", "false", "null", "\"true\"", "1", "TRUE",
    ];
    let of = if pick.slips_in(10) { &of[..] } else { &of[..4] };
    pick.one(of).as_bytes().to_vec()
}

pub(crate) fn endpoint(pick: &mut Pick) -> Vec<u8> {
    let all: [(&str, Value); 5] = [
        ("serviceName", text),
        ("ipv4", address),
        ("ipv6", address),
        ("port", port),
        ("x", anything),
    ];
    let mut fields = Vec::new();
    for (name, value) in all {
        if !pick.once_in(3) {
            fields.push(field(pick, name, value));
        }
    }
    pick.shuffle(&mut fields);
    object(pick, &fields)
}

fn address(pick: &mut Pick) -> Vec<u8> {
    let mut address = pick.one(&ADDRESSES).as_bytes().to_vec();
    if pick.once_in(3) {
        let words: Vec<String> = (0..8)
            .map(|_| format!("{:x}", (pick.bits() as u16) * u16::from(!pick.once_in(2))))
            .collect();
        address = words.join(":").into_bytes();
    }
    if pick.once_in(8) {
        pick.damage(&mut address, b":.0123456789abfgF% ");
        address.retain(|byte| byte.is_ascii() && !byte.is_ascii_control() && *byte != b'"');
    }
    quoted(&address)
}

fn port(pick: &mut Pick) -> Vec<u8> {
    match pick.below(8) {
        0 if pick.slips_in(1) => number(pick),
        1 => pick.one(&WHOLE[..8]).as_bytes().to_vec(),
        _ => pick.below(65_536).to_string().into_bytes(),
    }
}

fn annotations(pick: &mut Pick) -> Vec<u8> {
    let mut list = Vec::new();
    for _ in 0..pick.below(5) {
        let mut fields = vec![
            field(pick, "timestamp", |pick| match pick.below(4) {
                0 => number(pick),
                _ => pick.below(4).to_string().into_bytes(),
            }),
            field(pick, "value", text),
        ];
        if pick.slips_in(10) {
            fields.pop();
        }
        if pick.once_in(20) {
            fields.push(field(pick, "endpoint", anything));
        }
        pick.shuffle(&mut fields);
        list.push(object(pick, &fields));
    }
    join(pick, b"[", &list, b"]")
}

fn tags(pick: &mut Pick) -> Vec<u8> {
    let mut fields = Vec::new();
    for _ in 0..pick.below(6) {
        let key = if pick.once_in(2) {
            pieces(pick)
        } else {
            b"error".to_vec()
        };
        let value = if pick.slips_in(20) {
            anything(pick)
        } else {
            text(pick)
        };
        fields.push([&quoted(&key), b":".as_slice(), &value].concat());
    }
    object(pick, &fields)
}

/// Any value, nested a few times.
pub(crate) fn anything(pick: &mut Pick) -> Vec<u8> {
    match pick.below(9) {
        0 => text(pick),
        1 => number(pick),
        2 => {
            let of = if pick.slips_in(1) {
                &OTHERS[..]
            } else {
                &OTHERS[..3]
            };
            pick.one(of).as_bytes().to_vec()
        }
        3 => {
            let depth = 1 + pick.below(12) * pick.below(5);
            let inner = anything(pick);
            [&b"[".repeat(depth), &inner, &b"]".repeat(depth)[..]].concat()
        }
        4 | 5 => {
            let list: Vec<Vec<u8>> = (0..pick.below(3)).map(|_| anything(pick)).collect();
            join(pick, b"[", &list, b"]")
        }
        6 => {
            let inner = [field(pick, "traceId", anything), field(pick, "b", anything)];
            object(pick, &inner)
        }
        _ => b"\"x\"".to_vec(),
    }
}

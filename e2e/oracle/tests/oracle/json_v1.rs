//! Random JSON v1 bodies, in the manner of those of [`crate::json`]: words that mean something,
//! at times and in services that contradict each other.

use crate::chance::Pick;
use crate::json::{self, anything, damaged, field, flag, id, number, object, pieces, quoted, text};

const VALUES: [&str; 12] = [
    "cs", "cr", "sr", "ss", "ms", "mr", "ws", "wr", "cs", "sr", "x", "",
];
const KEYS: [&str; 8] = ["sa", "ca", "ma", "lc", "error", "k", "", "sa"];

/// Returns a body.
pub(crate) fn body(pick: &mut Pick) -> Vec<u8> {
    pick.change_writer();
    let spans: Vec<Vec<u8>> = (0..=pick.below(8) / 6).map(|_| span(pick)).collect();
    let body = json::join(pick, b"[", &spans, b"]");
    damaged(pick, body)
}

fn span(pick: &mut Pick) -> Vec<u8> {
    let mut fields = Vec::new();
    for name in ["traceId", "id"] {
        if !pick.slips_in(20) {
            fields.push(field(pick, name, id));
        }
    }
    let optional: [(&str, json::Value); 8] = [
        ("parentId", id),
        ("name", text),
        ("timestamp", time),
        ("duration", time),
        ("annotations", annotations),
        ("binaryAnnotations", binary_annotations),
        ("debug", flag),
        ("unknown", anything),
    ];
    for (name, value) in optional {
        if !pick.once_in(4) {
            fields.push(field(pick, name, value));
        }
    }
    if pick.once_in(20) {
        let again = pick.one(&["annotations", "traceId"]).to_owned();
        let value = if again == "traceId" { id } else { annotations };
        fields.push(field(pick, &again, value));
    }
    pick.shuffle(&mut fields);
    object(pick, &fields)
}

fn time(pick: &mut Pick) -> Vec<u8> {
    match pick.below(12) {
        0 => number(pick),
        1 => b"0".to_vec(),
        2 => b"-3".to_vec(),
        _ => (1 + pick.below(12)).to_string().into_bytes(),
    }
}

fn annotations(pick: &mut Pick) -> Vec<u8> {
    let mut list = Vec::new();
    for _ in 0..pick.below(6) {
        let value: json::Value = |pick| match pick.below(12) {
            0 => text(pick),
            _ => quoted(pick.one(&VALUES).as_bytes()),
        };
        let mut fields = vec![field(pick, "timestamp", time), field(pick, "value", value)];
        if pick.slips_in(10) {
            fields.pop();
        }
        if !pick.once_in(6) {
            fields.push(field(pick, "endpoint", endpoint));
        }
        if pick.once_in(20) {
            fields.push(field(pick, "unknown", anything));
        }
        pick.shuffle(&mut fields);
        list.push(object(pick, &fields));
    }
    json::join(pick, b"[", &list, b"]")
}

fn binary_annotations(pick: &mut Pick) -> Vec<u8> {
    let mut list = Vec::new();
    for _ in 0..pick.below(5) {
        let key: json::Value = |pick| match pick.below(12) {
            0 => quoted(&pieces(pick)),
            _ => quoted(pick.one(&KEYS).as_bytes()),
        };
        let value: json::Value = |pick| match pick.below(12) {
            0 => text(pick),
            1 => anything(pick),
            2 => b"5".to_vec(),
            3 => b"\"\"".to_vec(),
            4 => b"false".to_vec(),
            5..8 => b"\"v\"".to_vec(),
            _ => b"true".to_vec(),
        };
        let mut fields = vec![field(pick, "key", key), field(pick, "value", value)];
        if pick.slips_in(10) {
            fields.pop();
        }
        if !pick.once_in(6) {
            fields.push(field(pick, "endpoint", endpoint));
        }
        if pick.once_in(10) {
            let kind: json::Value = |pick| quoted(pick.one(&["STRING", "BOOL", "I16"]).as_bytes());
            fields.push(field(pick, "type", kind));
        }
        pick.shuffle(&mut fields);
        list.push(object(pick, &fields));
    }
    json::join(pick, b"[", &list, b"]")
}

/// Few endpoints, so that annotations share them or do not.
fn endpoint(pick: &mut Pick) -> Vec<u8> {
    if pick.once_in(15) {
        return json::endpoint(pick);
    }
    let mut fields = Vec::new();
    if !pick.once_in(8) {
        let name = pick.one(&["a", "b", "B", "c", ""]);
        fields.push(format!("\"serviceName\":\"{name}\"").into_bytes());
    }
    if pick.once_in(3) {
        fields.push(format!("\"ipv4\":\"10.0.0.{}\"", pick.below(2)).into_bytes());
    }
    if pick.once_in(3) {
        fields.push(format!("\"port\":{}", pick.below(3)).into_bytes());
    }
    object(pick, &fields)
}

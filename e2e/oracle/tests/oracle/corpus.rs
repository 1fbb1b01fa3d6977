//! The rules of the formats, each with a body that shows it, by name, from the tables in `rules`.
//! The random bodies beside find what nobody thought of; these say what is meant.
//!
//! ```text
//! [bodies]                 what follows is sent as it is
//! + a name | text<0a ff>   taken;   bytes in hexadecimal stand in < >
//! - a name | text          refused
//! [fields ...]             what follows is put into a span that has its ids
//! ```

use speargun_oracle::Format;

/// A rule, and the body that shows it.
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) body: Vec<u8>,
    /// Whether the body is taken.
    pub(crate) taken: bool,
}

/// Returns the rules of a format.
pub(crate) fn rules(format: Format) -> Vec<Rule> {
    match format {
        Format::JsonV2 => read(include_str!("rules/json_v2.txt"), |fields| {
            [br#"[{"traceId":"1","id":"2","#, fields, b"}]"].concat()
        }),
        Format::Proto3 => read(include_str!("rules/proto3.txt"), |fields| {
            let span = [b"\x0a\x01\x01\x1a\x01\x02", fields].concat();
            [&[0x0a, span.len() as u8], &span[..]].concat()
        }),
        Format::JsonV1 => read(include_str!("rules/json_v1.txt"), |fields| {
            [br#"[{"traceId":"1","id":"2","#, fields, b"}]"].concat()
        }),
        Format::Thrift => read(include_str!("rules/thrift.txt"), |fields| {
            let list = b"\x0c\0\0\0\x01";
            let ids = b"\x0a\0\x01\0\0\0\0\0\0\0\x01\x0a\0\x04\0\0\0\0\0\0\0\x02";
            [&list[..], ids, fields, b"\0"].concat()
        }),
    }
}

fn read(table: &str, wrap: fn(&[u8]) -> Vec<u8>) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut in_fields = false;
    for line in table.lines().filter(|line| !line.is_empty()) {
        match line.split_at(1) {
            ("#", _) => {}
            ("[", section) => in_fields = section.starts_with("fields"),
            (mark @ ("+" | "-"), rule) => {
                let (name, text) = rule.split_once(" |").unwrap();
                let body = bytes(text.strip_prefix(' ').unwrap_or(text));
                rules.push(Rule {
                    name: name.trim().to_owned(),
                    body: if in_fields { wrap(&body) } else { body },
                    taken: mark == "+",
                });
            }
            _ => panic!("no rule: {line}"),
        }
    }
    rules
}

/// Reads text with bytes in angle brackets.
fn bytes(mut text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some((plain, rest)) = text.split_once('<') {
        let (hex, rest) = rest.split_once('>').unwrap();
        out.extend_from_slice(plain.as_bytes());
        let bytes = hex
            .split(' ')
            .map(|byte| u8::from_str_radix(byte, 16).unwrap());
        out.extend(bytes);
        text = rest;
    }
    out.extend_from_slice(text.as_bytes());
    out
}

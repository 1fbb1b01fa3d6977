//! The other lists that the query API answers with: names and dependency links. Names come from
//! another writer of Zipkin's than spans, so their escapes differ.

use crate::codec::json_v2::write_escaped;
use crate::link::DependencyLink;

/// Appends a list of names: escapes in upper-case hex, characters beyond the BMP as two of them.
pub fn encode_names<T: AsRef<str>>(names: &[T], out: &mut Vec<u8>) {
    let mut text = String::from("[");
    for (index, name) in names.iter().enumerate() {
        text.push_str(if index == 0 { "\"" } else { ",\"" });
        for character in name.as_ref().chars() {
            push_name_character(character, &mut text);
        }
        text.push('"');
    }
    text.push(']');
    out.extend_from_slice(text.as_bytes());
}

fn push_name_character(character: char, text: &mut String) {
    match character {
        '"' => text.push_str("\\\""),
        '\\' => text.push_str("\\\\"),
        '\n' => text.push_str("\\n"),
        '\t' => text.push_str("\\t"),
        '\r' => text.push_str("\\r"),
        '\u{8}' => text.push_str("\\b"),
        '\u{c}' => text.push_str("\\f"),
        '\u{0}'..='\u{1f}' | '\u{10000}'.. => {
            for unit in character.encode_utf16(&mut [0; 2]) {
                text.push_str("\\u");
                for shift in [12, 8, 4, 0] {
                    let nibble = u32::from(*unit >> shift & 0xf);
                    text.extend(
                        char::from_digit(nibble, 16).map(|digit| digit.to_ascii_uppercase()),
                    );
                }
            }
        }
        plain => text.push(plain),
    }
}

/// Appends a list of dependency links; no errors are not written.
pub fn encode_links(links: &[DependencyLink], out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, link) in links.iter().enumerate() {
        out.extend_from_slice(if index == 0 {
            b"{\"parent\":\""
        } else {
            b",{\"parent\":\""
        });
        write_escaped(&link.parent, out);
        out.extend_from_slice(b"\",\"child\":\"");
        write_escaped(&link.child, out);
        out.extend_from_slice(b"\",\"callCount\":");
        out.extend_from_slice(itoa::Buffer::new().format(link.call_count).as_bytes());
        if link.error_count != 0 {
            out.extend_from_slice(b",\"errorCount\":");
            out.extend_from_slice(itoa::Buffer::new().format(link.error_count).as_bytes());
        }
        out.push(b'}');
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_escape_characters_beyond_the_bmp() {
        let mut out = Vec::new();
        encode_names(&["a\"\u{1f}", "größe \u{2028}😀"], &mut out);
        let expected = "[\"a\\\"\\u001F\",\"größe \u{2028}\\uD83D\\uDE00\"]";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn links_leave_out_no_errors() {
        let link = |child: &str, error_count| DependencyLink {
            parent: "a".into(),
            child: child.into(),
            call_count: 2,
            error_count,
        };
        let mut out = Vec::new();
        encode_links(&[link("b", 0), link("c\n", 1)], &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "[{\"parent\":\"a\",\"child\":\"b\",\"callCount\":2},\
             {\"parent\":\"a\",\"child\":\"c\\n\",\"callCount\":2,\"errorCount\":1}]"
        );
    }
}

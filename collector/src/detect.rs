//! What is answered without decoding: empty lists, and JSON of version 1, of which so far only the
//! checks are made. Their texts are Zipkin's own.

use memchr::memmem;

/// Returns whether there is nothing in the body: no bytes, or exactly `[]`.
pub fn is_empty_list(body: &[u8]) -> bool {
    body.is_empty() || body == b"[]"
}

/// Returns the text of the 400 for a body that version 1 of the JSON format can't be.
pub fn check_json_v1(body: &[u8]) -> Result<(), &'static str> {
    if !begins_a_list(body) {
        return Err("Expected a JSON_V1 encoded list\n");
    }
    let version_2 = [&b"Endpoint\""[..], b"\"tags\""];
    if version_2
        .iter()
        .any(|text| memmem::find(body, text).is_some())
    {
        return Err("Expected a JSON_V1 encoded list, but received: JSON_V2\n");
    }
    Ok(())
}

/// Zipkin lets the first byte of any of its list formats pass, whatever format was named; the
/// decoder then finds out. So a line feed before `[` is fine (it looks like proto3) and a space
/// is not.
fn begins_a_list(body: &[u8]) -> bool {
    match body {
        [b'[' | 0x0b | 0x0c, ..] => true,
        [0x0a, next, ..] => *next != 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_decides() {
        let text = Err("Expected a JSON_V1 encoded list\n");
        for bad in ["hello", "{}", " []", "\t[]", "\u{feff}[]", "\n", ""] {
            assert_eq!(check_json_v1(bad.as_bytes()), text, "{bad:?}");
        }
        assert_eq!(check_json_v1(b"\n[]"), Ok(()));
        assert_eq!(check_json_v1(b"[ ]"), Ok(()));
    }

    #[test]
    fn json_of_the_other_version_is_named() {
        assert_eq!(
            check_json_v1(br#"[{"localEndpoint":{}}]"#),
            Err("Expected a JSON_V1 encoded list, but received: JSON_V2\n")
        );
        assert_eq!(check_json_v1(br#"[{"annotations":[]}]"#), Ok(()));
    }

    #[test]
    fn only_nothing_and_two_brackets_are_empty() {
        assert!(is_empty_list(b"") && is_empty_list(b"[]"));
        assert!(!is_empty_list(b"[ ]"));
    }
}

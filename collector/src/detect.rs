//! What is answered without decoding: empty lists. All other checks are the decoders'.

use speargun_model::codec::Format;

/// Returns whether there is nothing in the body: no bytes, or exactly `[]` where that is a list.
pub fn is_empty_list(format: Format, body: &[u8]) -> bool {
    body.is_empty() || body == b"[]" && !format.is_otlp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nothing_and_two_brackets_are_empty() {
        let is_empty = |body| is_empty_list(Format::JsonV2, body);
        assert!(is_empty(b"") && is_empty(b"[]"));
        assert!(!is_empty(b"[ ]"));
        assert!(is_empty_list(Format::OtlpJson, b""));
        assert!(!is_empty_list(Format::OtlpJson, b"[]"));
    }
}

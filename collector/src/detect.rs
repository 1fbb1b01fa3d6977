//! What is answered without decoding: empty lists. All other checks are the decoders'.

/// Returns whether there is nothing in the body: no bytes, or exactly `[]`.
pub fn is_empty_list(body: &[u8]) -> bool {
    body.is_empty() || body == b"[]"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nothing_and_two_brackets_are_empty() {
        assert!(is_empty_list(b"") && is_empty_list(b"[]"));
        assert!(!is_empty_list(b"[ ]"));
    }
}

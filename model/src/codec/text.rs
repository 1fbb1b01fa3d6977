//! Takes texts over into a batch that cannot stay as they are: upper-case names, bytes that are
//! not UTF-8. Texts that can stay are ranges of the body and never come here.

use crate::batch::{SpanBatch, Text};
use crate::codec::DecodeError;
use crate::codec::json_v2::write_escaped;
use crate::codec::scan;

/// Beyond this a [`Text`] cannot point into `extra`.
const EXTRA_BYTES_MAX: usize = (1 << 31) - 1;

/// Returns the text that was appended to `extra` from `start` on, mended where it is not UTF-8.
pub(super) fn finish_extra(extra: &mut Vec<u8>, start: usize) -> Result<Text, DecodeError> {
    let added = extra.get(start..).unwrap_or_default();
    if simdutf8::basic::from_utf8(added).is_err() {
        let mended = lossy(added);
        extra.truncate(start);
        extra.extend_from_slice(mended.as_bytes());
    }
    finish_ascii(extra, start)
}

/// Returns the text that was appended to `extra` from `start` on, which surely is UTF-8.
#[inline]
pub(super) fn finish_ascii(extra: &[u8], start: usize) -> Result<Text, DecodeError> {
    if extra.len() > EXTRA_BYTES_MAX {
        return Err(DecodeError::TooLarge {
            what: "text beside the body",
            max: EXTRA_BYTES_MAX,
        });
    }
    Ok(Text::in_extra(start, extra.len() - start))
}

/// Returns the text with a replacement character in the place of what is not UTF-8, as many as
/// Java puts there: the one difference is a half of a surrogate pair in three bytes, or the first
/// two of them, for which Java puts one.
pub(super) fn lossy(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 2);
    // How many bytes of such a half came right before.
    let mut half = 0;
    for chunk in bytes.utf8_chunks() {
        if !chunk.valid().is_empty() {
            half = 0;
            text.push_str(chunk.valid());
        }
        half = match (half, chunk.invalid()) {
            (_, []) => break,
            (1, [0xa0..=0xbf]) => 2,
            (2, [0x80..=0xbf]) => 0,
            (_, invalid) => {
                text.push(char::REPLACEMENT_CHARACTER);
                u8::from(*invalid == [0xed])
            }
        };
    }
    text
}

/// Returns `text` itself when it is lower case already, else its lower case in `extra`.
#[inline(always)]
pub(super) fn lower_case(batch: &mut SpanBatch, text: Text) -> Result<Text, DecodeError> {
    if scan::needs_lowering(batch.bytes(text)) {
        lower_into_extra(batch, text)
    } else {
        Ok(text)
    }
}

#[cold]
#[inline(never)]
pub(super) fn lower_into_extra(batch: &mut SpanBatch, text: Text) -> Result<Text, DecodeError> {
    let start = copy_into_extra(batch, text);
    let extra = &mut batch.extra;
    let copy = extra.get_mut(start..).unwrap_or_default();
    if copy.is_ascii() {
        copy.make_ascii_lowercase();
    } else {
        let lower = lossy(copy).to_lowercase();
        extra.truncate(start);
        extra.extend_from_slice(lower.as_bytes());
    }
    finish_extra(extra, start)
}

/// Returns `text` itself when it is UTF-8, else a mended copy in `extra`.
pub(super) fn mend(batch: &mut SpanBatch, text: Text) -> Result<Text, DecodeError> {
    if text.is_in_extra() || simdutf8::basic::from_utf8(batch.bytes(text)).is_ok() {
        return Ok(text);
    }
    let start = copy_into_extra(batch, text);
    finish_extra(&mut batch.extra, start)
}

/// Appends a string of JSON.
pub(super) fn write_json_string(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    match std::str::from_utf8(bytes) {
        Ok(text) => write_escaped(text, out),
        Err(_) => write_escaped(&lossy(bytes), out),
    }
    out.push(b'"');
}

/// Appends the text to `extra` as a string of JSON.
pub(super) fn append_json(batch: &mut SpanBatch, text: Text) {
    let SpanBatch { body, extra, .. } = batch;
    if text.is_in_extra() {
        let copy = extra.get(text.range()).unwrap_or_default().to_vec();
        write_json_string(&copy, extra);
    } else {
        write_json_string(body.get(text.range()).unwrap_or_default(), extra);
    }
}

/// Appends the text to `extra` and returns where it begins there.
pub(super) fn copy_into_extra(batch: &mut SpanBatch, text: Text) -> usize {
    let SpanBatch { body, extra, .. } = batch;
    let start = extra.len();
    if text.is_in_extra() {
        extra.extend_from_within(text.range());
    } else {
        extra.extend_from_slice(body.get(text.range()).unwrap_or_default());
    }
    start
}

/// Mends the tags and annotations of a body that is not UTF-8 as a whole. Names were mended when
/// they were lower-cased.
pub(super) fn mend_all(batch: &mut SpanBatch) -> Result<(), DecodeError> {
    let mut tags = std::mem::take(&mut batch.tags);
    for (key, value) in &mut tags {
        *key = mend(batch, *key)?;
        *value = mend(batch, *value)?;
    }
    batch.tags = tags;
    let mut annotations = std::mem::take(&mut batch.annotations);
    for (_, value) in &mut annotations {
        *value = mend(batch, *value)?;
    }
    batch.annotations = annotations;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_of_json_are_escaped_and_mended() {
        let mut out = Vec::new();
        write_json_string(b"a\"b\n\xff", &mut out);
        assert_eq!(out, "\"a\\\"b\\n\u{fffd}\"".as_bytes());
    }

    #[test]
    fn texts_of_body_and_extra_become_strings_of_json_alike() {
        let mut batch = SpanBatch {
            body: b"-a\"b".as_slice().into(),
            extra: b"c\n".to_vec(),
            ..SpanBatch::default()
        };
        append_json(&mut batch, Text::in_body(1, 3));
        append_json(&mut batch, Text::in_extra(0, 2));
        assert_eq!(batch.extra, b"c\n\"a\\\"b\"\"c\\n\"");
    }
}

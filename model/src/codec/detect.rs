//! Which format a body of a queue has, where no content type says it: by its first bytes, and for
//! JSON by the names of fields that only one of its versions has. It decodes nothing; a body that
//! is none after all fails in its decoder.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::Format;

type Names<const N: usize> = LazyLock<[Finder<'static>; N]>;

/// Fields that only version 2 has. A tag of any name is within `tags`, so these decide first.
static OF_VERSION_2: Names<4> = LazyLock::new(|| {
    [
        "\"localEndpoint\"",
        "\"remoteEndpoint\"",
        "\"tags\"",
        "\"kind\"",
    ]
    .map(Finder::new)
});

/// Fields that only version 1 has. A list with neither means the same in both versions.
static OF_VERSION_1: Names<2> =
    LazyLock::new(|| ["\"binaryAnnotations\"", "\"endpoint\""].map(Finder::new));

/// Returns the format, or `None` when the body is no list of any.
pub(super) fn detect(body: &[u8]) -> Option<Format> {
    match body {
        [b'[', ..] if has_field(body, &*OF_VERSION_2) => Some(Format::JsonV2),
        [b'[', ..] if has_field(body, &*OF_VERSION_1) => Some(Format::JsonV1),
        [b'[', ..] => Some(Format::JsonV2),
        [0x0a, length, ..] if *length != 0 => Some(Format::Proto3),
        [0x0b | 0x0c, ..] => Some(Format::Thrift),
        _ => None,
    }
}

/// Returns whether one of the names occurs as that of a field: with a colon behind it. A value
/// that quotes such a text has its quotes escaped.
fn has_field(body: &[u8], names: &[Finder<'_>]) -> bool {
    names.iter().any(|name| {
        let len = name.needle().len();
        name.find_iter(body).any(|at| {
            let behind = body.get(at + len..).unwrap_or_default();
            behind.trim_ascii_start().first() == Some(&b':')
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_formats_apart() {
        for (body, format) in [
            (&b"[]"[..], Some(Format::JsonV2)),
            (b"\x0a\x05hello", Some(Format::Proto3)),
            (b"\x0c\0\0\0\0", Some(Format::Thrift)),
            (b"\x0b\0\0\0\0", Some(Format::Thrift)),
            (b"\x0a\0", None),
            (b"{}", None),
            (b" []", None),
            (b"hello", None),
            (b"\x0a", None),
            (b"", None),
        ] {
            assert_eq!(detect(body), format, "{body:?}");
        }
    }

    #[test]
    fn a_json_list_is_of_version_1_only_by_a_field_that_version_2_lacks() {
        for body in [
            r#"[{"traceId":"1","id":"2","name":"endpoint"}]"#,
            r#"[{"traceId":"1","id":"2","kind":"CLIENT","timestamp":1}]"#,
            r#"[{"id":"2","annotations":[{"timestamp":1,"value":"\"endpoint\": x"}]}]"#,
            r#"[{"id":"2","tags":{"endpoint":"/a","binaryAnnotations":"b"}}]"#,
            r#"[{"id":"2","localEndpoint" : {"serviceName":"a"}}]"#,
        ] {
            assert_eq!(detect(body.as_bytes()), Some(Format::JsonV2), "{body}");
        }
        for body in [
            r#"[{"id":"2","annotations":[{"value":"sr","endpoint":{"port":1}}]}]"#,
            "[{\"id\":\"2\",\"binaryAnnotations\"\n:[]}]",
            r#"[{"id":"2","name":"kind","binaryAnnotations":[{"key":"kind"}]}]"#,
        ] {
            assert_eq!(detect(body.as_bytes()), Some(Format::JsonV1), "{body}");
        }
    }
}

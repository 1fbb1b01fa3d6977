//! The forms of a path that mean the same, as Zipkin's server reads them: doubled slashes, percent
//! encoding, `;` parameters. Queries are not looked into beyond what makes a request invalid.

use std::borrow::Cow;

/// Returns the path in its one form, or `None` for one that is refused as invalid. A slash that was
/// percent-encoded stays so: it is no separator.
pub(crate) fn normalise(path: &str) -> Option<Cow<'_, str>> {
    let plain = !path.contains("//")
        && !path.contains("/..")
        && !path.bytes().any(|byte| matches!(byte, b'%' | b';'));
    if plain {
        return Some(Cow::Borrowed(path));
    }
    let mut out = String::with_capacity(path.len());
    let mut segments = path.split('/').peekable();
    // What stands before the first slash: nothing.
    segments.next();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_some() {
            continue;
        }
        let segment = segment.split(';').next().unwrap_or_default();
        let segment = decode(segment)?;
        if segment == ".." {
            return None;
        }
        out.push('/');
        out.push_str(&segment);
    }
    Some(Cow::Owned(out))
}

/// Returns the path that the query API is asked: without the page's prefix, under which proxies
/// pass the API on, and with a trace id as it came, since the API decodes that itself.
pub(crate) fn of_api<'a>(normal: &'a str, raw: &str) -> Cow<'a, str> {
    const TRACE: &str = "/api/v2/trace/";
    let normal = normal.strip_prefix("/zipkin").unwrap_or(normal);
    match (normal.strip_prefix(TRACE), raw.rsplit('/').next()) {
        (Some(id), Some(raw_id)) if !id.contains('/') => Cow::Owned(format!("{TRACE}{raw_id}")),
        _ => Cow::Borrowed(normal),
    }
}

/// Returns whether every percent sign of a query begins a byte that may occur.
pub(crate) fn is_valid_query(query: &str) -> bool {
    query
        .split('%')
        .skip(1)
        .all(|rest| matches!(hex_byte(rest.as_bytes()), Some(byte) if byte != 0))
}

fn decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        match hex_byte(tail)? {
            0 => return None,
            b'/' => bytes.extend_from_slice(b"%2F"),
            byte => bytes.push(byte),
        }
        rest = tail.get(2..)?;
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn hex_byte(text: &[u8]) -> Option<u8> {
    let digit = |byte: &u8| (*byte as char).to_digit(16);
    let (high, low) = (digit(text.first()?)?, digit(text.get(1)?)?);
    u8::try_from(high * 16 + low).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_that_mean_the_same() {
        let is = |path, form: &str| assert_eq!(normalise(path).as_deref(), Some(form), "{path}");
        is("/api/v2/services", "/api/v2/services");
        is("//api//v2/services", "/api/v2/services");
        is("/api/v2/%73ervices", "/api/v2/services");
        is("/api;a=b/v2/services;c", "/api/v2/services");
        is("/api/v2/trace/%201%20", "/api/v2/trace/ 1 ");
        is("/api/v2/trace/1%2F2", "/api/v2/trace/1%2F2");
        is("/api/v2/services/", "/api/v2/services/");
        is("/./health", "/./health");
        is("/", "/");
    }

    #[test]
    fn the_api_gets_trace_ids_as_they_came() {
        let of = |raw: &str| {
            let normal = normalise(raw).unwrap();
            of_api(&normal, raw).into_owned()
        };
        assert_eq!(of("/zipkin//api/v2/%73pans"), "/api/v2/spans");
        assert_eq!(of("/api/v2/%74race/1%2520"), "/api/v2/trace/1%2520");
        assert_eq!(of("/api/v2/trace/1/"), "/api/v2/trace/1/");
    }

    #[test]
    fn forms_that_are_refused() {
        for bad in ["/%zz", "/%", "/%4", "/a%00b", "/../health", "/a/%2e%2e/b"] {
            assert_eq!(normalise(bad), None, "{bad}");
        }
        assert!(is_valid_query("serviceName=%C3%A9&x=%2B5"));
        for bad in ["a=%zz", "a=%", "a=%00"] {
            assert!(!is_valid_query(bad), "{bad}");
        }
    }
}

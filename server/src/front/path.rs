//! The forms of a path that mean the same, as Zipkin's server reads them: doubled slashes, percent
//! encoding, `;` parameters. Queries are not looked into beyond what makes a request invalid.

use std::borrow::Cow;

/// Returns the path in its one form, or `None` for one that is refused as invalid. A slash that was
/// percent-encoded stays so: it is no separator.
pub(crate) fn normalise(path: &str) -> Option<Cow<'_, str>> {
    if !path.starts_with('/') {
        return None;
    }
    let plain = !path.contains("//")
        && !path.contains("/..")
        && !path.bytes().any(|byte| matches!(byte, b'%' | b';' | b'\\'));
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
        // What is nothing but a parameter is no segment.
        if segment.starts_with(';') {
            return None;
        }
        let segment = segment.split(';').next().unwrap_or_default();
        let segment = decode(segment)?;
        if leads_up(&segment.replace("%2F", "/"), &['/', '\\']) {
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

/// Returns whether a query may be served: every percent sign begins a byte that may occur, and no
/// part of it leads upwards, as if it were a path.
pub(crate) fn is_valid_query(query: &str) -> bool {
    if !query.contains(['%', '.']) {
        return true;
    }
    let allowed = |byte: u8| !is_control(byte) || matches!(byte, b'\n' | b'\r');
    unescape(query, allowed).is_some_and(|query| !leads_up(&query, &['/', '\\', '&', '=', ';']))
}

/// Returns whether one of the parts between separators is the folder above.
fn leads_up(text: &str, separators: &[char]) -> bool {
    text.split(separators).any(|part| part == "..")
}

/// Decodes a segment of a path.
fn decode(segment: &str) -> Option<String> {
    unescape(
        &segment.replace("%2f", "%2F").replace("%2F", "%252F"),
        |byte| !is_control(byte),
    )
}

fn unescape(text: &str, allowed: impl Fn(u8) -> bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        bytes.push(hex_byte(tail).filter(|byte| allowed(*byte))?);
        rest = tail.get(2..)?;
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The control characters that Zipkin's server refuses; a tab and the four separators it takes.
fn is_control(byte: u8) -> bool {
    matches!(byte, 0..=8 | 10..=27 | 127)
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
        is("/a..b/..c", "/a..b/..c");
        is("/a%5Cb%09", "/a\\b\t");
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
        for bad in [
            "/%zz",
            "/%",
            "/%4",
            "/a%00b",
            "/a%0Ab",
            "/a%7f",
            "/../health",
            "/a/%2e%2e/b",
            "/a%2F..",
            "/a%5c../b",
            "/a\\..",
            "/;x",
            "/a/;x/b",
            "*",
            "health",
            "",
        ] {
            assert_eq!(normalise(bad), None, "{bad}");
        }
        assert!(is_valid_query("serviceName=%C3%A9&x=%2B5"));
        for fine in [
            "a=..x",
            "a=x..&b",
            "a=...",
            "a=b,..",
            "a=%0A%0D%09%1f",
            "a=%25",
        ] {
            assert!(is_valid_query(fine), "{fine}");
        }
        for bad in [
            "a=%zz", "a=%", "a=%00", "a=%01", "a=%7F", "..", "a=..", "a=b/..&c", "a=%2E%2E", "..=1",
        ] {
            assert!(!is_valid_query(bad), "{bad}");
        }
    }
}

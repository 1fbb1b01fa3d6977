//! Answers to bytes, as Zipkin writes them. The one place of this crate that knows a format.

use std::fmt::{self, Write};

use speargun_model::{DependencyLink, Endpoint, Span};

/// Returns a list of names.
pub fn names(names: &[String]) -> Vec<u8> {
    list(names, |name, out| string(name, Escapes::Names, out))
}

/// Returns a list of spans.
pub fn spans(spans: &[Span]) -> Vec<u8> {
    list(spans, span)
}

/// Returns a list of traces.
pub fn traces(traces: &[Vec<Span>]) -> Vec<u8> {
    list(traces, |trace, out| write_list(trace, out, span))
}

/// Returns a list of dependency links.
pub fn links(links: &[DependencyLink]) -> Vec<u8> {
    list(links, |link, out| {
        out.write_str("{\"parent\":")?;
        string(&link.parent, Escapes::Spans, out)?;
        out.write_str(",\"child\":")?;
        string(&link.child, Escapes::Spans, out)?;
        write!(out, ",\"callCount\":{}", link.call_count)?;
        if link.error_count != 0 {
            write!(out, ",\"errorCount\":{}", link.error_count)?;
        }
        out.write_char('}')
    })
}

fn list<T>(items: &[T], item: impl Fn(&T, &mut String) -> fmt::Result) -> Vec<u8> {
    let mut out = String::new();
    let written = write_list(items, &mut out, item);
    debug_assert!(written.is_ok(), "writing to a string can't fail");
    out.into_bytes()
}

fn write_list<T>(
    items: &[T],
    out: &mut String,
    item: impl Fn(&T, &mut String) -> fmt::Result,
) -> fmt::Result {
    out.write_char('[')?;
    for (at, one) in items.iter().enumerate() {
        if at != 0 {
            out.write_char(',')?;
        }
        item(one, out)?;
    }
    out.write_char(']')
}

fn span(span: &Span, out: &mut String) -> fmt::Result {
    write!(out, "{{\"traceId\":\"{}\"", span.trace_id)?;
    if let Some(parent_id) = span.parent_id {
        write!(out, ",\"parentId\":\"{parent_id}\"")?;
    }
    write!(out, ",\"id\":\"{}\"", span.id)?;
    if let Some(kind) = span.kind {
        write!(out, ",\"kind\":\"{}\"", kind.name())?;
    }
    if let Some(name) = &span.name {
        out.write_str(",\"name\":")?;
        string(name, Escapes::Spans, out)?;
    }
    if span.timestamp_us != 0 {
        write!(out, ",\"timestamp\":{}", span.timestamp_us)?;
    }
    if span.duration_us != 0 {
        write!(out, ",\"duration\":{}", span.duration_us)?;
    }
    endpoint("localEndpoint", span.local_endpoint.as_ref(), out)?;
    endpoint("remoteEndpoint", span.remote_endpoint.as_ref(), out)?;
    if !span.annotations.is_empty() {
        out.write_str(",\"annotations\":")?;
        write_list(&span.annotations, out, |annotation, out| {
            write!(
                out,
                "{{\"timestamp\":{},\"value\":",
                annotation.timestamp_us
            )?;
            string(&annotation.value, Escapes::Spans, out)?;
            out.write_char('}')
        })?;
    }
    for (at, (key, value)) in span.tags.iter().enumerate() {
        out.write_str(if at == 0 { ",\"tags\":{" } else { "," })?;
        string(key, Escapes::Spans, out)?;
        out.write_char(':')?;
        string(value, Escapes::Spans, out)?;
    }
    if !span.tags.is_empty() {
        out.write_char('}')?;
    }
    out.write_str(if span.debug { ",\"debug\":true" } else { "" })?;
    out.write_str(if span.shared {
        ",\"shared\":true}"
    } else {
        "}"
    })
}

fn endpoint(field: &str, endpoint: Option<&Endpoint>, out: &mut String) -> fmt::Result {
    let Some(endpoint) = endpoint else {
        return Ok(());
    };
    write!(out, ",\"{field}\":")?;
    let mut before = '{';
    if let Some(name) = &endpoint.service_name {
        write!(out, "{before}\"serviceName\":")?;
        string(name, Escapes::Spans, out)?;
        before = ',';
    }
    if let Some(ipv4) = endpoint.ipv4 {
        write!(out, "{before}\"ipv4\":\"{ipv4}\"")?;
        before = ',';
    }
    if let Some(ipv6) = endpoint.ipv6 {
        write!(out, "{before}\"ipv6\":\"{ipv6}\"")?;
        before = ',';
    }
    if endpoint.port != 0 {
        write!(out, "{before}\"port\":{}", endpoint.port)?;
    }
    out.write_char('}')
}

/// Which of Zipkin's two writers is followed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    Spans,
    Names,
}

fn string(text: &str, escapes: Escapes, out: &mut String) -> fmt::Result {
    out.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            '\u{8}' => out.write_str("\\b")?,
            '\u{c}' => out.write_str("\\f")?,
            '\0'..='\u{1f}' => write!(out, "\\u{:04x}", u32::from(c))?,
            '\u{2028}' | '\u{2029}' if escapes == Escapes::Spans => {
                write!(out, "\\u{:04x}", u32::from(c))?;
            }
            '\u{10000}'.. if escapes == Escapes::Names => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04X}")?;
                }
            }
            _ => out.write_char(c)?,
        }
    }
    out.write_char('"')
}

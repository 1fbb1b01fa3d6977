//! Contexts to headers and back, in the formats that settings name.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};

use super::b3::{self, B3};
use super::context::{Carried, Sampling, TraceContext};
use super::w3c;

/// A form of headers, as Boot names them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// `b3`.
    B3,
    /// `X-B3-TraceId` and its kin.
    B3Multi,
    /// `traceparent` and `tracestate`.
    W3c,
}

/// Which headers are written and read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Propagation {
    /// Written on calls, all of them.
    pub produce: Vec<Format>,
    /// Read from requests; the first that makes sense wins. B3 stands in front by default: unlike
    /// W3C's it can leave the decision open.
    pub consume: Vec<Format>,
    /// Other headers that are handed on as they came (Sleuth's and Boot's remote fields).
    pub fields: Vec<HeaderName>,
}

impl Default for Propagation {
    /// What both generations of Spring understand.
    fn default() -> Self {
        Self {
            produce: vec![Format::B3Multi, Format::W3c],
            consume: vec![Format::B3, Format::B3Multi, Format::W3c],
            fields: Vec::new(),
        }
    }
}

/// Bytes of all fields that are handed on; those beyond are left out.
const FIELDS_BYTES_MAX: usize = 8 << 10;

/// What the headers of a request say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Extracted {
    /// The caller's span.
    pub caller: Option<TraceContext>,
    /// Whether the caller's span may be ours too: B3's callers expect that, W3C's do not.
    pub joinable: bool,
    /// What was decided; that of the caller's context, when there is one.
    pub sampling: Sampling,
    /// What goes on with every call.
    pub carried: Option<Arc<Carried>>,
}

impl Propagation {
    /// Writes the context to the headers of a call.
    pub fn inject(&self, context: &TraceContext, headers: &mut HeaderMap) {
        for format in &self.produce {
            match format {
                Format::B3 => b3::inject_single(context, headers),
                Format::B3Multi => b3::inject_multi(context, headers),
                Format::W3c => w3c::inject(context, headers),
            }
        }
        let carried = context.carried.iter();
        for (name, value) in carried.flat_map(|carried| &carried.fields) {
            headers.insert(name.clone(), value.clone());
        }
    }

    /// Reads what the headers of a request say.
    pub fn extract(&self, headers: &HeaderMap) -> Extracted {
        let mut found = self.first(headers).unwrap_or_default();
        let mut carried = Carried {
            fields: self.fields(headers),
            ..Carried::default()
        };
        // State of other tracers belongs to the trace of the header beside it.
        if self.consume.contains(&Format::W3c)
            && let Some(caller) = &found.caller
            && let Some(w3c) = w3c::extract(headers)
            && w3c.trace_id == caller.trace_id
        {
            carried.tracestate = w3c::state(headers);
        }
        found.carried = carried.into_option();
        if let Some(caller) = &mut found.caller {
            caller.carried.clone_from(&found.carried);
        }
        found
    }

    fn first(&self, headers: &HeaderMap) -> Option<Extracted> {
        self.consume.iter().find_map(|format| match format {
            Format::B3 => b3::extract_single(headers).map(from_b3),
            Format::B3Multi => b3::extract_multi(headers).map(from_b3),
            Format::W3c => w3c::extract(headers).map(|caller| Extracted {
                sampling: caller.sampling,
                caller: Some(caller),
                ..Extracted::default()
            }),
        })
    }

    fn fields(&self, headers: &HeaderMap) -> Vec<(HeaderName, http::HeaderValue)> {
        let mut left = FIELDS_BYTES_MAX;
        let mut taken = Vec::new();
        for name in &self.fields {
            let Some(value) = headers.get(name) else {
                continue;
            };
            if let Some(rest) = left.checked_sub(value.len()) {
                left = rest;
                taken.push((name.clone(), value.clone()));
            }
        }
        taken
    }
}

fn from_b3(b3: B3) -> Extracted {
    match b3 {
        B3::Context(caller) => Extracted {
            sampling: caller.sampling,
            caller: Some(caller),
            joinable: true,
            carried: None,
        },
        B3::Decision(sampling) => Extracted {
            sampling,
            ..Extracted::default()
        },
    }
}

#[cfg(test)]
mod tests;

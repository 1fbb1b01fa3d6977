//! B3 headers of a request, in the one and the many forms, with the rules of Zipkin's own tracer:
//! the one wins, and headers that make no sense are as good as none. W3C's are not read.

use http::{HeaderMap, HeaderName};
use speargun_model::{SpanId, TraceId};

const B3: HeaderName = HeaderName::from_static("b3");
const TRACE_ID: HeaderName = HeaderName::from_static("x-b3-traceid");
const SPAN_ID: HeaderName = HeaderName::from_static("x-b3-spanid");
const PARENT_SPAN_ID: HeaderName = HeaderName::from_static("x-b3-parentspanid");
const SAMPLED: HeaderName = HeaderName::from_static("x-b3-sampled");
const FLAGS: HeaderName = HeaderName::from_static("x-b3-flags");

/// What the client decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Decision {
    /// Nothing.
    #[default]
    Open,
    /// This trace is not recorded.
    Drop,
    /// It is.
    Keep,
    /// It is, whatever samplers say.
    Debug,
}

/// The span that the client began, to which ours belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ids {
    pub(super) trace_id: TraceId,
    pub(super) parent_id: Option<SpanId>,
    pub(super) id: SpanId,
}

/// What the headers say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Extracted {
    pub(super) decision: Decision,
    pub(super) ids: Option<Ids>,
}

/// Reads the headers of a request.
pub(super) fn extract(headers: &HeaderMap) -> Extracted {
    text(headers, &B3)
        .and_then(single)
        .or_else(|| multiple(headers))
        .unwrap_or_default()
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// `{trace}-{span}[-{decision}][-{parent}]`, or a decision alone.
fn single(text: &str) -> Option<Extracted> {
    if let Some(decision) = decision(text) {
        return Some(Extracted {
            decision,
            ids: None,
        });
    }
    let mut parts = text.split('-');
    let trace_id = parts.next().filter(|id| matches!(id.len(), 16 | 32))?;
    let id = parts.next()?;
    let mut third = parts.next();
    let decision = third.and_then(decision);
    if decision.is_some() {
        third = parts.next();
    }
    let fixed = |id: &str| (id.len() == 16).then(|| span_id(id)).flatten();
    let parent_id = match third {
        Some(parent) => Some(fixed(parent)?),
        None => None,
    };
    let ids = Ids {
        trace_id: TraceId::parse(trace_id).ok()?,
        parent_id,
        id: fixed(id)?,
    };
    parts.next().is_none().then(|| Extracted {
        decision: decision.unwrap_or_default(),
        ids: Some(ids),
    })
}

fn decision(text: &str) -> Option<Decision> {
    match text {
        "0" => Some(Decision::Drop),
        "1" => Some(Decision::Keep),
        "d" => Some(Decision::Debug),
        _ => None,
    }
}

fn multiple(headers: &HeaderMap) -> Option<Extracted> {
    let sampled = match text(headers, &SAMPLED) {
        None => Decision::Open,
        Some("0") => Decision::Drop,
        Some("1") => Decision::Keep,
        Some(word) if word.eq_ignore_ascii_case("true") => Decision::Keep,
        Some(word) if word.eq_ignore_ascii_case("false") => Decision::Drop,
        Some(_) => return None,
    };
    let debug = text(headers, &FLAGS) == Some("1");
    let decision = if debug { Decision::Debug } else { sampled };
    let ids = match text(headers, &TRACE_ID) {
        None => None,
        Some(trace_id) => Some(Ids {
            trace_id: TraceId::parse(trace_id).ok()?,
            id: span_id(text(headers, &SPAN_ID)?)?,
            parent_id: match text(headers, &PARENT_SPAN_ID) {
                Some(parent) => Some(span_id(parent)?),
                None => None,
            },
        }),
    };
    Some(Extracted { decision, ids })
}

/// Reads 1 to 16 lower-hex digits that are not all zero.
fn span_id(text: &str) -> Option<SpanId> {
    let digits = !text.is_empty() && text.len() <= 16;
    let lower_hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let id = u64::from_str_radix(text, 16).ok()?;
    (digits && lower_hex && id != 0).then_some(SpanId(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&'static str, &str)]) -> Extracted {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        extract(&headers)
    }

    fn ids(trace_id: u128, parent_id: u64, id: u64) -> Ids {
        Ids {
            trace_id: TraceId::from_u128(trace_id),
            parent_id: (parent_id != 0).then_some(SpanId(parent_id)),
            id: SpanId(id),
        }
    }

    #[test]
    fn the_one_header_in_all_its_lengths() {
        let one = |text: &str| of(&[("b3", text)]);
        let is = |text: &str, decision, ids| {
            assert_eq!(one(text), Extracted { decision, ids }, "{text}");
        };
        is("0", Decision::Drop, None);
        is("1", Decision::Keep, None);
        is("d", Decision::Debug, None);
        let (trace, span, parent) = ("00000000000000a2", "0000000000000b02", "0000000000000c02");
        is(
            &format!("{trace}-{span}"),
            Decision::Open,
            Some(ids(0xa2, 0, 0xb02)),
        );
        is(
            &format!("{trace}-{span}-0"),
            Decision::Drop,
            Some(ids(0xa2, 0, 0xb02)),
        );
        is(
            &format!("{trace}-{span}-d-{parent}"),
            Decision::Debug,
            Some(ids(0xa2, 0xc02, 0xb02)),
        );
        is(
            &format!("{trace}-{span}-{parent}"),
            Decision::Open,
            Some(ids(0xa2, 0xc02, 0xb02)),
        );
        let long = 0xf_0000_0000_0000_00a2_u128;
        is(
            &format!("{long:032x}-{span}-1"),
            Decision::Keep,
            Some(ids(long, 0, 0xb02)),
        );
    }

    #[test]
    fn one_header_without_sense_is_none() {
        for bad in [
            "",
            "2",
            "a2-b02",
            "00000000000000A2-0000000000000b02",
            "0000000000000000-0000000000000b02",
            "00000000000000a2-0000000000000000",
            "00000000000000a2-0000000000000b02-2",
            "00000000000000a2-0000000000000b02-1-c",
            "00000000000000a2-0000000000000b02-1-0000000000000c02-1",
            "00000000000000a2-+000000000000b02",
            "00000000000000a2",
        ] {
            assert_eq!(of(&[("b3", bad)]), Extracted::default(), "{bad:?}");
        }
    }

    #[test]
    fn many_headers() {
        let all = of(&[
            ("x-b3-traceid", "a6"),
            ("x-b3-spanid", "b06"),
            ("x-b3-parentspanid", "c06"),
            ("x-b3-sampled", "true"),
        ]);
        assert_eq!(all.decision, Decision::Keep);
        assert_eq!(all.ids, Some(ids(0xa6, 0xc06, 0xb06)));
        let debug = of(&[("x-b3-flags", "1"), ("x-b3-sampled", "0")]);
        assert_eq!(debug.decision, Decision::Debug);
        let drop = of(&[("x-b3-sampled", "False")]);
        assert_eq!((drop.decision, drop.ids), (Decision::Drop, None));
        for bad in [
            &[
                ("x-b3-traceid", "A6"),
                ("x-b3-spanid", "b06"),
                ("x-b3-sampled", "0"),
            ][..],
            &[("x-b3-traceid", "a6"), ("x-b3-sampled", "0")],
            &[("x-b3-sampled", "2"), ("x-b3-flags", "1")],
        ] {
            assert_eq!(of(bad), Extracted::default(), "{bad:?}");
        }
    }

    #[test]
    fn the_one_header_wins() {
        let both = of(&[("b3", "d"), ("x-b3-sampled", "0")]);
        assert_eq!(both.decision, Decision::Debug);
        let broken = of(&[("b3", "?"), ("x-b3-sampled", "0")]);
        assert_eq!(broken.decision, Decision::Drop);
    }
}

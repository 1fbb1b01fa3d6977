//! Random spans that are normalised as decoded ones are.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use speargun_model::span::java_order;
use speargun_model::{Annotation, Endpoint, Kind, Span, SpanId, TraceId};

/// Texts of any characters; long ones cross the edges of what is scanned at once.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => vec(prop_oneof![prop::char::range(' ', '~'), any::<char>()], 1..40)
            .prop_map(|chars| chars.into_iter().collect::<String>()),
        1 => "[a-zA-Z0-9./ \"\\\\]{1,64}",
    ]
}

fn name() -> impl Strategy<Value = Option<String>> {
    option::of(text().prop_map(|name| name.to_lowercase()))
}

fn endpoint() -> impl Strategy<Value = Option<Endpoint>> {
    // Addresses that embed IPv4 are another one on the wire.
    let ipv6 = any::<u128>().prop_map(|bits| (bits | 0x2000 << 112).into());
    (
        name(),
        option::of(any::<u32>()),
        option::of(ipv6),
        any::<u16>(),
    )
        .prop_map(|(service_name, ipv4, ipv6, port)| {
            Endpoint {
                service_name,
                ipv4: ipv4.map(Into::into),
                ipv6,
                port,
            }
            .into_option()
        })
}

fn annotations() -> impl Strategy<Value = Vec<Annotation>> {
    let time = any::<i64>().prop_filter("proto3 keeps none at 0", |&time| time != 0);
    vec((time, text()), 0..4).prop_map(|all| {
        let mut all: Vec<_> = all
            .into_iter()
            .map(|(timestamp_us, value)| Annotation {
                timestamp_us,
                value,
            })
            .collect();
        all.sort_by(|a, b| {
            let times = a.timestamp_us.cmp(&b.timestamp_us);
            times.then_with(|| java_order(&a.value, &b.value))
        });
        all.dedup();
        all
    })
}

fn tags() -> impl Strategy<Value = Vec<(String, String)>> {
    vec((text(), prop_oneof![text(), Just(String::new())]), 0..8).prop_map(|mut tags| {
        tags.sort_by(|a, b| java_order(&a.0, &b.0));
        tags.dedup_by(|a, b| a.0 == b.0);
        tags
    })
}

/// Microseconds or nothing.
fn time() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1..1_000_000_u64, 0..=i64::MAX.cast_unsigned()]
}

prop_compose! {
    /// Returns a span that JSON v2 and proto3 can both say.
    pub(crate) fn span()(
        ids in (any::<u64>(), 1_u64.., 0_u64.., 1_u64..),
        kind in option::of(prop::sample::select(
            &[Kind::Client, Kind::Server, Kind::Producer, Kind::Consumer][..]
        )),
        name in name(),
        times in (time(), time()),
        endpoints in (endpoint(), endpoint()),
        annotations in annotations(),
        tags in tags(),
        flags in any::<(bool, bool)>(),
    ) -> Span {
        let (high, low, parent, id) = ids;
        Span {
            trace_id: TraceId { high: if high % 2 == 0 { high } else { 0 }, low },
            parent_id: (parent != 0 && parent != id).then_some(SpanId(parent)),
            id: SpanId(id),
            kind,
            name,
            timestamp_us: times.0,
            duration_us: times.1,
            local_endpoint: endpoints.0,
            remote_endpoint: endpoints.1,
            annotations,
            tags,
            debug: flags.0,
            shared: flags.1 && kind != Some(Kind::Client),
        }
    }
}

//! How owned spans are merged: the first report of a field wins, later tags win. No tree here.

use std::cmp::Ordering;

use super::Fragment;
use crate::endpoint::Endpoint;
use crate::id::SpanId;
use crate::span::{Kind, Span, java_order};

impl Fragment for Span {
    fn id(&self) -> u64 {
        self.id.0
    }

    fn parent_id(&self) -> u64 {
        self.parent_id.map_or(0, |id| id.0)
    }

    fn kind(&self) -> Option<Kind> {
        self.kind
    }

    fn shared(&self) -> bool {
        self.shared
    }

    fn timestamp_us(&self) -> u64 {
        self.timestamp_us
    }

    fn compare_local(&self, other: &Self) -> Ordering {
        match (&self.local_endpoint, &other.local_endpoint) {
            (Some(a), Some(b)) => compare_endpoints(a, b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        }
    }

    fn identify_local(&self, other: &Self) -> Ordering {
        self.local_endpoint.cmp(&other.local_endpoint)
    }

    fn local_agrees(&self, other: &Self) -> bool {
        match (&self.local_endpoint, &other.local_endpoint) {
            (Some(a), Some(b)) => {
                agree(a.service_name.as_ref(), b.service_name.as_ref())
                    && agree(a.ipv4, b.ipv4)
                    && agree(a.ipv6, b.ipv6)
                    && (a.port == b.port || a.port == 0 || b.port == 0)
            }
            _ => true,
        }
    }

    fn absorb(&mut self, later: Self) {
        self.parent_id = self.parent_id.or(later.parent_id);
        self.kind = self.kind.or(later.kind);
        self.name = self.name.take().or(later.name);
        self.timestamp_us = first_set(self.timestamp_us, later.timestamp_us);
        self.duration_us = first_set(self.duration_us, later.duration_us);
        absorb_endpoint(&mut self.local_endpoint, later.local_endpoint);
        absorb_endpoint(&mut self.remote_endpoint, later.remote_endpoint);
        self.annotations.extend(later.annotations);
        self.tags.extend(later.tags);
        self.debug |= later.debug;
        self.shared |= later.shared;
    }

    fn finish(&mut self) {
        self.annotations.sort_by(|a, b| {
            let by_time = a.timestamp_us.cmp(&b.timestamp_us);
            by_time.then_with(|| java_order(&a.value, &b.value))
        });
        self.annotations.dedup();
        // Stable, and of equal keys the last one's value moves into the first one's place.
        self.tags.sort_by(|a, b| java_order(&a.0, &b.0));
        self.tags.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                std::mem::swap(later, kept);
            }
            same
        });
    }

    fn set_shared(&mut self) {
        self.shared = true;
    }

    fn set_parent_id(&mut self, parent_id: u64) {
        self.parent_id = (parent_id != 0).then_some(SpanId(parent_id));
    }
}

fn compare_endpoints(a: &Endpoint, b: &Endpoint) -> Ordering {
    none_last(
        a.service_name.as_deref(),
        b.service_name.as_deref(),
        |a, b| java_order(a, b),
    )
    .then_with(|| none_last(a.ipv4, b.ipv4, compare_texts))
    .then_with(|| none_last(a.ipv6, b.ipv6, compare_texts))
}

/// Compares addresses as Zipkin does: as texts. Allocates, but only where one id was reported
/// from two addresses.
pub(crate) fn compare_texts<T: PartialEq + ToString>(a: &T, b: &T) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    a.to_string().cmp(&b.to_string())
}

/// Compares two parts of endpoints, an absent one last.
pub(crate) fn none_last<T>(
    a: Option<T>,
    b: Option<T>,
    compare: impl Fn(&T, &T) -> Ordering,
) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => compare(&a, &b),
        (a, b) => a.is_none().cmp(&b.is_none()),
    }
}

/// Returns whether two parts of endpoints do not contradict.
pub(crate) fn agree<T: PartialEq>(a: Option<T>, b: Option<T>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    }
}

fn first_set(first: u64, later: u64) -> u64 {
    if first == 0 { later } else { first }
}

fn absorb_endpoint(first: &mut Option<Endpoint>, later: Option<Endpoint>) {
    let (Some(kept), Some(later)) = (first.as_mut(), later.as_ref()) else {
        *first = first.take().or(later);
        return;
    };
    if kept.service_name.is_none() {
        kept.service_name.clone_from(&later.service_name);
    }
    kept.ipv4 = kept.ipv4.or(later.ipv4);
    kept.ipv6 = kept.ipv6.or(later.ipv6);
    if kept.port == 0 {
        kept.port = later.port;
    }
}

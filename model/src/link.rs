//! Links between services: what calls what, how often, with how many errors. How they are found
//! in a trace is [`linker`]'s business.

use std::collections::HashMap;

pub mod linker;
mod simple;
mod span;

pub use linker::{LinkCount, Linker, link_traces};
pub use span::{LinkEndpoint, LinkSpan, Name};

/// Calls from one service to another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct DependencyLink {
    /// The calling service, lower-case.
    pub parent: String,
    /// The called service, lower-case.
    pub child: String,
    /// Calls seen.
    pub call_count: u64,
    /// Calls that failed; at most `call_count`.
    pub error_count: u64,
}

/// Sums links of the same parent and child, each where it was first seen.
pub fn merge_links(links: impl IntoIterator<Item = DependencyLink>) -> Vec<DependencyLink> {
    let mut places: HashMap<(String, String), usize> = HashMap::new();
    let mut merged: Vec<DependencyLink> = Vec::new();
    for link in links {
        let pair = (link.parent.clone(), link.child.clone());
        let place = *places.entry(pair).or_insert(merged.len());
        match merged.get_mut(place) {
            Some(sum) => {
                sum.call_count = sum.call_count.saturating_add(link.call_count);
                sum.error_count = sum.error_count.saturating_add(link.error_count);
            }
            None => merged.push(link),
        }
    }
    merged
}

#[cfg(test)]
mod tests;

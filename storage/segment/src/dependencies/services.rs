//! The services of all sources of a query. The linker lets the order of names decide where reports
//! of one span contradict each other, so in the end they are numbered in Java's order.

use speargun_model::span::java_order;

use crate::dictionary::text;
use crate::intern::Interner;
use crate::names::{NAME_BYTES_MAX, NAMES_BYTES_MAX};

/// Services by the order in which they were seen.
pub(super) struct Seen {
    names: Interner,
    bytes: usize,
}

impl Seen {
    pub(super) fn new() -> Self {
        Self {
            names: Interner::new(),
            bytes: 0,
        }
    }

    /// Returns the number of a service; none for the empty name and, as for lists of names, for one
    /// that is too long or too much: that is none to the linker.
    pub(super) fn see(&mut self, name: &[u8]) -> Option<u32> {
        if name.is_empty() {
            return None;
        }
        if let Some(number) = self.names.find(name) {
            return Some(number);
        }
        let fits = name.len() <= NAME_BYTES_MAX && self.bytes + name.len() <= NAMES_BYTES_MAX;
        fits.then(|| {
            self.bytes += name.len();
            self.names.intern(name)
        })
    }

    /// Returns the services in Java's order, and the number there of each that was seen.
    pub(super) fn in_order(self) -> (Interner, Vec<u32>) {
        let names: Vec<String> = self.names.iter().map(text).collect();
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_unstable_by(|&a, &b| {
            let name = |at: usize| names.get(at).map_or("", String::as_str);
            java_order(name(a), name(b))
        });
        let mut services = Interner::new();
        let mut numbers = vec![0; names.len()];
        for at in order {
            if let (Some(name), Some(number)) = (names.get(at), numbers.get_mut(at)) {
                *number = services.intern(name.as_bytes());
            }
        }
        (services, numbers)
    }
}

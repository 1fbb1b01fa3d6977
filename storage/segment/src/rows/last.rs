//! What rows had of late, which the next ones often have again: found without a hash. Where it is
//! not found nothing is lost but time.

use speargun_model::batch::EndpointRecord;

use super::Operation;
use crate::intern::{Known, Near};

/// Operations that are found: one for each place.
const OPERATIONS: usize = 64;

/// Remote addresses that are.
const REMOTES: usize = 64;

/// What rows had of late.
#[derive(Debug)]
pub(super) struct Last {
    pub(super) services: Near,
    pub(super) names: Near,
    remotes: [Option<(u32, u32)>; REMOTES],
    pub(super) local: Option<EndpointRecord>,
    pub(super) local_address: u32,
    pub(super) annotation: Known,
    operations: [Option<(Operation, u32)>; OPERATIONS],
}

impl Default for Last {
    fn default() -> Self {
        Self {
            services: Near::default(),
            names: Near::default(),
            remotes: [None; REMOTES],
            local: None,
            local_address: 0,
            annotation: Known::NONE,
            operations: [None; OPERATIONS],
        }
    }
}

impl Last {
    /// Returns the number of an operation that was met of late.
    #[inline]
    pub(super) fn code_of(&self, operation: Operation) -> Option<u32> {
        let (near, code) = (*self.operations.get(place(operation))?)?;
        (near == operation).then_some(code)
    }

    /// Returns the number of a remote address that was met of late: of IPv4 alone.
    #[inline]
    pub(super) fn remote_of(&self, remote: &EndpointRecord) -> Option<u32> {
        let (near, code) = (*self.remotes.get(remote_place(remote)?)?)?;
        (near == remote.ipv4).then_some(code)
    }

    pub(super) fn remember_remote(&mut self, remote: &EndpointRecord, code: u32) {
        let place = remote_place(remote).and_then(|place| self.remotes.get_mut(place));
        if let Some(near) = place {
            *near = Some((remote.ipv4, code));
        }
    }

    pub(super) fn remember(&mut self, operation: Operation, code: u32) {
        if let Some(near) = self.operations.get_mut(place(operation)) {
            *near = Some((operation, code));
        }
    }
}

/// Returns the place of an address; `None` where it is more than IPv4.
#[inline]
fn remote_place(remote: &EndpointRecord) -> Option<usize> {
    let spread = remote.ipv4 ^ remote.ipv4 >> 6 ^ remote.ipv4 >> 13;
    (remote.has_ipv4 && remote.ipv6 == 0).then_some(spread as usize % REMOTES)
}

#[inline]
fn place(operation: Operation) -> usize {
    let numbers = [operation.service, operation.remote, operation.name];
    let spread = numbers.iter().fold(0, |spread, &n| spread * 5 + n as usize);
    (spread + 7 * usize::from(operation.flags)) % OPERATIONS
}

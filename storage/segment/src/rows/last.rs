//! What rows had of late, which the next ones often have again: found without a hash. Where it is
//! not found nothing is lost but time.

use speargun_model::batch::EndpointRecord;

use super::Operation;
use crate::intern::{Known, Near};

/// Operations that are found: one for each place.
const OPERATIONS: usize = 64;

/// Remote addresses that are.
const REMOTES: usize = 64;
/// The key of no address.
const NO_REMOTE: u64 = u64::MAX;

/// What rows had of late.
#[derive(Debug)]
pub(super) struct Last {
    pub(super) services: Near,
    pub(super) names: Near,
    remotes: [(u64, u32); REMOTES],
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
            remotes: [(NO_REMOTE, 0); REMOTES],
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

    /// Returns the number of a remote address that was met of late: none, or one of IPv4 alone.
    #[inline]
    pub(super) fn remote_of(&self, remote: &EndpointRecord) -> Option<u32> {
        let key = remote_key(remote)?;
        let &(near, code) = self.remotes.get(remote_place(key))?;
        (near == key).then_some(code)
    }

    pub(super) fn remember_remote(&mut self, remote: &EndpointRecord, code: u32) {
        if let Some(key) = remote_key(remote)
            && let Some(near) = self.remotes.get_mut(remote_place(key))
        {
            *near = (key, code);
        }
    }

    pub(super) fn remember(&mut self, operation: Operation, code: u32) {
        if let Some(near) = self.operations.get_mut(place(operation)) {
            *near = Some((operation, code));
        }
    }
}

/// Returns what tells an address from others; `None` where it is more than IPv4.
#[inline]
fn remote_key(remote: &EndpointRecord) -> Option<u64> {
    let key = u64::from(remote.has_ipv4) << 32 | u64::from(remote.ipv4);
    (remote.ipv6 == 0).then_some(key)
}

#[inline]
fn remote_place(key: u64) -> usize {
    (key ^ key >> 6 ^ key >> 13) as usize % REMOTES
}

#[inline]
fn place(operation: Operation) -> usize {
    let numbers = [operation.service, operation.remote, operation.name];
    let spread = numbers.iter().fold(0, |spread, &n| spread * 5 + n as usize);
    (spread + 7 * usize::from(operation.flags)) % OPERATIONS
}

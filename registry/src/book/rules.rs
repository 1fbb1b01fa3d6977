//! Which status an instance has in the end: the first rule that speaks decides.

use super::{Lease, Origin};
use crate::model::{Instance, Status};

/// Returns the status of an instance that registers or renews. `existing` is its lease so far.
pub(super) fn status(incoming: &Instance, existing: Option<&Lease>, origin: Origin) -> Status {
    let may_be_overridden = |status| matches!(status, Status::Up | Status::OutOfService);
    // What is not ready says so itself, whatever an operator wants.
    if !may_be_overridden(incoming.status) {
        return incoming.status;
    }
    if incoming.overridden != Status::Unknown {
        return incoming.overridden;
    }
    // A client does not know what was decided about it; a registry does.
    if origin == Origin::Client
        && let Some(lease) = existing
        && may_be_overridden(lease.instance.status)
    {
        return lease.instance.status;
    }
    incoming.status
}

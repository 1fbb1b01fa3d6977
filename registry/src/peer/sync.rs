//! Reading everything a peer knows: from a registry of ours with its leases, from one of Java's as
//! clients do.

use super::courier::{Deps, Failure};
use super::line::Line;
use crate::book::Known;
use crate::codec::json;
use crate::snapshot;

/// Where registries of ours tell their leases, behind the path of Eureka's operations.
pub const LEASES: &str = "speargun/leases";

/// What a peer knows.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// Its instances.
    pub(super) known: Vec<Known>,
    /// Whether it is a registry of ours, which says when overrides were set.
    pub(super) is_ours: bool,
}

/// Returns what the peer knows.
pub(super) async fn read(line: &mut Line, deps: &Deps) -> Result<Read, Failure> {
    let answer = line.get_list(LEASES).await?;
    if answer.status == 200 && answer.node.is_some() {
        let leases = snapshot::read(&answer.body).map_err(|_| Failure::Odd)?;
        return Ok(Read {
            known: leases.known,
            is_ours: true,
        });
    }
    let answer = line.get_list("apps/").await?;
    match answer.status {
        200 => {}
        // It is not ready yet itself.
        403 => return Ok(Read::default()),
        other => return Err(Failure::Refused(other)),
    }
    let instances = json::read_applications(&answer.body).map_err(|_| Failure::Odd)?;
    let now = deps.time.now();
    let known = instances.into_iter().map(|instance| Known {
        // Java's registries tell when a lease ends as when it was renewed, so that is never past.
        silent_ms: match instance.lease.renewed_ms {
            0 => 0,
            renewed_ms => now
                .wall_ms
                .saturating_sub(renewed_ms)
                .min(duration_ms(&instance)),
        },
        override_ms: 0,
        instance,
    });
    Ok(Read {
        known: known.collect(),
        is_ours: false,
    })
}

fn duration_ms(instance: &crate::model::Instance) -> u64 {
    u64::from(instance.lease.duration_s) * 1000
}

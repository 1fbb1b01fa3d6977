//! A node of the registry is killed: calls go on, leases do not run out, and who comes new is
//! found.

use anyhow::{Result, ensure};

use super::caller::Caller;
use super::{WITHIN, greeter, hi, registered, renewals, seen};
use crate::process::until;
use crate::stack::Stack;

/// Renewals that are more than a lease is long: one comes a second, and a lease has five.
const RENEWALS: u64 = 7;

pub(super) async fn play(stack: &mut Stack) -> Result<()> {
    let caller = Caller::new(stack.port("service-2")?, "/once/bob");
    tokio::select! {
        played = story(stack, &caller) => played,
        () = caller.run() => Ok(()),
    }
}

async fn story(stack: &mut Stack, caller: &Caller) -> Result<()> {
    caller.more(50).await?;
    stack.kill("registry-1").await?;
    seen(stack, "registry-1 is killed");
    let ports: Vec<u16> = stack.services_up().map(|process| process.port).collect();
    for (port, enough) in enough_renewals(&ports).await? {
        until("leases are renewed at the other", WITHIN, || async {
            Ok((renewals(port).await? >= enough).then_some(()))
        })
        .await?;
    }
    let left = registered(stack.port("registry-2")?).await?;
    ensure!(left.len() == 2, "registry-2 knows {left:?}");
    seen(
        stack,
        "a lease's time later registry-2 still knows both instances",
    );
    let newcomer = stack.add("service-1").await?;
    until("the newcomer is called", WITHIN, || async {
        Ok((greeter(&hi(stack).await?)? == newcomer).then_some(()))
    })
    .await?;
    seen(stack, "a third instance came and is called");
    caller.more(50).await?;
    caller.expect_well(0)?;
    let calls = caller.calls();
    seen(
        stack,
        &format!("without any retry none of {calls} calls failed"),
    );
    Ok(())
}

/// Returns for each service how many renewals are enough.
async fn enough_renewals(ports: &[u16]) -> Result<Vec<(u16, u64)>> {
    let mut enough = Vec::new();
    for port in ports {
        enough.push((*port, renewals(*port).await? + RENEWALS));
    }
    Ok(enough)
}

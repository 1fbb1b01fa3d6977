//! One of two instances is killed. With retries nobody notices; without, calls fail at most until
//! its lease ran out and the caller fetched the list once more.

use anyhow::{Result, ensure};

use super::caller::Caller;
use super::{WITHIN, registered, renewals, seen};
use crate::ask;
use crate::process::until;
use crate::stack::{Stack, metric};

const FETCHES: &str = "eureka_client_fetches_total";
/// Renewals of another, one a second, within which a lease of five seconds must have run out. It is
/// well below the ninety seconds that a registry gives whoever asks for nothing.
const RENEWALS_MAX: u64 = 20;

pub(super) async fn play(stack: &mut Stack) -> Result<()> {
    let port = stack.port("service-2")?;
    let (guarded, bare) = (Caller::new(port, "/hi/bob"), Caller::new(port, "/once/bob"));
    tokio::select! {
        played = story(stack, &guarded, &bare) => played,
        () = guarded.run() => Ok(()),
        () = bare.run() => Ok(()),
    }
}

async fn story(stack: &mut Stack, guarded: &Caller, bare: &Caller) -> Result<()> {
    guarded.more(50).await?;
    bare.more(50).await?;
    guarded.expect_well(0)?;
    bare.expect_well(0)?;
    seen(stack, "100 calls are answered by two instances");
    let survivor = stack.port("service-1.2")?;
    let before = renewals(survivor).await?;
    stack.kill("service-1").await?;
    seen(stack, "one of them is killed");
    // Its lease runs out in each of the registries.
    for name in ["registry-1", "registry-2"] {
        let registry = stack.port(name)?;
        until(&format!("{name} let it go"), WITHIN, || async {
            Ok((registered(registry).await?.len() == 1).then_some(()))
        })
        .await?;
    }
    let meanwhile = renewals(survivor).await? - before;
    ensure!(
        meanwhile <= RENEWALS_MAX,
        "its lease ran out only after {meanwhile} renewals of the other"
    );
    seen(stack, "its lease has run out");
    let service_2 = stack.port("service-2")?;
    // The fetch that goes on may have begun before, so it is the next one that counts.
    let enough = metric(service_2, FETCHES).await? + 2;
    until("service-2 fetched the list", WITHIN, || async {
        Ok((metric(service_2, FETCHES).await? >= enough).then_some(()))
    })
    .await?;
    let told = ask::get(service_2, "/actuator/demo").await?.json()?;
    let known = &told["knows"]["service-1"];
    ensure!(
        *known == 1,
        "service-2 knows {known} instances of service-1"
    );
    let from = bare.calls() + 1;
    bare.more(101).await?;
    guarded.more(100).await?;
    bare.expect_well(from)?;
    let failed = bare.failed();
    seen(
        stack,
        &format!("without retries {failed} calls failed, none after lease and fetch"),
    );
    guarded.expect_well(0)?;
    ensure!(guarded.failed() == 0, "with retries calls failed");
    let calls = guarded.calls();
    seen(stack, &format!("with retries none of {calls} calls failed"));
    Ok(())
}

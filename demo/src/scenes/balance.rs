//! Two instances of service-1: calls alternate.

use anyhow::{Result, ensure};

use super::{greeter, hi, seen};
use crate::stack::Stack;

const CALLS: usize = 40;

pub(super) async fn play(stack: &Stack) -> Result<()> {
    let mut greeters = Vec::new();
    for _ in 0..CALLS {
        greeters.push(greeter(&hi(stack).await?)?);
    }
    let both = [stack.port("service-1")?, stack.port("service-1.2")?];
    for port in both {
        let calls = greeters.iter().filter(|it| **it == port).count();
        ensure!(
            calls == CALLS / 2,
            "port {port} got {calls} of {CALLS} calls: {greeters:?}"
        );
    }
    let twice = greeters.windows(2).any(|pair| pair[0] == pair[1]);
    ensure!(
        !twice,
        "two calls in a row went to the same instance: {greeters:?}"
    );
    seen(
        stack,
        &format!("{CALLS} calls alternated over ports {both:?}"),
    );
    Ok(())
}

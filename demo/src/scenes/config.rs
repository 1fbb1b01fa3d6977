//! Commits change running processes: what service-1 answers, and which part of the traces the
//! backend keeps.

use anyhow::{Result, ensure};
use http::StatusCode;

use super::{WITHIN, greeter, hi, seen};
use crate::process::until;
use crate::stack::Stack;
use crate::{ask, files};

pub(super) async fn play(stack: &mut Stack) -> Result<()> {
    let before = hi(stack).await?;
    greeter(&before)?;
    ensure!(before.starts_with("hi bob"), "the greeting is {before}");
    commit(
        stack,
        "service-1.properties",
        files::greeting("good morning"),
    )?;
    until("both instances greet anew", WITHIN, || async {
        let (one, other) = (hi(stack).await?, hi(stack).await?);
        let anew = |answer: &str| answer.starts_with("good morning bob");
        let both = greeter(&one)? != greeter(&other)?;
        Ok((both && anew(&one) && anew(&other)).then_some(()))
    })
    .await?;
    seen(
        stack,
        &format!(
            "{:?} became \"good morning bob\" at both instances by a commit",
            first_words(&before)
        ),
    );

    ensure!(
        is_kept(stack).await?,
        "the backend does not keep what it takes"
    );
    commit(stack, "speargun.properties", files::backend(0.0))?;
    until("the backend keeps nothing", WITHIN, || async {
        Ok((!is_kept(stack).await?).then_some(()))
    })
    .await?;
    for _ in 0..20 {
        ensure!(
            !is_kept(stack).await?,
            "the backend keeps a trace at a rate of 0"
        );
    }
    seen(stack, "at a rate of 0 the backend keeps none of 20 traces");
    commit(stack, "speargun.properties", files::backend(1.0))?;
    until("the backend keeps traces again", WITHIN, || async {
        Ok(is_kept(stack).await?.then_some(()))
    })
    .await?;
    for _ in 0..20 {
        ensure!(
            is_kept(stack).await?,
            "the backend loses a trace at a rate of 1"
        );
    }
    seen(stack, "at a rate of 1 it keeps all of 20");
    Ok(())
}

fn commit(stack: &mut Stack, file: &str, text: String) -> Result<()> {
    stack
        .repository
        .commit(&format!("change {file}"), &[(file, text)])
}

fn first_words(answer: &str) -> &str {
    answer.split(',').next().unwrap_or_default()
}

/// Sends a span of a new trace to the backend, and returns whether it is there afterwards.
async fn is_kept(stack: &Stack) -> Result<bool> {
    let backend = stack.port("backend")?;
    let id = format!("{:016x}", fastrand::u64(1..));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let span = serde_json::json!([{
        "traceId": id, "id": id, "name": "probe", "timestamp": now.as_micros() as u64,
        "duration": 1, "localEndpoint": { "serviceName": "probe" },
    }]);
    let answer = ask::post(backend, "/api/v2/spans", span.to_string()).await?;
    ensure!(
        answer.status.is_success(),
        "the backend answered {}",
        answer.status
    );
    let found = ask::get(backend, &format!("/api/v2/trace/{id}")).await?;
    match found.status {
        StatusCode::OK => Ok(true),
        StatusCode::NOT_FOUND => Ok(false),
        other => anyhow::bail!("the backend answered {other}: {}", found.text()),
    }
}

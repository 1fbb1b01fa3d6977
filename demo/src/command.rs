//! What the command line asks for, and a demo's life: it starts, tells what one can try, and ends
//! on Ctrl-C, or when a part without which there is nothing to see is gone; or a scene is played.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::process::until;
use crate::say::say;
use crate::scenes::Scene;
use crate::stack::{Plan, Stack};
use crate::traffic::RATE_MAX;
use crate::{ask, service};

/// How long the first trace may take to be seen.
const TRACE_WITHIN: Duration = Duration::from_mins(1);

/// The flags of `speargun demo`.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// The page's port [default: a free one].
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// A new folder for the git repository, spans and logs, which stays [default: one that goes].
    #[arg(long)]
    data: Option<PathBuf>,
    /// Visits to the shop a second; scenes make their own.
    #[arg(long, default_value_t = 3.0, conflicts_with = "scenario")]
    rate: f64,
    /// Play a scene, check it, and end.
    #[arg(long, value_enum, value_name = "NAME")]
    scenario: Option<Scene>,
}

impl Options {
    fn plan(&self) -> Result<Plan> {
        ensure!(
            (0.0..=RATE_MAX).contains(&self.rate),
            "--rate is {}, but must be from 0 to {RATE_MAX}",
            self.rate
        );
        let (rate, services) = match self.scenario {
            // Scenes count calls, so they make them all.
            Some(scene) => (0.0, scene.services()),
            None => {
                let mut all = service::names();
                all.insert(1, "service-1");
                (self.rate, all)
            }
        };
        Ok(Plan {
            port: self.port,
            data: self.data.clone(),
            rate,
            services,
        })
    }
}

/// Runs a demo, or plays a scene.
///
/// # Errors
///
/// When something does not start, or ends too early, or a scene shows what it should not.
pub fn run(options: &Options) -> Result<ExitCode> {
    let plan = options.plan()?;
    // One thread: it is the parent of all processes and lives as long as the demo.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(live(options, &plan))
}

async fn live(options: &Options, plan: &Plan) -> Result<ExitCode> {
    let mut stop = Stop::new()?;
    let mut stack = Stack::prepare(plan)?;
    let played = tokio::select! {
        played = play(&mut stack, options, plan) => Some(played),
        () = stop.wait() => None,
    };
    say(&format!("{:>7}  ending", stack.clock()));
    tokio::select! {
        () = stack.end() => {}
        // Who is in a hurry gets all processes killed at once.
        () = stop.wait() => stack.kill_all().await,
    }
    stack.close();
    match (played, options.scenario) {
        (Some(Err(error)), Some(scene)) => {
            say(&format!("FAILED {}: {error:#}", scene.name()));
            Ok(ExitCode::FAILURE)
        }
        (Some(Err(error)), None) => Err(error),
        (Some(Ok(())), Some(scene)) => {
            say(&format!("passed {}", scene.name()));
            Ok(ExitCode::SUCCESS)
        }
        (None, Some(_)) => Ok(ExitCode::FAILURE),
        (None | Some(Ok(())), None) => Ok(ExitCode::SUCCESS),
    }
}

async fn play(stack: &mut Stack, options: &Options, plan: &Plan) -> Result<()> {
    say("a registry pair, a configuration server, the backend, and services:");
    stack.start(plan).await?;
    // Somebody has to be the first, and there may be no visits.
    ask::get(stack.port("service-2")?, "/hi/bob").await?;
    first_trace(stack).await?;
    if let Some(scene) = options.scenario {
        say(&format!("scene {}: {}", scene.name(), scene.story()));
        return scene.play(stack).await;
    }
    for line in hints(stack)? {
        say(&line);
    }
    stack.watch().await
}

async fn first_trace(stack: &Stack) -> Result<()> {
    let port = stack.port("backend")?;
    until("a trace is found", TRACE_WITHIN, || async {
        let found = ask::get(port, "/api/v2/traces?limit=1").await?.json()?;
        let any = found.as_array().is_some_and(|traces| !traces.is_empty());
        Ok(any.then_some(()))
    })
    .await?;
    say(&format!("first trace visible after {}", stack.clock()));
    Ok(())
}

fn hints(stack: &Stack) -> Result<Vec<String>> {
    let git = stack.repository.folder().display();
    let service_1 = stack.process("service-1")?.pid.as_raw_nonzero();
    let port = |name| stack.port(name);
    let (backend, service_2) = (port("backend")?, port("service-2")?);
    Ok(vec![
        String::new(),
        format!("  the page      http://127.0.0.1:{backend}/zipkin/"),
        format!("  registries    http://127.0.0.1:{}/", port("registry-1")?),
        format!("                http://127.0.0.1:{}/", port("registry-2")?),
        format!("  settings      http://127.0.0.1:{}/", port("config-server")?),
        String::new(),
        "Three things to try, from another terminal:".to_owned(),
        String::new(),
        "  Kill one of the two instances of service-1, and call its caller: every call is answered."
            .to_owned(),
        format!("    kill -9 {service_1}"),
        format!("    curl http://127.0.0.1:{service_2}/hi/bob"),
        String::new(),
        "  Make the price slow, by a commit, and look for the longest traces on the page.".to_owned(),
        format!("    echo demo.slow-ms=400 > '{git}/price.properties'"),
        format!("    git -C '{git}' commit --quiet --all --message 'a slow price'"),
        String::new(),
        "  Keep a hundredth of all traces, as one does in production.".to_owned(),
        format!("    echo spring.sleuth.sampler.probability=0.01 > '{git}/application.properties'"),
        format!("    git -C '{git}' commit --quiet --all --message 'one percent'"),
        String::new(),
        "Ctrl-C ends it all.".to_owned(),
    ])
}

/// What tells the demo to end: Ctrl-C, `kill`, or a terminal that goes away.
struct Stop([Signal; 3]);

impl Stop {
    fn new() -> Result<Self> {
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    async fn wait(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

//! The stack profile of compose.yaml in containers of its own, on a network of its own: it comes
//! up, its parts find each other, the demo's scenes are played, and each part is restarted under
//! load without losing a span that was acknowledged.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use super::compose::{self, Part};
use super::image::{NAME, Podman};
use super::podman::{PATIENCE, PAUSE, STRICT, exchange, well};
use super::scenes;
use crate::json::Json;
use crate::shell::{command, output, root, run, say};
use crate::tools::deploy::Tools;

pub(super) const NETWORK: &str = "speargun-test";
/// A part of a private range that nobody is likely to use; addresses are given, so that no service
/// for names is needed.
const SUBNET: &str = "10.87.61.0/24";
const FIRST_ADDRESS: usize = 11;
/// The folder of settings, as compose.yaml has it mounted.
const SETTINGS: &str = "deploy/compose/config";

/// Containers of the stack.
pub(super) struct Stack<'a> {
    podman: &'a Podman,
    parts: Vec<Part>,
    /// A copy of the folder of settings, for scenes change them.
    pub(super) settings: PathBuf,
}

pub(super) fn check(tools: &Tools, podman: &Podman) -> Result<()> {
    run(&mut podman.command(&["network", "create", "--subnet", SUBNET, NETWORK]))?;
    let stack = Stack {
        podman,
        parts: compose::parts(tools, "stack")?,
        settings: root().join("target/stack-settings"),
    };
    copy_settings(&stack.settings)?;
    stack.start()?;
    stack.is_registered()?;
    scenes::play(&stack)?;
    stack.restart_under_load()?;
    for part in stack.parts.iter().rev() {
        run(&mut podman.command(&["rm", "--force", "--time", "20", &part.name]))?;
    }
    run(&mut podman.command(&["network", "rm", NETWORK]))
}

fn copy_settings(target: &Path) -> Result<()> {
    if target.exists() {
        std::fs::remove_dir_all(target)?;
    }
    std::fs::create_dir_all(target)?;
    for entry in std::fs::read_dir(root().join(SETTINGS))? {
        let entry = entry?;
        std::fs::copy(entry.path(), target.join(entry.file_name()))?;
    }
    Ok(())
}

impl Stack<'_> {
    /// Returns the address of a part, by its name or another that it has.
    pub(super) fn address(&self, name: &str) -> Result<String> {
        let has = |part: &Part| part.name == name || part.aliases.iter().any(|it| it == name);
        let place = self.parts.iter().position(has);
        let place = place.with_context(|| format!("the stack profile has no {name}"))?;
        Ok(address(place))
    }

    fn start(&self) -> Result<()> {
        let mut known = Vec::new();
        for (place, part) in self.parts.iter().enumerate() {
            for name in std::iter::once(&part.name).chain(&part.aliases) {
                known.push(format!("--add-host={name}:{}", address(place)));
            }
        }
        for (place, part) in self.parts.iter().enumerate() {
            for name in &part.needs {
                self.wait_until_well(name)?;
            }
            let mut start =
                (self.podman).command(&["run", "--detach", "--network", NETWORK, "--name"]);
            start
                .arg(&part.name)
                .args(STRICT)
                .args(["--ip", &address(place)]);
            start.args(&known);
            for variable in &part.environment {
                start.arg(format!("--env={variable}"));
            }
            for volume in &part.volumes {
                start.arg(format!("--volume={}", self.with_own_settings(volume)));
            }
            run(start.arg(NAME).args(&part.command))?;
        }
        for part in &self.parts {
            self.wait_until_well(&part.name)?;
        }
        say(&format!("{} containers are well", self.parts.len()));
        Ok(())
    }

    fn with_own_settings(&self, volume: &str) -> String {
        match volume.split_once(SETTINGS) {
            Some((_, rest)) => format!("{}{rest}", self.settings.display()),
            None => volume.to_owned(),
        }
    }

    pub(super) fn wait_until_well(&self, name: &str) -> Result<()> {
        let part = self.parts.iter().find(|part| part.name == name);
        well(self.podman, name, &part.context("no such part")?.health)
    }

    /// Ends a part as `kill -9` does.
    pub(super) fn kill(&self, name: &str) -> Result<()> {
        run(&mut self.podman.command(&["kill", name]))
    }

    /// Starts a part again and waits until it is well.
    pub(super) fn start_again(&self, name: &str) -> Result<()> {
        run(&mut self.podman.command(&["start", name]))?;
        self.wait_until_well(name)
    }

    /// Both registries know all that registers.
    fn is_registered(&self) -> Result<()> {
        let began = Instant::now();
        let mut said = String::new();
        while began.elapsed() < PATIENCE {
            said.clear();
            let mut missing = 0;
            for registry in ["registry-1", "registry-2"] {
                let place = (&*self.address(registry)?, 8761);
                let answer = exchange(place, "GET", "/eureka/apps", "")?;
                let known = ["ZIPKIN", "CONFIGSERVER", "SERVICE-1", "SERVICE-2", "MAIL"];
                missing += known.iter().filter(|it| !answer.contains(**it)).count();
                said.push_str(&answer);
            }
            if missing == 0 {
                say("both registries know backend, configuration servers and services");
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
        bail!("the parts are not registered: {said}")
    }

    /// Stops and starts each part while spans come in. Senders see the backend away for a moment,
    /// so that the load does not end well; but what it was told is stored, is there.
    fn restart_under_load(&self) -> Result<()> {
        let report = root().join("target/rolling.json");
        let target = format!("http://{}:9411", self.address("zipkin")?);
        let load = [
            "load",
            "--target",
            &target,
            "--rate",
            "2000",
            "--duration",
            "10m",
            "--read-back",
            "5000",
            "--json",
        ];
        let mut load = command(root().join("target/release/speargun"), &load);
        let load = load
            .arg(&report)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut load = load.spawn().context("start the load")?;
        for part in &self.parts {
            run(&mut (self.podman).command(&["stop", "--time", "20", &part.name]))?;
            let code = ["inspect", "--format", "{{.State.ExitCode}}", &part.name];
            let code = output(&mut self.podman.command(&code))?;
            ensure!(code.trim() == "0", "{} ended with {code}", part.name);
            self.start_again(&part.name)?;
        }
        ensure!(
            load.try_wait()?.is_none(),
            "the load ended before all parts were restarted"
        );
        // It reads back and reports when it is interrupted, too.
        run(&mut command("kill", &["-INT", &load.id().to_string()]))?;
        load.wait()?;
        nothing_lost(&report)
    }
}

fn address(place: usize) -> String {
    format!("10.87.61.{}", FIRST_ADDRESS + place)
}
fn nothing_lost(report: &Path) -> Result<()> {
    let text = std::fs::read_to_string(report).context("the load wrote no report")?;
    let report = Json::read(&text)?;
    let back = report.field("read_back");
    let number = |name: &str| match back.field(name) {
        Json::Number(text) => text.clone(),
        other => format!("{other:?}"),
    };
    for name in [
        "lost_spans",
        "changed_spans",
        "repeated_spans",
        "unread_traces",
    ] {
        let count = number(name);
        ensure!(count == "0", "after restarts of every part: {name} {count}");
    }
    let spans = number("spans");
    ensure!(spans != "0", "nothing was read back");
    say(&format!(
        "restarts of every part under load: {spans} spans read back, none lost"
    ));
    Ok(())
}

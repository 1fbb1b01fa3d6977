//! `speargun demo`: started in a folder of its own, read line by line, told to end, killed; and the
//! processes that it starts.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tempfile::TempDir;

use crate::server::{hermetic, pause};

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_mins(3);
/// Lines that wait to be read; the demo prints fewer.
const LINES_MAX: usize = 10_000;

/// A demo. Dropping it kills its process, and with that the others end.
#[derive(Debug)]
pub struct Demo {
    child: Child,
    lines: Receiver<String>,
    printed: Vec<String>,
    folder: TempDir,
}

impl Demo {
    /// Starts a demo with these arguments. Its temporary folder is in one of the test's.
    pub fn start(arguments: &[&str]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("speargun-").tempdir()?;
        let mut child = hermetic()?
            .arg("demo")
            .args(arguments)
            .env("TMPDIR", folder.path())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("start the demo")?;
        let out = child.stdout.take().context("no output")?;
        let (sender, lines) = sync_channel(LINES_MAX);
        // It ends with the demo's output.
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            child,
            lines,
            printed: Vec::new(),
            folder,
        })
    }

    /// Reads until a line holds this text, and returns it.
    pub fn read_until(&mut self, text: &str) -> Result<String> {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.with_context(|| format!("no {text:?} in:\n{}", self.printed()))?;
            self.printed.push(line.clone());
            if line.contains(text) {
                return Ok(line);
            }
        }
    }

    /// Returns all that was read so far.
    pub fn printed(&self) -> String {
        self.printed.join("\n")
    }

    /// Returns the ids of the processes that it said it started.
    pub fn processes(&self) -> Vec<Pid> {
        let id = |line: &String| {
            let (_, rest) = line.split_once("up, pid ")?;
            Pid::from_raw(rest.split(' ').next()?.parse().ok()?)
        };
        self.printed.iter().filter_map(id).collect()
    }

    /// Returns the id of its own process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns the ids of all processes that it has, those of which it said nothing yet included.
    pub fn children(&self) -> Result<Vec<Pid>> {
        let own = self.child.id().to_string();
        let mut children = Vec::new();
        for entry in std::fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let pid = name.to_str().and_then(|name| name.parse().ok());
            let Some(pid) = pid.and_then(Pid::from_raw) else {
                continue;
            };
            // State, and the parent's id; nothing of one that is gone by now.
            let parent = stat(pid).and_then(|stat| Some(stat.split(' ').nth(1)?.to_owned()));
            if parent.as_ref() == Some(&own) {
                children.push(pid);
            }
        }
        Ok(children)
    }

    /// Returns its folder for temporary files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("no process id")?, signal)?;
        Ok(())
    }

    /// Waits for its end, and reads the rest of what it prints.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                // Its output ends with it, so this does, too.
                self.printed.extend(self.lines.iter());
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("the demo did not end in {PATIENCE:?}:\n{}", self.printed());
            }
            pause();
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Already ended is fine.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Waits until none of these processes is there any more.
pub fn wait_until_gone(processes: &[Pid]) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left: Vec<&Pid> = processes.iter().filter(|pid| is_there(**pid)).collect();
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("still there after {PATIENCE:?}: {left:?}");
        }
        pause();
    }
}

/// Returns whether a process is there. One that ended and that nobody has waited for is not.
pub fn is_there(pid: Pid) -> bool {
    let is_dead = stat(pid).is_some_and(|stat| stat.starts_with('Z'));
    !is_dead && test_kill_process(pid).is_ok()
}

/// Returns what the system tells of a process, from its state on.
fn stat(pid: Pid) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    // Before is its name, in which anything may be.
    let stat = stat.ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    Some(rest.to_owned())
}

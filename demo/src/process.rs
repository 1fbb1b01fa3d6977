//! One process of the demo: started with its own log, found by the address that it prints, watched,
//! and ended. It is a child of the same binary whose standard input the demo holds, so that it ends
//! with the demo in any case; the system's keys for the terminal reach the demo alone.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::ask;
use crate::launch::Launch;

/// How long a process may take until it is well.
const START_WITHIN: Duration = Duration::from_mins(1);
/// Between two looks at something that will be so.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(25);
/// Lines of the log that are shown when a process fails.
const LOG_LINES: usize = 12;
/// The folder of logs, within the demo's.
pub(crate) const LOGS: &str = "logs";
/// The folder of whatever processes keep for as long as they run, within the demo's.
pub(crate) const TEMPORARY: &str = "tmp";

/// A process that runs, or did.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) pid: Pid,
    pub(crate) port: u16,
    ended: watch::Receiver<Option<ExitStatus>>,
    log: PathBuf,
    watcher: JoinHandle<()>,
    _stdin: ChildStdin,
}

impl Process {
    /// Starts a process and waits until it says where it is and is well. All its files go into the
    /// demo's folder.
    pub(crate) async fn start(binary: &Path, launch: Launch, folder: &Path) -> Result<Self> {
        let name = launch.name;
        let logs = folder.join(LOGS);
        let log = logs.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log)?;
        let mut child = Command::new(binary)
            .arg("demo-part")
            .args(&launch.words)
            .env_clear()
            .envs(launch.variables)
            .env("TMPDIR", folder.join(TEMPORARY))
            .current_dir(logs)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{name} can't be started"))?;
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let pid = pid.with_context(|| format!("{name} has no process id"))?;
        let stdin = child.stdin.take().context("no standard input")?;
        let stdout = child.stdout.take().context("no standard output")?;
        let (told, address) = oneshot::channel();
        let (end, ended) = watch::channel(None);
        let mut process = Self {
            name,
            pid,
            port: 0,
            ended,
            log,
            watcher: tokio::spawn(watch_over(child, stdout, (told, end))),
            _stdin: stdin,
        };
        let well = timeout(START_WITHIN, process.become_well(address, launch.health)).await;
        match well {
            Ok(Ok(())) => Ok(process),
            Ok(Err(error)) => Err(error.context(process.tail())),
            Err(_) => bail!("not well within {START_WITHIN:?}: {}", process.tail()),
        }
    }

    async fn become_well(
        &mut self,
        address: oneshot::Receiver<u16>,
        health: &'static str,
    ) -> Result<()> {
        let Ok(port) = address.await else {
            bail!("{} ended before it was well", self.name);
        };
        self.port = port;
        loop {
            if let Some(status) = self.has_ended() {
                bail!("{} ended before it was well: {status}", self.name);
            }
            let answer = ask::get(port, health).await;
            if answer.is_ok_and(|answer| answer.status.is_success()) {
                return Ok(());
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Returns how it ended, when it did.
    pub(crate) fn has_ended(&self) -> Option<ExitStatus> {
        *self.ended.borrow()
    }

    /// Returns what tells of its end.
    pub(crate) fn ended(&self) -> watch::Receiver<Option<ExitStatus>> {
        self.ended.clone()
    }

    /// Ends it as `kill -9` does, and waits until it is gone.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.ended.wait_for(Option::is_some).await?;
        Ok(())
    }

    /// Asks it to end.
    pub(crate) fn ask_to_end(&self) {
        // One that can't be asked is insisted on later.
        let _asked = self.signal(Signal::TERM);
    }

    /// Waits for its end, and insists from this moment on.
    pub(crate) async fn end_by(&mut self, deadline: Instant) -> Result<()> {
        let gone = self.ended.wait_for(Option::is_some);
        if timeout_at(deadline, gone).await.is_err() {
            self.kill().await?;
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        // Until its end was noticed the id is its own.
        if self.has_ended().is_none() {
            kill_process(self.pid, signal)?;
        }
        Ok(())
    }

    /// Returns the last lines of its log.
    fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(LOG_LINES);
        let last = lines.get(from..).unwrap_or_default().join("\n    ");
        format!("{}, whose log says:\n    {last}", self.name)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // With the watcher goes the child, which is killed then.
        self.watcher.abort();
    }
}

type Told = (oneshot::Sender<u16>, watch::Sender<Option<ExitStatus>>);

/// Finds the port in what the process prints, drops the rest, and waits for its end.
async fn watch_over(mut child: Child, stdout: impl AsyncRead + Unpin, (told, end): Told) {
    let read = async {
        let mut told = Some(told);
        let mut lines = BufReader::new(stdout).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some(port) = port_of(&line)
                && let Some(told) = told.take()
            {
                // Who waited may have given up.
                let _heard = told.send(port);
            }
        }
    };
    let wait = async {
        let status = child.wait().await;
        // At once, for its id may be another's from now on. A process that can't be waited for is
        // gone as well.
        end.send_replace(Some(status.unwrap_or_default()));
    };
    tokio::join!(wait, read);
}

/// Returns the port of the URL in a line.
fn port_of(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("http://")?;
    let place = rest.split(['/', ' ']).next()?;
    place.rsplit_once(':')?.1.parse().ok()
}

/// Waits until something is so.
pub(crate) async fn until<T, F>(
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> F,
) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let deadline = Instant::now() + within;
    loop {
        let seen = look().await;
        if let Ok(Some(seen)) = seen {
            return Ok(seen);
        }
        if Instant::now() > deadline {
            return match seen {
                Err(error) => Err(error.context(format!("not within {within:?}: {what}"))),
                Ok(_) => bail!("not within {within:?}: {what}"),
            };
        }
        sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_found_in_what_processes_print() {
        for (line, port) in [
            ("registry: http://127.0.0.1:8761/eureka/", Some(8761)),
            ("page   http://localhost:9411/zipkin/", Some(9411)),
            ("price http://127.0.0.1:1/", Some(1)),
            (
                "config http://localhost:8888/{application}/{profiles}",
                Some(8888),
            ),
            ("data   /tmp/x", None),
            ("page   off", None),
        ] {
            assert_eq!(port_of(line), port, "{line}");
        }
    }
}

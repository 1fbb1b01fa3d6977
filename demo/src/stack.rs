//! Which processes there are, and in which order they start: registries, configuration server and
//! backend, services, and traffic once all know each other. They end in the opposite order.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::launch::{self, Launch, Places, REGISTRIES, service_of};
use crate::process::{LOGS, Process, TEMPORARY, until};
use crate::repository::Repository;
use crate::say::say;
use crate::{ask, files};

/// How often free ports for the registries are picked before that is given up.
const PICKS_MAX: u32 = 5;
/// How long services may take to know each other.
const KNOWN_WITHIN: Duration = Duration::from_mins(1);
/// How long the processes of one turn may take to end before they are killed.
const END_WITHIN: Duration = Duration::from_secs(12);

/// What is to be started.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The page's port; 0 for a free one.
    pub(crate) port: u16,
    /// Where to keep everything; `None` for a folder that goes at the end.
    pub(crate) data: Option<PathBuf>,
    /// Visits a second.
    pub(crate) rate: f64,
    /// Services by name, one process each.
    pub(crate) services: Vec<&'static str>,
}

/// Processes that run, and what they stand on.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) repository: Repository,
    begun: Instant,
    binary: PathBuf,
    folder: PathBuf,
    processes: Vec<Process>,
    /// Removed at the end, or when it is dropped.
    temporary: Option<TempDir>,
}

impl Stack {
    /// Makes the folder and the repository. Nothing runs yet.
    pub(crate) fn prepare(plan: &Plan) -> Result<Self> {
        let begun = Instant::now();
        let (folder, temporary) = match &plan.data {
            Some(folder) => (std::path::absolute(folder)?, None),
            None => {
                let temporary = tempfile::Builder::new()
                    .prefix("speargun-demo-")
                    .tempdir()?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        ensure!(
            is_new(&folder)?,
            "--data: {} is not empty; give a folder of its own to each demo",
            folder.display()
        );
        for part in [LOGS, TEMPORARY] {
            std::fs::create_dir_all(folder.join(part))?;
        }
        let git = folder.join("config");
        Ok(Self {
            repository: Repository::create(&git, &files::at_start(plan.rate))?,
            begun,
            binary: std::env::current_exe().context("the path of this binary")?,
            folder,
            processes: Vec::new(),
            temporary,
        })
    }

    /// Starts all of the plan.
    pub(crate) async fn start(&mut self, plan: &Plan) -> Result<()> {
        self.start_registries().await?;
        let server = self.config_server()?;
        self.launch(server, "follows the git repository").await?;
        let backend = self.backend(plan.port)?;
        self.launch(backend, "takes spans and shows traces").await?;
        let (traffic, services): (Vec<&str>, Vec<&str>) =
            plan.services.iter().partition(|name| **name == "traffic");
        let mut starting = JoinSet::new();
        for launch in self.services(&services)? {
            let (binary, folder) = (self.binary.clone(), self.folder.clone());
            starting.spawn(async move { Process::start(&binary, launch, &folder).await });
        }
        while let Some(started) = starting.join_next().await {
            self.welcome(started??, "");
        }
        self.wait_until_known().await?;
        for launch in self.services(&traffic)? {
            let note = format!("begins {} visits a second", plan.rate);
            self.launch(launch, &note).await?;
        }
        Ok(())
    }

    /// Starts one more process of a service.
    pub(crate) async fn add(&mut self, service: &'static str) -> Result<u16> {
        let launch = self.services(&[service])?.pop().context("a service")?;
        self.launch(launch, "").await
    }

    /// Returns the process of this name; of several of a service the first is `NAME`, the others
    /// `NAME.2` and so on.
    pub(crate) fn process(&self, name: &str) -> Result<&Process> {
        let mut all = self.processes.iter();
        let found = all.find(|process| process.name == name);
        found.with_context(|| format!("no process {name}"))
    }

    /// Returns the port of a process.
    pub(crate) fn port(&self, name: &str) -> Result<u16> {
        Ok(self.process(name)?.port)
    }

    /// Ends a process as `kill -9` does.
    pub(crate) async fn kill(&mut self, name: &str) -> Result<()> {
        let mut all = self.processes.iter_mut();
        let found = all.find(|process| process.name == name);
        found
            .with_context(|| format!("no process {name}"))?
            .kill()
            .await
    }

    /// Returns the services that run, each process by its own name.
    pub(crate) fn services_up(&self) -> impl Iterator<Item = &Process> {
        let is_service = |process: &&Process| !is_server(&process.name);
        let runs = |process: &&Process| process.has_ended().is_none();
        self.processes.iter().filter(is_service).filter(runs)
    }

    /// Returns the addresses of the registries, as clients are given them.
    fn registries(&self) -> Result<String> {
        let url = |name| Ok(format!("http://127.0.0.1:{}/eureka/", self.port(name)?));
        let urls: Vec<String> = REGISTRIES.into_iter().map(url).collect::<Result<_>>()?;
        Ok(urls.join(","))
    }

    /// Says whenever a process ends, and returns when one did without which there is no demo.
    pub(crate) async fn watch(&self) -> Result<()> {
        let mut watched = JoinSet::new();
        for process in &self.processes {
            let (name, mut ended) = (process.name.clone(), process.ended());
            watched.spawn(async move {
                let status = ended.wait_for(Option::is_some).await;
                (name, status.ok().and_then(|status| *status))
            });
        }
        while let Some(done) = watched.join_next().await {
            let (name, status) = done?;
            let how = status.map_or_else(String::new, |status: ExitStatus| format!(": {status}"));
            say(&format!("{:>7}  {name} ended{how}", self.clock()));
            let registry_left = REGISTRIES
                .iter()
                .any(|name| self.process(name).is_ok_and(|it| it.has_ended().is_none()));
            if ["config-server", "backend", "traffic"].contains(&&*name) || !registry_left {
                bail!("without {name} there is nothing to see");
            }
        }
        bail!("all processes ended")
    }

    /// Asks all that runs to end and waits until it is gone, whoever needs others before them.
    pub(crate) async fn end(&mut self) {
        for turn in TURNS {
            let in_turn = |process: &&mut Process| turn_of(&process.name) == turn;
            let mut ending: Vec<&mut Process> = self.processes.iter_mut().filter(in_turn).collect();
            for process in &ending {
                process.ask_to_end();
            }
            let deadline = Instant::now() + END_WITHIN;
            for process in &mut ending {
                let ended = process.end_by(deadline).await;
                say_if_left(&process.name, ended);
            }
        }
    }

    /// Kills all that still runs, and waits until it is gone.
    pub(crate) async fn kill_all(&mut self) {
        for process in &mut self.processes {
            let killed = process.kill().await;
            say_if_left(&process.name, killed);
        }
    }

    /// Removes the folder, unless it is to stay. Nothing must run any more.
    pub(crate) fn close(mut self) {
        if let Some(Err(error)) = self.temporary.take().map(TempDir::close) {
            say(&format!("{} stays: {error}", self.folder.display()));
        }
    }

    async fn launch(&mut self, launch: Launch, note: &str) -> Result<u16> {
        let process = Process::start(&self.binary, launch, &self.folder).await?;
        let port = process.port;
        self.welcome(process, note);
        Ok(port)
    }

    fn welcome(&mut self, process: Process, note: &str) {
        let line = format!(
            "{:>7}  {:<14} up, pid {:<7} http://127.0.0.1:{}/  {note}",
            self.clock(),
            process.name,
            process.pid.as_raw_nonzero(),
            process.port,
        );
        say(line.trim_end());
        self.processes.push(process);
    }

    /// Returns the time since the start, to be shown.
    pub(crate) fn clock(&self) -> String {
        format!("{:.1} s", self.begun.elapsed().as_secs_f64())
    }

    /// Both need each other's port before they start, so ports are picked, and picked again when
    /// somebody else was faster.
    async fn start_registries(&mut self) -> Result<()> {
        let mut picks = 0;
        loop {
            picks += 1;
            let launches = launch::registries(free_ports().await?);
            let [first, second] = launches;
            let started = tokio::join!(
                Process::start(&self.binary, first, &self.folder),
                Process::start(&self.binary, second, &self.folder),
            );
            match started {
                (Ok(first), Ok(second)) => {
                    self.welcome(first, "registry of services, one of two");
                    self.welcome(second, "the other");
                    return Ok(());
                }
                (Err(error), _) | (_, Err(error)) if picks == PICKS_MAX => return Err(error),
                // What did start goes with its value.
                _ => {}
            }
        }
    }

    fn config_server(&self) -> Result<Launch> {
        let git = self.repository.folder();
        Ok(launch::config_server(git, &self.registries()?))
    }

    fn backend(&self, port: u16) -> Result<Launch> {
        let data = self.folder.join("backend");
        let config = self.port("config-server")?;
        Ok(launch::backend(port, &data, config, &self.registries()?))
    }

    fn services(&self, names: &[&str]) -> Result<Vec<Launch>> {
        let places = Places {
            registries: self.registries()?,
            config_server: self.port("config-server")?,
            backend: self.port("backend")?,
        };
        let mut launches: Vec<Launch> = Vec::new();
        for name in names {
            let running = self.processes.iter().map(|it| &it.name);
            let coming = launches.iter().map(|it| &it.name);
            let before = running.chain(coming);
            let before = before.filter(|it| service_of(it) == *name).count();
            launches.push(launch::service(name, before, &places));
        }
        Ok(launches)
    }

    /// Waits until every service knows all the others, lest the first calls find nobody.
    async fn wait_until_known(&self) -> Result<()> {
        let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
        for process in self.services_up() {
            *expected.entry(service_of(&process.name)).or_default() += 1;
        }
        for process in self.services_up() {
            let what = format!("{} knows {expected:?}", process.name);
            until(&what, KNOWN_WITHIN, || async {
                let told = ask::get(process.port, "/actuator/demo").await?.json()?;
                let known = |(name, count): (&&str, &u64)| {
                    told["knows"][*name].as_u64().is_some_and(|it| it >= *count)
                };
                Ok(expected.iter().all(known).then_some(()))
            })
            .await?;
        }
        Ok(())
    }
}

/// When a process ends, among the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Turn {
    /// Who begins all that goes on.
    Traffic,
    /// Services, which report their last spans.
    Services,
    /// What those needed.
    Servers,
    /// To whom all others say goodbye.
    Registries,
}

/// All turns, one after the other.
const TURNS: [Turn; 4] = [
    Turn::Traffic,
    Turn::Services,
    Turn::Servers,
    Turn::Registries,
];

fn turn_of(name: &str) -> Turn {
    match name {
        "traffic" => Turn::Traffic,
        "config-server" | "backend" => Turn::Servers,
        name if REGISTRIES.contains(&name) => Turn::Registries,
        _ => Turn::Services,
    }
}

fn is_server(name: &str) -> bool {
    matches!(turn_of(name), Turn::Servers | Turn::Registries)
}

fn say_if_left(name: &str, ended: Result<()>) {
    if let Err(error) = ended {
        say(&format!("{name} may run on: {error:#}"));
    }
}

/// Returns whether there is nothing in a folder, or no folder.
fn is_new(folder: &Path) -> Result<bool> {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error).with_context(|| format!("--data: {}", folder.display())),
    }
}

/// Returns the value of a metric without labels, as a service tells it.
pub(crate) async fn metric(port: u16, name: &str) -> Result<u64> {
    let text = ask::get(port, "/actuator/prometheus").await?.text();
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(value
        .with_context(|| format!("no metric {name}"))?
        .parse()?)
}

/// Returns two ports that were free a moment ago.
async fn free_ports() -> Result<[u16; 2]> {
    let one = TcpListener::bind(("127.0.0.1", 0)).await?;
    let other = TcpListener::bind(("127.0.0.1", 0)).await?;
    Ok([one.local_addr()?.port(), other.local_addr()?.port()])
}

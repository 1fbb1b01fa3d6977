//! The `speargun` binary: what the command line asks for. The work is done elsewhere: settings are
//! read in `settings`, the parts are put together in `wiring`.
//!
//! # Layout
//!
//! - [`settings`]: what the operator decides.
//! - [`wiring`]: which parts there are, how they start and end; only it names an engine.
//! - [`front`]: sockets, HTTP, routes.
//! - [`queries`], [`admin`], [`page`], [`served`]: what the routes answer.
//! - [`self_tracing`]: traces of the own requests.
//! - [`registration`]: being found by name.
//! - [`config_server`]: the configuration server; [`live`] follows one.
//! - [`storage`]: a look at the database. [`log`]: what is said on standard error.
//! - [`health`]: asking another process how it is. [`manual`]: man pages, completions.
//! - [`lock`]: one process a data folder.

mod admin;
mod app;
mod config_server;
mod front;
mod health;
mod json;
mod live;
mod lock;
mod log;
mod manual;
mod page;
mod queries;
mod registration;
mod self_tracing;
mod served;
mod settings;
mod storage;
mod wiring;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use speargun_runtime::environment;

use tracing::level_filters::LevelFilter;

use settings::{Settings, Sources, Texts};

// Batches are made on one thread and freed on another, which this allocator is good at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Distributed tracing backend that speaks Zipkin's API.
#[derive(Debug, Parser)]
#[command(name = "speargun", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    server: Flags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the backend, which is also what happens without a command.
    Server(Flags),
    /// Print the settings in force, without secrets.
    Config(Flags),
    /// Look at the database that `STORAGE_TYPE` names, make its schema, or back the data folder up.
    #[command(subcommand)]
    Storage(StorageCommand),
    /// Serve configuration as Spring Cloud Config does, from git or a folder.
    ConfigServer(config_server::Flags),
    /// Load a Zipkin-compatible server and check that what it accepted is there.
    Load(Box<speargun_loadgen::Options>),
    /// Run a registry of services that Eureka's clients take for one of theirs.
    Registry(Box<speargun_registry::Options>),
    /// Start a whole stack with services and traffic on free ports, to look at and to play with.
    Demo(speargun_demo::Options),
    /// A service of the demo.
    #[command(hide = true)]
    DemoService(speargun_demo::service::ServiceOptions),
    /// Any command as a process of the demo: it ends with its standard input.
    #[command(hide = true)]
    DemoPart {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<std::ffi::OsString>,
    },
    /// Ask a running process whether it is well: ends with 0 or 1.
    Health(health::Flags),
    /// Print what makes a shell complete this command line.
    Completions(manual::Completions),
    /// Print the manual's first page, or write all pages into a folder.
    Man(manual::Man),
}

#[derive(Debug, Subcommand)]
enum StorageCommand {
    /// Say in plain words how the connection, the rights, the schema and the sizes are.
    Check(Flags),
    /// Make the schema where it is missing, and bring an older one up to date.
    Init(Flags),
    /// Copy the data folder of a server that may be running: all that was acknowledged is in it.
    Backup(wiring::backup::Backup),
}

#[derive(Debug, Args)]
struct Flags {
    /// The port of everything (`QUERY_PORT`) [default: 9411].
    #[arg(long)]
    port: Option<String>,
    /// The data folder (`SPEARGUN_DATA`) [default: speargun-data].
    #[arg(long)]
    data: Option<String>,
    /// A file of settings, NAME=value a line.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Zipkin's properties, which are taken out before the rest is read.
    #[arg(skip)]
    properties: Vec<(String, String)>,
}

impl Flags {
    fn texts(self) -> anyhow::Result<Texts> {
        Ok(Texts::merge(self.sources()?)?)
    }

    fn sources(self) -> anyhow::Result<Sources> {
        let own = [("QUERY_PORT", self.port), ("SPEARGUN_DATA", self.data)]
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let flags = own.chain(self.properties).collect();
        Ok(Sources::read(flags, self.config.as_deref())?)
    }
}

fn main() -> ExitCode {
    let mut properties = Vec::new();
    let arguments = std::env::args_os().filter(|argument| {
        let property = argument.to_str().and_then(property);
        let other = property.is_none();
        properties.extend(property);
        other
    });
    match run(Cli::parse_from(arguments), properties) {
        Ok(code) => code,
        Err(error) => {
            // Nobody is left to tell that even this could not be said.
            let _said = writeln!(std::io::stderr(), "speargun: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli, properties: Vec<(String, String)>) -> anyhow::Result<ExitCode> {
    let done = match cli.command.unwrap_or(Command::Server(cli.server)) {
        Command::Server(flags) => serve(Flags {
            properties,
            ..flags
        }),
        Command::Config(flags) => print_config(Flags {
            properties,
            ..flags
        }),
        Command::Storage(StorageCommand::Check(flags)) => storage::check(Flags {
            properties,
            ..flags
        }),
        Command::Storage(StorageCommand::Init(flags)) => storage::init(Flags {
            properties,
            ..flags
        }),
        Command::Storage(StorageCommand::Backup(mut flags)) => {
            flags.of_server.properties = properties;
            wiring::backup::run(flags)
        }
        Command::ConfigServer(mut flags) => {
            flags.properties = properties;
            config_server::run(&flags)
        }
        Command::Load(options) => return Ok(speargun_loadgen::load(&options)),
        Command::Registry(options) => serve_registry(*options),
        Command::Health(mut flags) => {
            flags.properties = properties;
            health::ask(flags)
        }
        Command::Completions(what) => manual::completions(&what),
        Command::Man(what) => manual::man(&what),
        Command::Demo(options) => return speargun_demo::run(&options),
        Command::DemoService(mut options) => {
            options.properties = properties;
            options.variables = environment::variables()
                .filter(|(name, value)| !environment::is_service_link(name, value))
                .collect();
            log::to_stderr(LevelFilter::INFO);
            speargun_demo::service::serve(&options)
        }
        Command::DemoPart { words } => {
            speargun_demo::part::end_with_stdin()?;
            let words = std::iter::once("speargun".into()).chain(words);
            return run(Cli::parse_from(words), properties);
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// Returns name and value of an argument that is a property of Zipkin's: `--zipkin.x.y=value`, or
/// with `-D` as Java has it.
fn property(argument: &str) -> Option<(String, String)> {
    let property = argument
        .strip_prefix("--")
        .or_else(|| argument.strip_prefix("-D"))?;
    let (name, value) = property.split_once('=').unwrap_or((property, "true"));
    name.contains('.')
        .then(|| (name.to_owned(), value.trim().to_owned()))
}

fn serve(flags: Flags) -> anyhow::Result<()> {
    let sources = flags.sources()?;
    let mut texts = Texts::merge(sources.clone())?;
    let mut settings = Settings::parse(&texts)?;
    let log = log::to_stderr(settings.log);
    if let Some(remote) = settings.configuration.as_ref().and_then(live::at_start) {
        let sources = Sources {
            remote,
            ..sources.clone()
        };
        texts = Texts::merge(sources)?;
        settings = Settings::parse(&texts)?;
        log.set(settings.log);
    }
    for note in texts.notes() {
        tracing::warn!("{note}");
    }
    wiring::run(settings, (sources, texts, log))
}

fn serve_registry(options: speargun_registry::Options) -> anyhow::Result<()> {
    let settings = options.settings(environment::variables())?;
    let _log = log::to_stderr(LevelFilter::INFO);
    speargun_registry::run(settings)
}

fn print_config(flags: Flags) -> anyhow::Result<()> {
    let texts = flags.texts()?;
    Settings::parse(&texts)?;
    let mut out = std::io::stdout().lock();
    for (setting, value, place) in texts.shown() {
        writeln!(out, "# {}, from {place}", setting.meaning)?;
        writeln!(out, "{}={value}", setting.name)?;
    }
    Ok(())
}

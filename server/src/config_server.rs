//! `speargun config-server`: the configuration server as a process of its own, registered at Eureka
//! when a registry is set. What it answers is made elsewhere.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use speargun_config_server::server::ConfigServer;
use speargun_config_server::settings::{self, Settings};
use speargun_runtime::environment;
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;

use crate::registration::{About, Registration};
use crate::settings::{RegistrySettings, RegistryUrl};

/// How often a registration is renewed, as Spring's clients do it.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The port (`SERVER_PORT`, `server.port`) [default: 8888].
    #[arg(long)]
    port: Option<String>,
    /// A git repository: https, ssh, or one of this machine.
    #[arg(long)]
    git: Option<String>,
    /// A folder of files.
    #[arg(long)]
    native: Option<String>,
    /// The folder of clones, which outlives the process [default: one that does not].
    #[arg(long)]
    data: Option<PathBuf>,
    /// A file of Spring's settings, in YAML or properties.
    #[arg(long)]
    config: Option<PathBuf>,
    /// How much is logged: error, warn, info, debug.
    #[arg(long, default_value = "info")]
    log: LevelFilter,
    /// Spring's properties, which are taken out before the rest is read.
    #[arg(skip)]
    pub(crate) properties: Vec<(String, String)>,
}

impl Flags {
    fn settings(&self) -> anyhow::Result<Settings> {
        let own = [
            ("server.port", &self.port),
            ("spring.cloud.config.server.git.uri", &self.git),
            (
                "spring.cloud.config.server.native.search-locations",
                &self.native,
            ),
        ];
        let own = own
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
        let file = match &self.config {
            None => None,
            Some(path) => {
                let name = path.display().to_string();
                let bytes = std::fs::read(path).with_context(|| format!("{name} can't be read"))?;
                Some((name, bytes))
            }
        };
        Ok(Settings::read(&settings::Sources {
            flags: own.chain(self.properties.iter().cloned()).collect(),
            environment: environment::variables().collect(),
            file,
        })?)
    }
}

/// Serves until a signal ends it.
pub(crate) fn run(flags: &Flags) -> anyhow::Result<()> {
    let settings = flags.settings()?;
    crate::log::to_stderr(flags.log);
    for note in &settings.notes {
        tracing::warn!("{note}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(serve(settings, flags.data.clone()));
    // A fetch that hangs does not hold up the process.
    runtime.shutdown_background();
    ended
}

async fn serve(settings: Settings, data: Option<PathBuf>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let secure = settings.tls.is_some();
    let registered = registered(&settings)?;
    let server = ConfigServer::start(settings, data).await?;
    let port = server.address().port();
    announce(port, secure)?;
    let about = About {
        paths: ["/", "/actuator/info", "/actuator/health"],
        secure,
        metadata: registered.1,
    };
    let api = std::sync::Arc::clone(server.api());
    let health = Box::new(move || api.is_healthy());
    let registration = Registration::keep(registered.0, (port, None, about), health);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("ending");
    // Clients should look elsewhere while the last requests are answered.
    if let Some(registration) = registration {
        registration.end().await;
    }
    server.end().await;
    tracing::info!("ended");
    Ok(())
}

type Registered = (RegistrySettings, Vec<(String, String)>);

fn registered(settings: &Settings) -> anyhow::Result<Registered> {
    let registration = &settings.registration;
    let urls = registration.registries.iter().map(|url| {
        RegistryUrl::parse(url).with_context(|| {
            format!("eureka.client.service-url: {url:?} is not as http://host:8761/eureka")
        })
    });
    let registry = RegistrySettings {
        registries: urls.collect::<anyhow::Result<_>>()?,
        app_name: registration.application.clone(),
        instance_id: registration.instance_id.clone(),
        host_name: registration.host_name.clone(),
        renewal_interval: RENEWAL_INTERVAL,
    };
    Ok((registry, registration.metadata.clone()))
}

fn announce(port: u16, secure: bool) -> anyhow::Result<()> {
    let scheme = if secure { "https" } else { "http" };
    let mut out = std::io::stdout().lock();
    writeln!(out, "page   {scheme}://localhost:{port}/")?;
    writeln!(
        out,
        "config {scheme}://localhost:{port}/{{application}}/{{profiles}}"
    )?;
    out.flush()?;
    Ok(())
}

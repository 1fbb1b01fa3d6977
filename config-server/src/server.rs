//! All parts together: started in their order, ended in the other one.

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::api::Api;
use crate::api::metrics::Metrics;
use crate::api::serve::{self, Serving};
use crate::cipher::{Cipher, Key};
use crate::refresh::Refresher;
use crate::settings::Settings;
use crate::snapshot::Reading;
use crate::source::sources::{Answering, Sources};

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The key can't be used.
    #[error("encrypt.key: {0}")]
    Key(#[from] crate::cipher::KeyError),
    /// The certificate can't be used.
    #[error(transparent)]
    Tls(#[from] serve::TlsError),
    /// The port can't be opened.
    #[error("can't listen on {address}: {error}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What happened.
        error: std::io::Error,
    },
    /// The client that asks applications can't be made.
    #[error("no client for HTTP: {0}")]
    Client(#[from] reqwest::Error),
    /// There is no folder for clones.
    #[error("no folder for clones: {0}")]
    Folder(std::io::Error),
}

/// A running server.
#[derive(Debug)]
pub struct ConfigServer {
    api: Arc<Api>,
    address: SocketAddr,
    ending: watch::Sender<bool>,
    tasks: JoinSet<()>,
    /// The folder of clones, when it is one of this process alone.
    own_folder: Option<PathBuf>,
}

impl ConfigServer {
    /// Starts serving on this runtime. Clones live in `base`, or in a folder that goes with the
    /// server.
    pub async fn start(settings: Settings, base: Option<PathBuf>) -> Result<Self, StartError> {
        // Whoever was first has chosen the same.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let key = settings.key.as_ref().map(Key::new).transpose()?;
        let cipher = Arc::new(Cipher::new(key));
        let of_files = if settings.decrypts {
            Arc::clone(&cipher)
        } else {
            Arc::new(Cipher::default().leaving_values())
        };
        let tls = match &settings.tls {
            Some((certificate, private)) => Some(serve::tls(certificate, private)?),
            None => None,
        };
        let address = SocketAddr::new(settings.address, settings.port);
        let failed = |error| StartError::Listen { address, error };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let refresher = Refresher::new(settings.refresh)?;
        let (base, own_folder) = folder(base)?;
        let reading = Reading {
            bounds: settings.bounds,
            limits: settings.limits,
            cipher: of_files,
        };
        let answering = Answering {
            overrides: settings.overrides,
            gives_undecryptable: !settings.fails_on_undecryptable,
            leaves_out_failing: settings.answers.leaves_out_failing,
            last_location_counts: settings.answers.last_location_counts,
        };
        let sources = Sources::start(settings.backends, reading, answering, base);
        let api = Arc::new(Api {
            sources: Arc::clone(&sources),
            cipher,
            auth: settings.auth,
            webhooks: settings.webhooks,
            refresher: Arc::clone(&refresher),
            prefix: settings.prefix,
            accept_empty: settings.accept_empty,
            decrypts_files: settings.answers.decrypts_files,
            health: settings.answers.health,
            metrics: Metrics::default(),
        });
        let ending = watch::Sender::new(false);
        let serving = Serving {
            connections_max: settings.connections_max,
            body_bytes_max: settings.body_bytes_max,
            patience: settings.patience,
            tls,
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(serve::serve(
            listener,
            Arc::clone(&api),
            serving,
            ending.subscribe(),
        ));
        tasks.spawn(refresher.run(sources, ending.subscribe()));
        Ok(Self {
            api,
            address,
            ending,
            tasks,
            own_folder,
        })
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns what answers.
    pub fn api(&self) -> &Arc<Api> {
        &self.api
    }

    /// Ends: no more connections, the last requests, the sources.
    pub async fn end(mut self) {
        self.ending.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
        self.api.sources.end().await;
        if let Some(folder) = self.own_folder
            && let Err(error) = std::fs::remove_dir_all(&folder)
        {
            tracing::debug!(%error, "the clones stay");
        }
    }
}

/// Returns the folder of clones, and again when it is to be removed at the end.
fn folder(base: Option<PathBuf>) -> Result<(PathBuf, Option<PathBuf>), StartError> {
    if let Some(base) = base {
        return Ok((base, None));
    }
    let folder = private_folder().map_err(StartError::Folder)?;
    Ok((folder.clone(), Some(folder)))
}

/// Makes a folder for this process alone. Where everybody may write, one of a name that can be
/// guessed may be somebody else's already, who would read keys and write what is served.
fn private_folder() -> std::io::Result<PathBuf> {
    let mut random = [0; 16];
    let filled = aws_lc_rs::rand::fill(&mut random);
    filled.map_err(|_| std::io::Error::other("there is no randomness"))?;
    let random = crate::cipher::to_hex(&random);
    let name = format!("speargun-config-{}-{random}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn clones_lie_where_nobody_else_looks_or_was_before() {
        let folders = [(); 2].map(|()| folder(None).unwrap());
        assert_ne!(folders[0].0, folders[1].0);
        for (folder, own) in folders {
            assert_eq!(own.as_ref(), Some(&folder));
            let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
            std::fs::remove_dir(&folder).unwrap();
        }
        let given = std::env::temp_dir();
        assert_eq!(folder(Some(given.clone())).unwrap(), (given, None));
    }
}

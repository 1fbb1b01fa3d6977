//! The ports that only OTLP has: opened before anything is started, so that a port which is taken
//! stops the start where it was asked for.

use std::net::{SocketAddr, TcpListener};

use crate::front::accept;
use crate::settings::{OtlpPort, Settings};

/// The open ports.
#[derive(Debug)]
pub(super) struct OtlpDoors {
    http: Option<TcpListener>,
    grpc: Option<TcpListener>,
}

impl OtlpDoors {
    /// Opens the ports of the settings.
    pub(super) fn open(settings: &Settings) -> anyhow::Result<Self> {
        Ok(Self {
            http: open(settings, settings.otlp.http_port)?,
            grpc: open(settings, settings.otlp.grpc_port)?,
        })
    }

    /// Returns where senders find them.
    pub(super) fn lines(&self) -> std::io::Result<Vec<String>> {
        let mut lines = Vec::new();
        let doors = [(&self.http, "http", "/v1/traces"), (&self.grpc, "grpc", "")];
        for (listener, scheme, path) in doors {
            if let Some(listener) = listener {
                let place = super::place(listener.local_addr()?);
                lines.push(format!("{scheme}://{place}{path}"));
            }
        }
        Ok(lines)
    }

    /// Returns the ports to accept from.
    pub(super) fn into_listeners(self) -> impl Iterator<Item = TcpListener> {
        self.http.into_iter().chain(self.grpc)
    }
}

fn open(settings: &Settings, port: OtlpPort) -> anyhow::Result<Option<TcpListener>> {
    let listen = |port| accept::listen(SocketAddr::new(settings.address, port));
    match port {
        OtlpPort::Off => Ok(None),
        OtlpPort::Given(port) => listen(port).map(Some),
        OtlpPort::Usual(port) => match listen(port) {
            Ok(listener) => Ok(Some(listener)),
            Err(error) => {
                tracing::warn!("no port for OTLP alone: {error:#}");
                Ok(None)
            }
        },
    }
}

//! A certificate of 127.0.0.1 that nobody else signed, as brokers of Java and of others want it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::java;

/// The password of the store.
pub const PASSWORD: &str = "speargun";

/// A certificate and its key, removed when it is dropped.
#[derive(Debug)]
pub struct Identity {
    folder: TempDir,
}

impl Identity {
    /// Makes one with Java's own tool.
    pub fn make() -> Result<Self> {
        let identity = Self {
            folder: tempfile::Builder::new().prefix("identity-").tempdir()?,
        };
        let store = identity.store();
        let of_store = |command: &mut Command| -> Result<Vec<u8>> {
            let done = command
                .arg("-keystore")
                .arg(&store)
                .args(["-storepass", PASSWORD, "-alias", "broker"])
                .output()
                .context("start keytool: run cargo xtask tools")?;
            ensure!(
                done.status.success(),
                "keytool: {}",
                String::from_utf8_lossy(&done.stdout)
            );
            Ok(done.stdout)
        };
        of_store(Command::new("keytool").args([
            "-genkeypair",
            "-keyalg",
            "RSA",
            "-storetype",
            "PKCS12",
            "-validity",
            "2",
            "-dname",
            "CN=broker",
            "-ext",
            "san=ip:127.0.0.1",
        ]))?;
        let certificate = of_store(Command::new("keytool").args(["-exportcert", "-rfc"]))?;
        std::fs::write(identity.certificate(), certificate)?;
        let key = java("-Xmx64m")?
            .arg("speargun.Pem")
            .arg(&store)
            .args([PASSWORD, "broker"])
            .output()?;
        ensure!(key.status.success(), "the key can't be read");
        std::fs::write(identity.key(), key.stdout)?;
        Ok(identity)
    }

    /// Returns the store of both, as Java's programs want it.
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("broker.p12")
    }

    /// Returns the certificate in PEM.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// Returns its key in PEM.
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }
}

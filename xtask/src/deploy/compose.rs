//! What a profile of compose.yaml runs, taken from the file itself: what is tested in containers is
//! what an operator starts.

use anyhow::{Result, ensure};

use crate::json::Json;
use crate::shell::{command, output};
use crate::tools::deploy::Tools;

pub(super) const FILE: &str = "deploy/compose/compose.yaml";

/// A service of the file.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: String,
    /// Other names by which it is found.
    pub(super) aliases: Vec<String>,
    /// The words behind the image.
    pub(super) command: Vec<String>,
    /// As `NAME=VALUE`.
    pub(super) environment: Vec<String>,
    /// As podman takes them: `SOURCE:TARGET` or `SOURCE:TARGET:ro`.
    pub(super) volumes: Vec<String>,
    /// What is run within to learn whether it is well.
    pub(super) health: Vec<String>,
    /// Names of those that have to be well before.
    pub(super) needs: Vec<String>,
}

/// Returns the services of a profile that run our image, each behind those that it needs.
pub(super) fn parts(tools: &Tools, profile: &str) -> Result<Vec<Part>> {
    let text = output(&mut command(&tools.compose, &["--json", FILE, profile]))?;
    let project = Json::read(&text)?;
    let mut waiting = Vec::new();
    for (name, service) in project.field("services").fields() {
        if service.field("image").text().starts_with("speargun:") {
            waiting.push(part(name, service)?);
        }
    }
    let mut ordered: Vec<Part> = Vec::new();
    while !waiting.is_empty() {
        let before = waiting.len();
        let there = |name: &String| ordered.iter().any(|part| part.name == *name);
        let (ready, rest): (Vec<Part>, Vec<Part>) = waiting
            .into_iter()
            .partition(|part| part.needs.iter().all(there));
        ensure!(rest.len() < before, "services need each other: {rest:?}");
        ordered.extend(ready);
        waiting = rest;
    }
    Ok(ordered)
}

fn part(name: &str, service: &Json) -> Result<Part> {
    let texts = |list: &Json| -> Vec<String> {
        let texts = list.items().iter().map(Json::text);
        texts.map(str::to_owned).collect()
    };
    ensure!(
        *service.field("read_only") == Json::Bool(true)
            && texts(service.field("cap_drop")) == ["ALL"],
        "{FILE}: {name} is not locked up"
    );
    let environment = service.field("environment").fields();
    let volumes = service.field("volumes").items().iter().map(|volume| {
        let [source, target] = ["source", "target"].map(|name| volume.field(name).text());
        let read_only = *volume.field("read_only") == Json::Bool(true);
        format!("{source}:{target}{}", if read_only { ":ro" } else { "" })
    });
    // Where the file says nothing it is the image's own.
    let test = texts(service.field("healthcheck").field("test"));
    let health = match test.split_first() {
        Some((kind, words)) => {
            ensure!(
                kind == "CMD",
                "{FILE}: the health check of {name} is {test:?}"
            );
            words.to_vec()
        }
        None => vec!["/speargun".to_owned(), "health".to_owned()],
    };
    Ok(Part {
        name: name.to_owned(),
        aliases: texts(service.field("networks").field("default").field("aliases")),
        command: texts(service.field("command")),
        environment: environment
            .map(|(name, value)| format!("{name}={}", value.text()))
            .collect(),
        volumes: volumes.collect(),
        health,
        needs: service
            .field("depends_on")
            .fields()
            .map(|(name, _)| name.to_owned())
            .collect(),
    })
}

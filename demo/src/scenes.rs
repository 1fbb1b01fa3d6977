//! Stories that are played on a running stack and checked. What each shows is printed as it is
//! seen; the first thing that is not as it should be ends the scene with an error.

mod balance;
mod breaker;
mod caller;
mod config;
mod kill;
mod registry;
mod sampling;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use crate::process::until;
use crate::say::say;
use crate::stack::{Stack, metric};
use crate::{ask, files};

/// How long anything that a scene waits for may take.
const WITHIN: Duration = Duration::from_mins(1);

/// A story.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Scene {
    /// Calls alternate over two instances.
    Balance,
    /// One of two instances is killed.
    Kill,
    /// A circuit opens, half-opens and closes.
    Breaker,
    /// A node of the registry is killed.
    Registry,
    /// Commits change running processes.
    Config,
    /// One percent of all traces is kept, each whole.
    Sampling,
}

impl Scene {
    /// Returns its name on the command line.
    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value();
        // No scene is left out there.
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Returns what it is about.
    pub(crate) fn story(self) -> &'static str {
        match self {
            Self::Balance => "service-2 calls service-1 by name, of which there are two",
            Self::Kill => "one instance of service-1 is killed while it is called",
            Self::Breaker => "service-1 fails for a while",
            Self::Registry => "one of the two registries is killed",
            Self::Config => "the configuration changes by commits",
            Self::Sampling => "one percent of all traces is kept",
        }
    }

    /// Returns the services that it needs, one for each process.
    pub(crate) fn services(self) -> Vec<&'static str> {
        let mut services = vec!["service-1", "service-1", "service-2"];
        if self == Self::Sampling {
            services.extend(["storefront", "catalog", "price", "stock"]);
        }
        services
    }

    /// Plays it.
    pub(crate) async fn play(self, stack: &mut Stack) -> Result<()> {
        match self {
            Self::Balance => balance::play(stack).await,
            Self::Kill => kill::play(stack).await,
            Self::Breaker => breaker::play(stack).await,
            Self::Registry => registry::play(stack).await,
            Self::Config => config::play(stack).await,
            Self::Sampling => sampling::play(stack).await,
        }
    }
}

/// Says what was seen.
fn seen(stack: &Stack, what: &str) {
    say(&format!("{:>7}  ok  {what}", stack.clock()));
}

/// Asks service-2 to greet, and returns the answer, whatever it is.
async fn hi(stack: &Stack) -> Result<String> {
    Ok(ask::get(stack.port("service-2")?, "/hi/bob").await?.text())
}

/// Returns the port of the instance that greeted; an error when none did.
fn greeter(answer: &str) -> Result<u16> {
    let port = answer.rsplit_once("i am service-1 from port ");
    let port = port.and_then(|(_, port)| port.trim().parse().ok());
    port.with_context(|| format!("nobody greeted: {answer}"))
}

/// Commits what service-1 imitates, and waits until both instances do.
async fn set_error_rate(stack: &mut Stack, error_rate: f64) -> Result<()> {
    let text = files::greeting("hi") + &files::troubles(0, error_rate);
    let message = format!("service-1 fails {error_rate} of its requests");
    stack
        .repository
        .commit(&message, &[("service-1.properties", text)])?;
    for name in ["service-1", "service-1.2"] {
        wait_for_setting(stack, name, ("error-rate", &error_rate.to_string())).await?;
    }
    Ok(())
}

/// Waits until a setting has this value in a running service.
async fn wait_for_setting(stack: &Stack, name: &str, (key, value): (&str, &str)) -> Result<()> {
    let port = stack.port(name)?;
    let what = format!("{key} is {value} in {name}");
    until(&what, WITHIN, || async {
        let told = ask::get(port, "/actuator/demo").await?.json()?;
        Ok((told[key].as_str() == Some(value)).then_some(()))
    })
    .await
}

/// Returns how often a service has renewed its lease, which it does once a second.
async fn renewals(port: u16) -> Result<u64> {
    metric(port, "eureka_client_renewals_total").await
}

/// Returns the instances of service-1 that a registry tells of.
async fn registered(port: u16) -> Result<Vec<String>> {
    let answer = ask::get(port, "/eureka/apps/service-1").await?;
    if answer.status == http::StatusCode::NOT_FOUND {
        return Ok(Vec::new());
    }
    let told = answer.json()?;
    let instances = told["application"]["instance"].as_array();
    let instances = instances.context("no list of instances")?;
    let id = |it: &serde_json::Value| Some(it["instanceId"].as_str()?.to_owned());
    let ids: Vec<String> = instances.iter().filter_map(id).collect();
    ensure!(ids.len() == instances.len(), "an instance without id");
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scene_has_a_name() {
        for scene in Scene::value_variants() {
            assert!(!scene.name().is_empty(), "{scene:?}");
        }
    }

    #[test]
    fn a_fallback_is_no_greeting() {
        assert_eq!(greeter("hi bob, i am service-1 from port 80").unwrap(), 80);
        assert!(greeter("sorry, bob: no").is_err());
    }
}

//! One service as a process: its settings come from the configuration server, it registers, is
//! called, calls others, and reports what it did. Which one it is, is a name.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use anyhow::{Result, bail};
use axum::extract::{Path, State};
use axum::routing::{MethodFilter, get, on};
use axum::{Json, Router};
use clap::Args;
use serde_json::json;
use speargun_client::call::Instances;
use speargun_client::{App, Config};

use crate::shop::{self, SHOP, ShopService, Step};
use crate::steps::{Doer, Trouble};
use crate::traffic::Visitors;
use crate::{greeting, queue};

/// Which service.
#[derive(Clone, Debug, Args)]
pub struct ServiceOptions {
    /// Its name.
    name: String,
    /// Its settings, as `--server.port=0`; they are taken out before the rest is read.
    #[arg(skip)]
    pub properties: Vec<(String, String)>,
    /// Settings of its environment, as `SERVER_PORT`.
    #[arg(skip)]
    pub variables: Vec<(String, String)>,
}

/// What a service does besides answering.
type Beside = std::pin::Pin<Box<dyn Future<Output = ()>>>;

/// Runs a service until it is told to end.
///
/// # Errors
///
/// When there is none of this name, or it can't start.
pub fn serve(options: &ServiceOptions) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(options))
}

async fn run(options: &ServiceOptions) -> Result<()> {
    let name = &*options.name;
    let properties = options.properties.iter();
    let arguments = properties.map(|(name, value)| format!("--{name}={value}"));
    let app = App::builder(name)
        .defaults([("server.port", "0"), ("server.address", "127.0.0.1")])
        .arguments(arguments)
        .environment(options.variables.iter().cloned())
        .start()
        .await?;
    let (router, beside) = match (name, shop::find(name)) {
        ("service-1", _) => (greeting::service_1(&app), idle()),
        ("service-2", _) => (greeting::service_2(&app)?, idle()),
        ("traffic", _) => {
            let visitors = Visitors::new(&app)?;
            (visitors.router(), Box::pin(visitors.visit()) as Beside)
        }
        (_, Some(service)) => of_shop(&app, service)?,
        (_, None) => bail!(
            "there is no service {name}; there are {}",
            names().join(", ")
        ),
    };
    let Some(eureka) = app.eureka() else {
        bail!("{name} has no registry: eureka.client.service-url.defaultZone is not set");
    };
    let router = router.merge(told(app.config().clone(), eureka.instances()));
    announce(name, app.address().port())?;
    tokio::select! {
        served = app.serve(router) => Ok(served?),
        () = beside => bail!("{name} has nothing more to do"),
    }
}

/// Returns the names of all services; the traffic is one.
pub(crate) fn names() -> Vec<&'static str> {
    let shop = SHOP.iter().map(|service| service.name);
    ["service-1", "service-2"]
        .into_iter()
        .chain(shop)
        .chain(["traffic"])
        .collect()
}

fn idle() -> Beside {
    Box::pin(std::future::pending())
}

/// The line by which whoever started the process learns the port.
fn announce(name: &str, port: u16) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{name} http://127.0.0.1:{port}/")?;
    Ok(out.flush()?)
}

/// A route that tells the settings that scenes turn, as they are in force, and how many instances
/// are known of each service.
fn told(config: Config, instances: Arc<dyn Instances>) -> Router {
    let tell = |State((config, instances)): State<(Config, Arc<dyn Instances>)>| async move {
        let settings = config.settings();
        let text = |name: &str| settings.text(name).ok().flatten();
        let count = |name: &'static str| (name, instances.of(name).len());
        let knows: BTreeMap<&str, usize> = names().into_iter().map(count).collect();
        Json(json!({
            "error-rate": text("demo.error-rate"),
            "sampling": text("spring.sleuth.sampler.probability"),
            "knows": knows,
        }))
    };
    Router::new()
        .route("/actuator/demo", get(tell))
        .with_state((config, instances))
}

fn of_shop(app: &App, service: &'static ShopService) -> Result<(Router, Beside)> {
    let doer = Arc::new(Doer::new(app, service)?);
    let mut router = Router::new();
    for operation in service.operations {
        let method = MethodFilter::try_from(operation.verb.method())?;
        let route = Router::new().route(operation.path, on(method, answer));
        router = router.merge(route.with_state((Arc::clone(&doer), operation.steps)));
    }
    let Some(steps) = service.messages else {
        return Ok((router, idle()));
    };
    let (inbox, messages) = queue::inbox();
    let consumer = async move {
        queue::consume(messages, doer, steps).await;
        // The inbox is gone, so the service is ending; it says itself when it has.
        std::future::pending::<()>().await;
    };
    Ok((router.merge(inbox), Box::pin(consumer)))
}

async fn answer(
    State((doer, steps)): State<(Arc<Doer>, &'static [Step])>,
    Path(book): Path<String>,
) -> Result<&'static str, Trouble> {
    doer.serve(steps, &book).await.map(|()| "done")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns a service that nobody knows, with a setting that differs from its default.
    pub(crate) async fn app(name: &str) -> App {
        let timeout = "spring.cloud.openfeign.client.config.default.read-timeout";
        App::builder(name)
            .defaults([
                ("server.port", "0"),
                ("server.address", "127.0.0.1"),
                ("spring.zipkin.enabled", "false"),
                (timeout, "3000"),
            ])
            .start()
            .await
            .unwrap()
    }
}

//! The two services of the story: service-1 greets (interface A), service-2 calls it by name, with
//! load balancing, retries, a circuit and a fallback, or with nothing of that.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use speargun_client::call::retry::RetrySettings;
use speargun_client::{App, AppError, CallError, Config, ServiceClient, Tracer};

use crate::steps::{Trouble, Troubles};

/// Interface A, as Feign would have it declared.
#[derive(Debug)]
struct InterfaceA(ServiceClient);

impl InterfaceA {
    async fn greet(&self, name: &str) -> Result<String, CallError> {
        self.0.get("/a/{name}").path("name", name).text().await
    }

    async fn greet_or_sorry(&self, name: &str) -> String {
        let call = self.0.get("/a/{name}").path("name", name);
        call.text_or(|error| format!("sorry, {name}: {error}"))
            .await
    }
}

/// Returns the routes of service-1.
pub(crate) fn service_1(app: &App) -> Router {
    let state = (
        app.config().clone(),
        app.tracer().clone(),
        app.address().port(),
    );
    Router::new()
        .route("/a/{name}", get(greet))
        .with_state(state)
}

async fn greet(
    State((config, tracer, port)): State<(Config, Tracer, u16)>,
    Path(name): Path<String>,
) -> Result<String, Trouble> {
    let settings = config.settings();
    let troubles = Troubles::read(&settings).map_err(Trouble::Setting)?;
    troubles.imitate(&tracer).await?;
    let greeting = settings.get_or("greeting", "hi".to_owned());
    let greeting = greeting.map_err(Trouble::Setting)?;
    Ok(format!(
        "{greeting} {name}, i am service-1 from port {port}"
    ))
}

#[derive(Debug)]
struct Callers {
    guarded: InterfaceA,
    bare: InterfaceA,
}

/// Returns the routes of service-2.
pub(crate) fn service_2(app: &App) -> Result<Router, AppError> {
    let callers = Arc::new(Callers {
        guarded: InterfaceA(app.service("service-1")?),
        bare: InterfaceA(bare(app)?),
    });
    Ok(Router::new()
        .route("/hi/{name}", get(hi))
        .route("/once/{name}", get(once))
        .with_state(callers))
}

/// A client whose time and number of calls are limited as the other's are.
fn bare(app: &App) -> Result<ServiceClient, AppError> {
    app.service_with("service-1", |builder| {
        builder.change(|settings| {
            settings.breaker = None;
            settings.retry = RetrySettings::never();
        })
    })
}

async fn hi(State(callers): State<Arc<Callers>>, Path(name): Path<String>) -> String {
    callers.guarded.greet_or_sorry(&name).await
}

/// The same without retries, circuit and fallback, to see what they are for.
async fn once(
    State(callers): State<Arc<Callers>>,
    Path(name): Path<String>,
) -> Result<String, Trouble> {
    callers.bare.greet(&name).await.map_err(Trouble::Call)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::service::tests::app;

    #[tokio::test]
    async fn the_bare_client_is_limited_as_the_settings_say() {
        let app = app("service-2").await;
        let bare = bare(&app).unwrap();
        let guarded = app.service("service-1").unwrap();
        assert!(guarded.settings().breaker.is_some());
        assert_eq!(bare.settings().breaker, None);
        assert_eq!(bare.settings().retry.next_servers, 0);
        for client in [guarded, bare] {
            assert_eq!(client.settings().read_timeout, Duration::from_secs(3));
        }
    }
}

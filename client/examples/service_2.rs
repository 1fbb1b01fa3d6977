//! A service that calls another by its name, with a circuit breaker and a fallback. Whatever it
//! does is one trace. See `service_1` for how it is started.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use speargun_client::{App, AppError, ServiceClient};

/// The interface of service-1, as Feign would have it declared.
struct Greeter(ServiceClient);

impl Greeter {
    async fn hi(&self, name: &str) -> String {
        let call = self.0.get("/hi/{name}").path("name", name);
        call.text_or(|error| format!("sorry, {name}: {error}"))
            .await
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), AppError> {
    let app = App::builder("service-2")
        .defaults([("server.port", "8763")])
        .arguments(std::env::args())
        .environment(std::env::vars())
        .start()
        .await?;
    let greeter = Arc::new(Greeter(app.service("service-1")?));
    let router = Router::new()
        .route("/hi/{name}", get(hi))
        .with_state(greeter);
    app.serve(router).await
}

async fn hi(State(greeter): State<Arc<Greeter>>, Path(name): Path<String>) -> String {
    greeter.hi(&name).await
}

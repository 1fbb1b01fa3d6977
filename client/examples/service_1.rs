//! A service that greets. With a registry, a config server and a backend at their usual ports:
//!
//! ```text
//! cargo run -p speargun-client --example service_1 -- --server.port=8762 \
//!     --eureka.client.service-url.defaultZone=http://localhost:8761/eureka/
//! ```

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use speargun_client::{App, AppError, Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), AppError> {
    let app = App::builder("service-1")
        .defaults([("server.port", "8762"), ("greeting", "hi")])
        .arguments(std::env::args())
        .environment(std::env::vars())
        .start()
        .await?;
    let state = (app.config().clone(), app.address().port());
    let router = Router::new().route("/hi/{name}", get(hi)).with_state(state);
    app.serve(router).await
}

/// Says what the settings say at the moment: `POST /actuator/refresh` fetches them again.
async fn hi(State((config, port)): State<(Config, u16)>, Path(name): Path<String>) -> String {
    let greeting = config.settings().get_or("greeting", "hi".to_owned());
    let greeting = greeting.unwrap_or_else(|error| error.to_string());
    format!("{greeting} {name}, i am from port:{port}")
}

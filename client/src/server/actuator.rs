//! What a service answers about itself, below `/actuator` as Spring Boot has it: `health`, `info`,
//! `prometheus`, and `refresh`, which fetches the settings again.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::health::{Health, HealthState};
use crate::config::Config;
use crate::exposition::Exposition;

/// Writes the service's metrics.
pub type WriteMetrics = Arc<dyn Fn(&mut Exposition) + Send + Sync>;

/// What the answers are made of.
#[derive(Clone)]
pub struct Actuator {
    /// How the service is.
    pub health: Health,
    /// What it says about itself.
    pub info: Value,
    /// What it counts.
    pub metrics: WriteMetrics,
    /// Its settings.
    pub config: Config,
}

impl std::fmt::Debug for Actuator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Actuator")
            .field("health", &self.health)
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

impl Actuator {
    /// Returns the routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/actuator/health", get(health))
            .route("/actuator/info", get(info))
            .route("/actuator/prometheus", get(prometheus))
            .route("/actuator/refresh", post(refresh))
            .with_state(self)
    }
}

async fn health(State(actuator): State<Actuator>) -> Response {
    let (state, answer) = actuator.health.look();
    let status = match state {
        HealthState::Up | HealthState::Unknown => StatusCode::OK,
        HealthState::Down(_) | HealthState::OutOfService => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(answer)).into_response()
}

async fn info(State(actuator): State<Actuator>) -> Json<Value> {
    Json(actuator.info)
}

async fn prometheus(State(actuator): State<Actuator>) -> Response {
    let mut out = Exposition::default();
    (actuator.metrics)(&mut out);
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(CONTENT_TYPE, content_type)], out.into_text()).into_response()
}

async fn refresh(State(actuator): State<Actuator>) -> Response {
    match actuator.config.refresh().await {
        Ok(changed) => Json(changed).into_response(),
        Err(error) => {
            let body = json!({ "status": 500, "error": error.to_string() });
            (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
        }
    }
}

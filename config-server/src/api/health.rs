//! Whether the server can answer, and from what. An outage of a remote is no reason to send
//! clients away: the last good commit is served, and that is said. As in Spring, environments may
//! be named without which it is down.

use http::StatusCode;
use serde_json::json;

use super::Api;
use super::reply::{Reply, with};
use super::route::Health;
use crate::environment::assemble::Request;
use crate::source::sources::Standing;

const MEDIA_TYPE: &str = "application/vnd.spring-boot.actuator.v3+json";

impl Api {
    /// Returns whether every source has something to serve, or failed where answers leave out what
    /// fails. Repositories that requests made do not count: anybody may ask for one that is not
    /// there.
    pub fn is_healthy(&self) -> bool {
        let leaves_out = self.sources.leaves_out();
        let is_good = |standing: &Standing| match standing {
            Standing::Git(repository) => {
                let serves = repository.is_on_demand() || repository.is_serving();
                serves || leaves_out && repository.health().error.is_some()
            }
            Standing::Native(folder) => folder.is_whole() || leaves_out && folder.error().is_some(),
        };
        self.sources.standings().iter().all(is_good)
    }

    pub(super) async fn health(&self, what: Health) -> Reply {
        let mut up = what == Health::Liveness || self.is_healthy();
        let mut environments = Vec::new();
        // While there is nothing to serve, who asks would wait for it.
        if up && what != Health::Liveness {
            for request in &self.health {
                let (is_there, detail) = self.environment_detail(request).await;
                up &= is_there;
                environments.push(detail);
            }
        }
        let (code, status) = if up {
            (StatusCode::OK, "UP")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "DOWN")
        };
        let body = match what {
            Health::Summary | Health::Liveness => json!({"status": status}),
            Health::Details => {
                let sources = self.details();
                let details = json!({"sources": sources, "repositories": environments});
                json!({"status": status, "details": details})
            }
        };
        with(code, MEDIA_TYPE, body.to_string())
    }

    /// Returns whether there is an environment that health asks for, and what is told of it.
    async fn environment_detail(&self, request: &Request) -> (bool, serde_json::Value) {
        let found = self.sources.environment(request).await;
        let mut detail = json!({
            "name": request.application,
            "profiles": [request.profiles],
            "label": request.label,
        });
        match &found {
            Ok(environment) => {
                let names = environment.sources.iter().map(|source| &*source.name);
                detail["sources"] = names.collect::<Vec<_>>().into();
            }
            Err(error) => detail["error"] = error.to_string().into(),
        }
        (found.is_ok(), detail)
    }

    fn details(&self) -> Vec<serde_json::Value> {
        let detail = |standing: &Standing| match standing {
            Standing::Git(repository) => {
                let health = repository.health();
                let labels = repository.served().into_iter().map(|(label, served)| {
                    let broken = served.broken.iter().map(ToString::to_string);
                    json!({
                        "label": label,
                        "version": served.snapshot.version,
                        "newest": served.newest,
                        "heldBack": served.is_held_back(),
                        "broken": broken.collect::<Vec<_>>(),
                        "refused": served.refused,
                    })
                });
                json!({
                    "repository": repository.shown(),
                    "labels": labels.collect::<Vec<_>>(),
                    "error": health.error,
                    "secondsSinceFetch": health.good.map(|at| at.elapsed().as_secs()),
                })
            }
            Standing::Native(folder) => {
                let broken = folder.broken();
                let broken = broken.iter().map(ToString::to_string);
                json!({
                    "folder": folder.shown(),
                    "error": folder.error(),
                    "broken": broken.collect::<Vec<_>>(),
                })
            }
        };
        self.sources.standings().iter().map(detail).collect()
    }
}

//! Instances of applications, as a registry of Eureka tells of them in JSON.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Names, reasons};

/// Bytes of a registry's answer: a thousand instances take one megabyte.
const REGISTRY_BYTES_MAX: usize = 32 << 20;
/// Applications asked for one by one; for more the whole registry is.
const SINGLE_MAX: usize = 16;
/// The application of configuration servers, unless it is set otherwise.
pub(super) const SERVERS: &str = "configserver";

/// An instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// Where it is told to read again.
    pub refresh_url: String,
}

/// Registries, of which one is asked after the other until one answers.
#[derive(Debug)]
pub(super) struct Registries {
    urls: Vec<String>,
    /// The application that this server is an instance of.
    own: String,
    client: reqwest::Client,
}

impl Registries {
    pub(super) fn new((urls, own): (Vec<String>, &str), client: reqwest::Client) -> Self {
        let own = own.to_uppercase();
        Self { urls, own, client }
    }

    /// Returns the instances that are up of each application.
    pub(super) async fn instances(
        &self,
        names: &Names,
    ) -> Result<BTreeMap<String, Vec<Instance>>, String> {
        let wanted = names.iter().map(str::to_uppercase);
        // Configuration servers read by themselves.
        let wanted: Vec<String> = wanted.filter(|name| *name != self.own).collect();
        if names.are_everybody() || wanted.len() > SINGLE_MAX {
            let body = self.ask("/apps/").await?.unwrap_or_default();
            let mut all = applications(&body);
            all.remove(&self.own);
            if !names.are_everybody() {
                all.retain(|name, _| wanted.contains(name));
            }
            return Ok(all);
        }
        let mut all = BTreeMap::new();
        for name in wanted {
            if !is_plain(&name) {
                continue;
            }
            if let Some(body) = self.ask(&format!("/apps/{name}")).await? {
                all.extend(applications(&body));
            }
        }
        Ok(all)
    }

    /// Returns whether there are configuration servers beside this one.
    pub(super) async fn has_other_servers(&self) -> bool {
        if !is_plain(&self.own) {
            return false;
        }
        let own = &self.own;
        let body = self.ask(&format!("/apps/{own}")).await.ok().flatten();
        let servers = body.map(|body| applications(&body)).unwrap_or_default();
        servers.values().map(Vec::len).sum::<usize>() > 1
    }

    /// Asks one registry after the other; `None` when one knows no such thing.
    async fn ask(&self, path: &str) -> Result<Option<Value>, String> {
        let mut last = "there is none".to_owned();
        for url in &self.urls {
            match self.ask_one(url, path).await {
                Ok(body) => return Ok(body),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn ask_one(&self, url: &str, path: &str) -> Result<Option<Value>, String> {
        let url = format!("{}{path}", url.trim_end_matches('/'));
        let request = self
            .client
            .get(url)
            .header(http::header::ACCEPT, "application/json");
        let answer = request
            .send()
            .await
            .map_err(|error| reasons(&error.without_url()))?;
        if answer.status() == http::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !answer.status().is_success() {
            return Err(format!("it answered {}", answer.status()));
        }
        let body = capped(answer, REGISTRY_BYTES_MAX).await?;
        let body = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        Ok(Some(body))
    }
}

/// Returns whether a name may stand in a path as it is.
fn is_plain(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    name.bytes().all(allowed)
}

/// Reads a body that must not be longer.
pub(super) async fn capped(
    mut answer: reqwest::Response,
    bytes_max: usize,
) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(|error| reasons(&error))? {
        if body.len() + part.len() > bytes_max {
            return Err(format!("its answer is longer than {bytes_max} bytes"));
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

/// Returns what is in a list, or the one thing that stands for a list of one.
fn list(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::Array(items)) => items,
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        _ => &[],
    }
}

/// Reads the answer to `/apps/` or `/apps/{APP}`.
fn applications(body: &Value) -> BTreeMap<String, Vec<Instance>> {
    let several = body
        .get("applications")
        .map(|all| list(all.get("application")));
    let found = several.unwrap_or_else(|| list(body.get("application")));
    let mut all = BTreeMap::new();
    for application in found {
        let name = application
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let instances = list(application.get("instance"))
            .iter()
            .filter_map(instance);
        all.insert(name.to_uppercase(), instances.collect());
    }
    all
}

/// Reads an instance that is up.
fn instance(value: &Value) -> Option<Instance> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    if text("status") != Some("UP") {
        return None;
    }
    let metadata = value.get("metadata");
    let of_metadata = |name: &str| {
        let value = metadata?.get(name)?;
        value
            .as_str()
            .map(str::to_owned)
            .or_else(|| Some(value.as_u64()?.to_string()))
    };
    let secure = value.get("securePort").filter(|port| is_enabled(port));
    let (scheme, port) = match (secure, value.get("port")) {
        (Some(port), _) => ("https", port),
        (None, Some(port)) => ("http", port),
        (None, None) => return None,
    };
    let port = port.get("$").or(Some(port));
    let port = port.and_then(|port| port.as_u64().or_else(|| port.as_str()?.parse().ok()))?;
    let management = of_metadata("management.port").and_then(|port| port.parse().ok());
    let port: u64 = management.unwrap_or(port);
    let host = text("ipAddr")
        .filter(|ip| !ip.is_empty())
        .or_else(|| text("hostName"))?;
    let host = if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    let path = of_metadata("management.context-path").unwrap_or_default();
    let path = path.trim_matches('/');
    let path = if path.is_empty() {
        String::new()
    } else {
        format!("/{path}")
    };
    let id = text("instanceId").map_or_else(|| format!("{host}:{port}"), str::to_owned);
    Some(Instance {
        id,
        refresh_url: format!("{scheme}://{host}:{port}{path}/actuator/refresh"),
    })
}

fn is_enabled(port: &Value) -> bool {
    match port.get("@enabled") {
        Some(Value::String(text)) => text == "true",
        Some(Value::Bool(enabled)) => *enabled,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn instances_of_spring_are_found() {
        let body = json!({"application": {"name": "SERVICE-1", "instance": [
            {
                "instanceId": "host:service-1:8762", "hostName": "host", "ipAddr": "10.0.0.5",
                "status": "UP", "port": {"$": 8762, "@enabled": "true"},
                "securePort": {"$": 443, "@enabled": "false"},
                "metadata": {"management.port": "9000", "management.context-path": "/x"},
            },
            {"instanceId": "down", "ipAddr": "10.0.0.6", "status": "DOWN",
                "port": {"$": 1, "@enabled": "true"}},
            {"instanceId": "v6", "ipAddr": "::1", "status": "UP",
                "securePort": {"$": 8443, "@enabled": "true"}},
        ]}});
        let all = applications(&body);
        let urls: Vec<&str> = all["SERVICE-1"]
            .iter()
            .map(|one| &*one.refresh_url)
            .collect();
        assert_eq!(
            urls,
            [
                "http://10.0.0.5:9000/x/actuator/refresh",
                "https://[::1]:8443/actuator/refresh"
            ]
        );
    }

    #[test]
    fn one_is_a_list_of_one() {
        let one = json!({"name": "A", "instance": {"instanceId": "i", "hostName": "h",
            "status": "UP", "port": {"$": "80", "@enabled": "true"}}});
        let body = json!({"applications": {"application": one}});
        let expected = Instance {
            id: "i".to_owned(),
            refresh_url: "http://h:80/actuator/refresh".to_owned(),
        };
        assert_eq!(applications(&body)["A"], [expected]);
        assert!(applications(&json!({"applications": {"application": []}})).is_empty());
        assert!(applications(&json!(null)).is_empty());
    }
}

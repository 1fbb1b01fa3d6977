//! An instance as registries know it: who we are, in the form that Spring's client posts.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

/// How an instance is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Status {
    /// Call it.
    Up,
    /// It is not well.
    Down,
    /// Not yet.
    Starting,
    /// Somebody took it out.
    OutOfService,
    /// Nobody knows.
    Unknown,
}

impl Status {
    /// Returns the word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "UP",
            Self::Down => "DOWN",
            Self::Starting => "STARTING",
            Self::OutOfService => "OUT_OF_SERVICE",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Returns the status with this word; an unknown one is unknown.
    pub(super) fn of(word: &str) -> Self {
        let all = [Self::Up, Self::Down, Self::Starting, Self::OutOfService];
        let known = all.into_iter().find(|status| status.name() == word);
        known.unwrap_or(Self::Unknown)
    }
}

/// Who we are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnInstance {
    /// The service's name, as others look it up.
    pub app: String,
    /// Unique within the service; `host:app:port` by default.
    pub instance_id: String,
    /// The name under which others reach us.
    pub host_name: String,
    /// The address.
    pub ip_addr: String,
    /// The port.
    pub port: u16,
    /// Whether we speak TLS there.
    pub secure: bool,
    /// Path of the health check.
    pub health_path: String,
    /// Path of the status page.
    pub status_path: String,
    /// What else others should know, such as `zone`.
    pub metadata: BTreeMap<String, String>,
}

impl OwnInstance {
    /// Returns an instance with the defaults of Spring's.
    pub fn new(app: &str, host_name: &str, ip_addr: &str, port: u16) -> Self {
        Self {
            app: app.to_owned(),
            instance_id: format!("{host_name}:{app}:{port}"),
            host_name: host_name.to_owned(),
            ip_addr: ip_addr.to_owned(),
            port,
            secure: false,
            health_path: "/actuator/health".into(),
            status_path: "/actuator/info".into(),
            metadata: BTreeMap::from([("management.port".into(), port.to_string())]),
        }
    }

    /// Returns the path below a registry's address.
    pub(super) fn path(&self) -> String {
        let escape = crate::http::escape;
        format!(
            "/apps/{}/{}",
            escape(&self.key()),
            escape(&self.instance_id)
        )
    }

    /// Returns the name as registries file it.
    pub(super) fn key(&self) -> String {
        self.app.to_uppercase()
    }

    /// Returns the body of a registration, key for key as Spring's clients post it.
    pub(crate) fn describe(
        &self,
        status: Status,
        dirty_ms: u64,
        lease: (Duration, Duration),
    ) -> Value {
        let scheme = if self.secure { "https" } else { "http" };
        let url = |path: &str| format!("{scheme}://{}:{}{path}", self.host_name, self.port);
        let on = |is: bool| if is { "true" } else { "false" };
        let health = url(&self.health_path);
        let (plain_health, secure_health) = if self.secure {
            (Value::Null, Value::from(health))
        } else {
            (Value::from(health), Value::Null)
        };
        let (port, secure_port) = if self.secure {
            (80, self.port)
        } else {
            (self.port, 443)
        };
        json!({"instance": {
            "instanceId": self.instance_id,
            "app": self.key(),
            "appGroupName": null,
            "ipAddr": self.ip_addr,
            "sid": "na",
            "homePageUrl": url("/"),
            "statusPageUrl": url(&self.status_path),
            "healthCheckUrl": plain_health,
            "secureHealthCheckUrl": secure_health,
            "vipAddress": self.app,
            "secureVipAddress": self.app,
            "countryId": 1,
            "dataCenterInfo": {
                "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo",
                "name": "MyOwn",
            },
            "hostName": self.host_name,
            "status": status.name(),
            "overriddenStatus": "UNKNOWN",
            "leaseInfo": {
                "renewalIntervalInSecs": lease.0.as_secs().max(1),
                "durationInSecs": lease.1.as_secs().max(1),
                "registrationTimestamp": 0,
                "lastRenewalTimestamp": 0,
                "evictionTimestamp": 0,
                "serviceUpTimestamp": 0,
            },
            "isCoordinatingDiscoveryServer": false,
            "lastUpdatedTimestamp": dirty_ms,
            "lastDirtyTimestamp": dirty_ms,
            "actionType": null,
            "asgName": null,
            "port": {"$": port, "@enabled": on(!self.secure)},
            "securePort": {"$": secure_port, "@enabled": on(self.secure)},
            "metadata": self.metadata,
        }})
    }
}

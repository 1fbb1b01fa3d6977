//! The instance that is registered, in the full form of Eureka's JSON, in which switches and times
//! at its end are texts. It sends nothing.

use std::net::IpAddr;

use serde_json::json;

use crate::settings::RegistrySettings;

/// What the registry tells clients about this server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Status {
    /// Send requests.
    Up,
    /// Send none.
    Down,
}

impl Status {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Up => "UP",
            Self::Down => "DOWN",
        }
    }
}

/// The instance.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    app_name: String,
    id: String,
    host_name: String,
    /// Whether clients should use the name: somebody chose it.
    host_name_is_set: bool,
    port: u16,
    renewal_s: u64,
    changed_ms: u64,
    about: About,
}

/// What an instance is but for its names; that of the backend by default.
#[derive(Clone, Debug)]
pub(crate) struct About {
    /// Paths of the page, of what it is and of its health.
    pub(crate) paths: [&'static str; 3],
    /// Whether it speaks TLS.
    pub(crate) secure: bool,
    /// What is said beside: for the configuration server a path, a user and a password.
    pub(crate) metadata: Vec<(String, String)>,
}

impl Default for About {
    fn default() -> Self {
        Self {
            paths: ["/zipkin", "/info", "/health"],
            secure: false,
            metadata: Vec::new(),
        }
    }
}

/// Renewals that may be missed before the registration runs out.
const RENEWALS_A_LEASE: u64 = 3;

impl Instance {
    /// Returns the instance that listens on this port.
    pub(super) fn new(settings: &RegistrySettings, port: u16) -> Self {
        let host_name_is_set = !settings.host_name.is_empty();
        let host_name = if host_name_is_set {
            settings.host_name.clone()
        } else {
            machine_name()
        };
        let id = if settings.instance_id.is_empty() {
            format!("{host_name}:{}:{port}", settings.app_name)
        } else {
            settings.instance_id.clone()
        };
        Self {
            app_name: settings.app_name.clone(),
            id,
            host_name,
            host_name_is_set,
            port,
            renewal_s: settings.renewal_interval.as_secs(),
            changed_ms: 0,
            about: About::default(),
        }
    }

    /// Returns the instance, with what else there is to say.
    pub(super) fn about(self, about: About) -> Self {
        Self { about, ..self }
    }

    /// Notes when what is registered changed.
    pub(super) fn change(&mut self, now_ms: u64) {
        self.changed_ms = now_ms;
    }

    /// Returns when what is registered changed.
    pub(super) fn changed_ms(&self) -> u64 {
        self.changed_ms
    }

    /// Returns the application, in upper case as Eureka keeps it.
    pub(super) fn app(&self) -> String {
        self.app_name.to_uppercase()
    }

    /// Returns the path of the instance.
    pub(super) fn path(&self) -> String {
        format!("/apps/{}/{}", self.app(), self.id)
    }

    /// Returns the body of a registration. Clients look services up by their VIP, which is the
    /// application's name as it was set.
    pub(super) fn describe(&self, status: Status, address: IpAddr) -> String {
        let host = match address {
            _ if self.host_name_is_set => self.host_name.clone(),
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let [home, status_page, health] = self.about.paths;
        let secure = self.about.secure;
        let scheme = if secure { "https" } else { "http" };
        let base = format!("{scheme}://{host}:{}", self.port);
        let (port, secure_port) = if secure {
            (80, self.port)
        } else {
            (self.port, 443)
        };
        let mut metadata = serde_json::Map::new();
        metadata.insert("management.port".to_owned(), self.port.to_string().into());
        for (name, value) in &self.about.metadata {
            metadata.insert(name.clone(), value.clone().into());
        }
        let changed = self.changed_ms.to_string();
        json!({"instance": {
            "instanceId": self.id,
            "hostName": self.host_name,
            "app": self.app(),
            "ipAddr": address.to_string(),
            "status": status.name(),
            "overriddenStatus": "UNKNOWN",
            "port": {"$": port, "@enabled": (!secure).to_string()},
            "securePort": {"$": secure_port, "@enabled": secure.to_string()},
            "countryId": 1,
            "dataCenterInfo": {
                "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo",
                "name": "MyOwn",
            },
            "leaseInfo": {
                "renewalIntervalInSecs": self.renewal_s,
                "durationInSecs": self.renewal_s * RENEWALS_A_LEASE,
                "registrationTimestamp": 0,
                "lastRenewalTimestamp": 0,
                "evictionTimestamp": 0,
                "serviceUpTimestamp": 0,
            },
            "metadata": metadata,
            "homePageUrl": format!("{base}{home}"),
            "statusPageUrl": format!("{base}{status_page}"),
            "healthCheckUrl": format!("{base}{health}"),
            "vipAddress": self.app_name,
            "secureVipAddress": self.app_name,
            "isCoordinatingDiscoveryServer": "false",
            "lastUpdatedTimestamp": changed,
            "lastDirtyTimestamp": changed,
        }})
        .to_string()
    }
}

/// Returns the name of the machine, without what a path can't hold.
fn machine_name() -> String {
    let name = rustix::system::uname();
    let name = name.nodename().to_string_lossy().into_owned();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.is_empty() || !name.chars().all(plain) {
        return "localhost".to_owned();
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::time::Duration;

    fn settings() -> RegistrySettings {
        RegistrySettings {
            registries: Vec::new(),
            app_name: "zipkin".to_owned(),
            instance_id: String::new(),
            host_name: "host-a".to_owned(),
            renewal_interval: Duration::from_secs(30),
        }
    }

    #[test]
    fn the_whole_form() {
        let mut instance = Instance::new(&settings(), 9411);
        instance.change(1_700_000_000_000);
        assert_eq!(instance.path(), "/apps/ZIPKIN/host-a:zipkin:9411");
        assert_eq!(
            instance.describe(Status::Up, [10, 0, 0, 5].into()),
            concat!(
                r#"{"instance":{"instanceId":"host-a:zipkin:9411","hostName":"host-a","#,
                r#""app":"ZIPKIN","ipAddr":"10.0.0.5","status":"UP","#,
                r#""overriddenStatus":"UNKNOWN","port":{"$":9411,"@enabled":"true"},"#,
                r#""securePort":{"$":443,"@enabled":"false"},"countryId":1,"dataCenterInfo":{"#,
                r#""@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","#,
                r#""name":"MyOwn"},"leaseInfo":{"renewalIntervalInSecs":30,"durationInSecs":90,"#,
                r#""registrationTimestamp":0,"lastRenewalTimestamp":0,"evictionTimestamp":0,"#,
                r#""serviceUpTimestamp":0},"metadata":{"management.port":"9411"},"#,
                r#""homePageUrl":"http://host-a:9411/zipkin","#,
                r#""statusPageUrl":"http://host-a:9411/info","#,
                r#""healthCheckUrl":"http://host-a:9411/health","vipAddress":"zipkin","#,
                r#""secureVipAddress":"zipkin","isCoordinatingDiscoveryServer":"false","#,
                r#""lastUpdatedTimestamp":"1700000000000","lastDirtyTimestamp":"1700000000000"}}"#,
            )
        );
    }

    /// Every key that a real client registers is there in its place and type, but for those that
    /// hold what we have none of.
    #[test]
    fn the_form_is_that_of_a_recorded_instance() {
        let recorded: Value = serde_json::from_str(include_str!("recorded_instance.json")).unwrap();
        let body = Instance::new(&settings(), 9411).describe(Status::Up, [10, 0, 0, 5].into());
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_same_form(&recorded, &body);
    }

    const ABSENT: &[&str] = &["appGroupName", "actionType", "zone"];

    fn assert_same_form(recorded: &Value, ours: &Value) {
        let (Value::Object(recorded), Value::Object(ours)) = (recorded, ours) else {
            let kind = std::mem::discriminant::<Value>;
            assert_eq!(kind(recorded), kind(ours), "{recorded} and {ours}");
            return;
        };
        let keys: Vec<_> = recorded
            .keys()
            .filter(|key| !ABSENT.contains(&key.as_str()))
            .collect();
        assert_eq!(keys, ours.keys().collect::<Vec<_>>());
        for key in keys {
            assert_same_form(&recorded[key], &ours[key]);
        }
    }

    #[test]
    fn names_that_are_set_are_used() {
        let chosen = RegistrySettings {
            app_name: "Traces".to_owned(),
            instance_id: "one".to_owned(),
            host_name: String::new(),
            ..settings()
        };
        let instance = Instance::new(&chosen, 80);
        assert_eq!(instance.path(), "/apps/TRACES/one");
        let body = instance.describe(Status::Down, "::1".parse().unwrap());
        for part in [
            r#""homePageUrl":"http://[::1]:80/zipkin""#,
            r#""ipAddr":"::1""#,
            r#""status":"DOWN""#,
            r#""vipAddress":"Traces""#,
        ] {
            assert!(body.contains(part), "{body}");
        }
        assert!(!body.contains(r#""hostName":"""#), "{body}");
    }
}

//! What each process is started with. None inherits the user's environment: what is set there for
//! other servers is not for these.

use std::path::Path;

/// What is needed to start a process.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    /// As it is shown.
    pub(crate) name: String,
    /// Behind `speargun`.
    pub(crate) words: Vec<String>,
    /// Its whole environment.
    pub(crate) variables: Vec<(String, String)>,
    /// Where it tells whether it is well.
    pub(crate) health: &'static str,
}

/// The names of the registries.
pub(crate) const REGISTRIES: [&str; 2] = ["registry-1", "registry-2"];

/// Where services find what they need.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// URLs with commas between.
    pub(crate) registries: String,
    /// A port.
    pub(crate) config_server: u16,
    /// A port.
    pub(crate) backend: u16,
}

/// Returns both registries, each of which knows the other.
pub(crate) fn registries(ports: [u16; 2]) -> [Launch; 2] {
    let peers = ports.map(|port| format!("http://127.0.0.1:{port}/eureka/"));
    let peers = peers.join(",");
    [0, 1].map(|one: usize| {
        let port = ports[one].to_string();
        let words = ["registry", "--address", "127.0.0.1", "--port", &port];
        let more = ["--peers", &peers, "--data", "none"];
        Launch {
            name: REGISTRIES[one].to_owned(),
            words: words.into_iter().chain(more).map(str::to_owned).collect(),
            variables: Vec::new(),
            health: "/health",
        }
    })
}

/// Returns a configuration server over a git repository; it tells services of changes by itself.
pub(crate) fn config_server(git: &Path, registries: &str) -> Launch {
    let words = [
        "config-server".to_owned(),
        "--server.port=0".to_owned(),
        "--server.address=127.0.0.1".to_owned(),
        format!("--spring.cloud.config.server.git.uri={}", git.display()),
        "--spring.cloud.config.server.git.refresh-rate=1".to_owned(),
        "--speargun.config.refresh.on-change=true".to_owned(),
        format!("--eureka.client.service-url.defaultZone={registries}"),
        "--eureka.instance.hostname=127.0.0.1".to_owned(),
    ];
    Launch {
        name: "config-server".to_owned(),
        words: words.into(),
        variables: Vec::new(),
        health: "/actuator/health",
    }
}

/// Returns the backend, which follows the configuration server at this port.
pub(crate) fn backend(port: u16, data: &Path, config: u16, registries: &str) -> Launch {
    let data = data.display().to_string();
    let words = ["server", "--port", &port.to_string(), "--data", &data];
    let config = format!("http://127.0.0.1:{config}");
    let variables = [
        ("SPEARGUN_ADDRESS", "127.0.0.1"),
        ("SPEARGUN_CONFIGURATION_URI", &config),
        ("SPEARGUN_OTLP_HTTP_PORT", "off"),
        ("SPEARGUN_OTLP_GRPC_PORT", "off"),
        ("SPEARGUN_SHARDS", "1"),
        ("EUREKA_SERVICE_URL", registries),
        ("EUREKA_HOSTNAME", "127.0.0.1"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Launch {
        name: "backend".to_owned(),
        words: words.map(str::to_owned).into(),
        variables: variables.into(),
        health: "/health",
    }
}

/// Returns a service's process, before which there are so many of the same service.
pub(crate) fn service(name: &str, before: usize, places: &Places) -> Launch {
    let shown = match before {
        0 => name.to_owned(),
        before => format!("{name}.{}", before + 1),
    };
    let (config, backend) = (places.config_server, places.backend);
    let words = [
        "demo-service".to_owned(),
        name.to_owned(),
        format!("--spring.config.import=configserver:http://127.0.0.1:{config}"),
        format!(
            "--eureka.client.service-url.defaultZone={}",
            places.registries
        ),
        format!("--spring.zipkin.base-url=http://127.0.0.1:{backend}"),
    ];
    Launch {
        name: shown,
        words: words.into(),
        variables: Vec::new(),
        health: "/actuator/health",
    }
}

/// Returns the service of a process: `service-1.2` is the second one of service-1.
pub(crate) fn service_of(process: &str) -> &str {
    process.split('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_of_a_service_are_told_apart() {
        let places = Places {
            registries: "http://127.0.0.1:1/eureka/".into(),
            config_server: 2,
            backend: 3,
        };
        for (before, name) in [(0, "service-1"), (1, "service-1.2"), (2, "service-1.3")] {
            let launch = service("service-1", before, &places);
            assert_eq!(launch.name, name);
            assert_eq!(service_of(&launch.name), "service-1");
        }
    }

    #[test]
    fn registries_know_each_other_and_themselves() {
        for launch in registries([1, 2]) {
            let both = "http://127.0.0.1:1/eureka/,http://127.0.0.1:2/eureka/";
            assert!(launch.words.iter().any(|word| word == both), "{launch:?}");
        }
    }
}

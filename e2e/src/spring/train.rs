//! Release trains: which versions they are, and what they call the same settings and spans.

/// A release train of Spring Cloud.
#[derive(Clone, Copy, Debug)]
pub struct Train {
    /// The profile of Maven and the folder that it builds into.
    pub name: &'static str,
    /// Its releases, as people say them.
    pub title: &'static str,
    /// Options of Java.
    pub java: &'static [&'static str],
    /// Whether configuration comes before everything else and not by an import.
    pub has_bootstrap: bool,
    /// Whether both sides of a call share a span.
    pub shares_spans: bool,
    /// Whether its configuration server names applications of a changed file as later ones do:
    /// `back-dev` and `back`. Hoxton's says `back:dev`, for a bus.
    pub names_applications: bool,
    /// Settings that say who is traced and how calls are guarded.
    pub settings: &'static [&'static str],
    /// Names of the spans of a call: of the entry, of Feign, of the service behind.
    pub span_names: [&'static str; 3],
}

/// Ribbon, Hystrix, Jersey 1 and Sleuth 2.
pub const HOXTON: Train = Train {
    name: "hoxton",
    title: "Spring Cloud Hoxton.SR12, Boot 2.3.12 (Ribbon, Hystrix, Sleuth 2.2.8)",
    java: &[
        "--add-opens=java.base/java.lang=ALL-UNNAMED",
        "--add-opens=java.base/java.lang.reflect=ALL-UNNAMED",
        "--add-opens=java.base/java.util=ALL-UNNAMED",
        "--add-opens=java.base/java.text=ALL-UNNAMED",
    ],
    has_bootstrap: true,
    shares_spans: true,
    names_applications: false,
    settings: &[
        "--spring.sleuth.sampler.probability=1.0",
        "--feign.hystrix.enabled=true",
        "--hystrix.command.default.circuitBreaker.requestVolumeThreshold=4",
        "--hystrix.command.default.circuitBreaker.sleepWindowInMilliseconds=2000",
        "--hystrix.command.default.execution.isolation.thread.timeoutInMilliseconds=20000",
        "--ribbon.ServerListRefreshInterval=1000",
        "--ribbon.ConnectTimeout=2000",
        "--ribbon.ReadTimeout=10000",
    ],
    span_names: ["get /hello/{n}", "get", "get /greet/{n}"],
};

/// Spring's own balancer, Resilience4j and Sleuth 3.
pub const TRAIN_2021: Train = Train {
    name: "2021",
    title: "Spring Cloud 2021.0.9, Boot 2.7.18 (Resilience4j, Sleuth 3.1.10)",
    java: &[],
    has_bootstrap: false,
    shares_spans: true,
    names_applications: true,
    settings: &[
        "--spring.sleuth.sampler.probability=1.0",
        "--feign.circuitbreaker.enabled=true",
        "--spring.cloud.loadbalancer.cache.ttl=1s",
        "--resilience4j.circuitbreaker.configs.default.sliding-window-size=4",
        "--resilience4j.circuitbreaker.configs.default.minimum-number-of-calls=4",
        "--resilience4j.circuitbreaker.configs.default.wait-duration-in-open-state=2s",
        "--resilience4j.circuitbreaker.configs.default.permitted-number-of-calls-in-half-open-state=1",
        "--resilience4j.timelimiter.configs.default.timeout-duration=20s",
    ],
    span_names: ["get /hello/{n}", "get", "get /greet/{n}"],
};

/// Spring's own balancer, Resilience4j and Micrometer Tracing over Brave.
pub const TRAIN_2025: Train = Train {
    name: "2025",
    title: "Spring Cloud 2025.0.0, Boot 3.5.8 (Resilience4j, Micrometer Tracing with Brave)",
    java: &[],
    has_bootstrap: false,
    shares_spans: false,
    names_applications: true,
    settings: &[
        "--management.tracing.sampling.probability=1.0",
        "--spring.cloud.openfeign.circuitbreaker.enabled=true",
        "--spring.cloud.loadbalancer.cache.ttl=1s",
        "--resilience4j.circuitbreaker.configs.default.sliding-window-size=4",
        "--resilience4j.circuitbreaker.configs.default.minimum-number-of-calls=4",
        "--resilience4j.circuitbreaker.configs.default.wait-duration-in-open-state=2s",
        "--resilience4j.circuitbreaker.configs.default.permitted-number-of-calls-in-half-open-state=1",
        "--resilience4j.timelimiter.configs.default.timeout-duration=20s",
    ],
    span_names: ["http get /hello/{n}", "http get", "http get /greet/{n}"],
};

/// Where an application finds its configuration.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// A configuration server at an address.
    Uri(&'a str),
    /// Whoever is registered as one.
    Discovery,
}

impl Train {
    /// Returns the settings of an application that reports, registers and is configured.
    pub fn arguments(&self, name: &str, registry: u16, spans: u16) -> Vec<String> {
        let mut arguments = vec![
            format!("--spring.application.name={name}"),
            "--spring.profiles.active=dev".to_owned(),
            format!("--eureka.client.service-url.defaultZone=http://127.0.0.1:{registry}/eureka/"),
            "--eureka.instance.hostname=127.0.0.1".to_owned(),
            "--eureka.instance.ip-address=127.0.0.1".to_owned(),
            "--eureka.instance.instance-id=${spring.application.name}:${server.port}".to_owned(),
            "--eureka.instance.lease-renewal-interval-in-seconds=1".to_owned(),
            "--eureka.instance.lease-expiration-duration-in-seconds=5".to_owned(),
            "--eureka.client.registry-fetch-interval-seconds=1".to_owned(),
            if self.shares_spans {
                format!("--spring.zipkin.base-url=http://127.0.0.1:{spans}/")
            } else {
                format!(
                    "--management.zipkin.tracing.endpoint=http://127.0.0.1:{spans}/api/v2/spans"
                )
            },
        ];
        arguments.extend(self.settings.iter().map(|it| (*it).to_owned()));
        arguments
    }

    /// Returns the settings that say where configuration comes from.
    pub fn configured_by(&self, source: Source<'_>) -> Vec<String> {
        let words: &[String] = &match (self.has_bootstrap, source) {
            (true, Source::Uri(uri)) => [
                format!("--spring.cloud.config.uri={uri}"),
                "--spring.cloud.config.fail-fast=true".to_owned(),
            ],
            (true, Source::Discovery) => [
                "--spring.cloud.config.discovery.enabled=true".to_owned(),
                "--spring.cloud.config.fail-fast=true".to_owned(),
            ],
            (false, Source::Uri(uri)) => [
                format!("--spring.config.import=configserver:{uri}"),
                "--spring.cloud.config.fail-fast=true".to_owned(),
            ],
            (false, Source::Discovery) => [
                "--spring.config.import=configserver:".to_owned(),
                "--spring.cloud.config.discovery.enabled=true".to_owned(),
            ],
        };
        words.to_vec()
    }
}

//! What is in the git repository at the beginning: shared settings, and a line or two for each
//! service that invite changes.

use crate::shop::SHOP;

/// Settings that everybody has. Leases are short, so that one need not wait to see them run out.
const SHARED: &str = "\
# For all services. Changes reach the running ones; leases, circuits and time limits do so at their
# next start.
eureka:
  instance:
    lease-renewal-interval-in-seconds: 1
    lease-expiration-duration-in-seconds: 5
  client:
    registry-fetch-interval-seconds: 1
spring:
  cloud:
    openfeign:
      client:
        config:
          default:
            read-timeout: 3000
resilience4j:
  circuitbreaker:
    configs:
      default:
        sliding-window-size: 20
        minimum-number-of-calls: 10
        failure-rate-threshold: 50
        wait-duration-in-open-state: 3s
        permitted-number-of-calls-in-half-open-state: 3
";

/// The file of settings that everybody has and that scenes change.
pub(crate) const EVERYBODY: &str = "application.properties";

/// Returns the line that says which part of all new traces is kept.
pub(crate) fn sampling(probability: f64) -> String {
    format!("spring.sleuth.sampler.probability={probability}\n")
}

/// Returns what a service imitates: milliseconds that each request takes longer, and the part of
/// requests that fail, 0 to 1.
pub(crate) fn troubles(slow_ms: u32, error_rate: f64) -> String {
    format!("demo.slow-ms={slow_ms}\ndemo.error-rate={error_rate}\n")
}

/// Returns the files; `rate` is how many visits a second the traffic maker begins. Every service of
/// the shop has one, so that a change of it is a change of a file that git knows.
pub(crate) fn at_start(rate: f64) -> Vec<(String, String)> {
    let others = [
        ("application.yml", SHARED.to_owned()),
        (EVERYBODY, sampling(1.0)),
        ("speargun.properties", backend(1.0)),
        ("traffic.properties", format!("demo.rate={rate}\n")),
        ("service-1.properties", greeting("hi") + &troubles(0, 0.0)),
    ];
    let others = others.map(|(name, text)| (name.to_owned(), text));
    let shop = SHOP.iter().map(|service| {
        let error_rate = if service.name == "fraud" { 0.02 } else { 0.0 };
        let file = format!("{}.properties", service.name);
        (file, troubles(0, error_rate))
    });
    others.into_iter().chain(shop).collect()
}

/// Returns what service-1 greets with.
pub(crate) fn greeting(word: &str) -> String {
    format!("greeting={word}\n")
}

/// Returns which part of the traces that arrive the backend keeps.
pub(crate) fn backend(rate: f64) -> String {
    format!("COLLECTOR_SAMPLE_RATE={rate}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_of_the_shop_has_a_file() {
        let files = at_start(3.0);
        for service in &SHOP {
            let name = format!("{}.properties", service.name);
            let found = files.iter().find(|(file, _)| *file == name);
            let (_, text) = found.unwrap_or_else(|| panic!("no {name}"));
            assert!(text.contains("demo.slow-ms=0\n"), "{name}: {text}");
        }
    }
}

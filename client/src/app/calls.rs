//! Clients made of settings: Feign's times, Resilience4j's or Hystrix' circuits, bulkheads and the
//! load balancer, for all services and for one.

use std::time::Duration;

use crate::call::balance::{PeakEwma, RoundRobin, Weighted, ZoneFirst};
use crate::call::breaker::{BreakerSettings, Window};
use crate::call::{CallSettings, ServiceClientBuilder};
use crate::config::{SettingError, Settings};

/// Gives a builder what the settings say of a service.
pub(super) fn apply(
    builder: ServiceClientBuilder,
    settings: &Settings,
    service: &str,
) -> Result<ServiceClientBuilder, SettingError> {
    let mut call = CallSettings::default();
    for prefix in [
        "feign.client.config",
        "spring.cloud.openfeign.client.config",
    ] {
        for name in ["default", service] {
            let at = |part: &str| format!("{prefix}.{name}.{part}");
            call.connect_timeout =
                settings.duration_or(&at("connect-timeout"), call.connect_timeout)?;
            call.read_timeout = settings.duration_or(&at("read-timeout"), call.read_timeout)?;
        }
    }
    for name in ["configs.default", &format!("instances.{service}")] {
        let limit = format!("resilience4j.timelimiter.{name}.timeout-duration");
        call.time_limit = settings.duration_or(&limit, call.time_limit)?;
        if let Some(bulkhead) = &mut call.bulkhead {
            let at = |part: &str| format!("resilience4j.bulkhead.{name}.{part}");
            bulkhead.calls_max =
                settings.get_or(&at("max-concurrent-calls"), bulkhead.calls_max)?;
            bulkhead.wait_max =
                settings.duration_or(&at("max-wait-duration"), bulkhead.wait_max)?;
            if !bulkhead.wait_max.is_zero() {
                bulkhead.waiting_max = bulkhead.calls_max;
            }
        }
    }
    call.breaker = breaker(settings, service)?;
    let retry = "spring.cloud.loadbalancer.retry";
    if settings.flag_or(&format!("{retry}.enabled"), true)? {
        let at = |part: &str| format!("{retry}.{part}");
        let retries = &mut call.retry;
        retries.same_server = settings.get_or(
            &at("max-retries-on-same-service-instance"),
            retries.same_server,
        )?;
        retries.next_servers = settings.get_or(
            &at("max-retries-on-next-service-instance"),
            retries.next_servers,
        )?;
        retries.all_methods =
            settings.flag_or(&at("retry-on-all-operations"), retries.all_methods)?;
    } else {
        call.retry.next_servers = 0;
    }
    balance(builder.settings(call), settings, service)
}

fn balance(
    builder: ServiceClientBuilder,
    settings: &Settings,
    service: &str,
) -> Result<ServiceClientBuilder, SettingError> {
    let prefix = "spring.cloud.loadbalancer";
    let all = format!("{prefix}.configurations");
    let one = format!("{prefix}.clients.{service}.configurations");
    let (name, rule) = match settings.text(&one)? {
        Some(rule) => (one, rule),
        None => (all.clone(), settings.text(&all)?.unwrap_or_default()),
    };
    match &*rule {
        "" | "default" | "round-robin" => Ok(builder.balance(RoundRobin::default())),
        "weighted" => Ok(builder.balance(Weighted::default())),
        "peak-ewma" => Ok(builder.balance(PeakEwma)),
        "zone-preference" => {
            let own = settings.text("eureka.instance.metadata-map.zone")?;
            let zone = settings.text(&format!("{prefix}.zone"))?.or(own);
            let zone = zone.unwrap_or_default();
            Ok(builder.balance(ZoneFirst::new(zone, RoundRobin::default())))
        }
        _ => Err(SettingError {
            name,
            why: "not default, weighted, zone-preference or peak-ewma".into(),
        }),
    }
}

/// Returns the circuits' settings: Hystrix' names and defaults, unless Resilience4j's are used.
fn breaker(settings: &Settings, service: &str) -> Result<Option<BreakerSettings>, SettingError> {
    if !settings.flag_or("spring.cloud.openfeign.circuitbreaker.enabled", true)? {
        return Ok(None);
    }
    let prefix = "resilience4j.circuitbreaker";
    let names = ["configs.default".to_owned(), format!("instances.{service}")];
    let names = names.map(|name| format!("{prefix}.{name}"));
    if !names.iter().any(|name| settings.has(name)) {
        return hystrix(settings, service).map(Some);
    }
    let mut breaker = BreakerSettings::resilience4j();
    for name in names {
        resilience4j(settings, &name, &mut breaker)?;
    }
    Ok(Some(breaker))
}

fn hystrix(settings: &Settings, service: &str) -> Result<BreakerSettings, SettingError> {
    let mut breaker = BreakerSettings::hystrix();
    for name in ["default", service] {
        let at = |part: &str| format!("hystrix.command.{name}.circuitBreaker.{part}");
        breaker.minimum_calls =
            settings.get_or(&at("requestVolumeThreshold"), breaker.minimum_calls)?;
        breaker.failure_rate =
            settings.get_or(&at("errorThresholdPercentage"), breaker.failure_rate)?;
        breaker.open_for =
            settings.duration_or(&at("sleepWindowInMilliseconds"), breaker.open_for)?;
    }
    Ok(breaker)
}

fn resilience4j(
    settings: &Settings,
    name: &str,
    breaker: &mut BreakerSettings,
) -> Result<(), SettingError> {
    let at = |part: &str| format!("{name}.{part}");
    let size = match breaker.window {
        Window::Calls(size) => size,
        Window::Time { buckets, .. } => buckets,
    };
    let size = settings.get_or(&at("sliding-window-size"), size)?;
    let by_time = match settings.text(&at("sliding-window-type"))? {
        Some(word) => word.eq_ignore_ascii_case("TIME_BASED"),
        None => matches!(breaker.window, Window::Time { .. }),
    };
    breaker.window = if by_time {
        Window::Time {
            bucket: Duration::from_secs(1),
            buckets: size,
        }
    } else {
        Window::Calls(size)
    };
    breaker.minimum_calls =
        settings.get_or(&at("minimum-number-of-calls"), breaker.minimum_calls)?;
    breaker.failure_rate = settings.get_or(&at("failure-rate-threshold"), breaker.failure_rate)?;
    breaker.slow_call =
        settings.duration_or(&at("slow-call-duration-threshold"), breaker.slow_call)?;
    breaker.slow_call_rate =
        settings.get_or(&at("slow-call-rate-threshold"), breaker.slow_call_rate)?;
    breaker.open_for =
        settings.duration_or(&at("wait-duration-in-open-state"), breaker.open_for)?;
    breaker.trials_within = settings.duration_or(
        &at("max-wait-duration-in-half-open-state"),
        breaker.trials_within,
    )?;
    let trials = at("permitted-number-of-calls-in-half-open-state");
    breaker.trial_calls = settings.get_or(&trials, breaker.trial_calls)?;
    Ok(())
}

//! Traces as the settings want them, under the names of Sleuth and of Boot 3: what is kept, which
//! headers are spoken, and where spans go.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;

use super::AppError;
use super::wiring::{Everywhere, wrong};
use crate::call::balance::{Balance, RoundRobin};
use crate::call::{Instance, Instances};
use crate::clock::Clock;
use crate::config::{SettingError, Settings};
use crate::report::{Destination, Encoding, Reporter, ReporterSettings};
use crate::trace::{Format, Propagation, Sampler};

/// Returns what new traces are kept by: a probability, or Sleuth's ten traces a second.
pub(super) fn sampler(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
) -> Result<Sampler, SettingError> {
    let names = [
        "spring.sleuth.sampler.probability",
        "management.tracing.sampling.probability",
    ];
    for name in names {
        if settings.text(name)?.is_some() {
            let probability = settings.get_or(name, 0.0)?;
            return Sampler::probability(probability).map_err(|error| wrong(name, &error));
        }
    }
    let rate = settings.get_or("spring.sleuth.sampler.rate", 10)?;
    Ok(Sampler::rate(rate, Arc::clone(clock)))
}

/// Returns which headers are written and read.
pub(super) fn propagation(settings: &Settings) -> Result<Propagation, SettingError> {
    let mut propagation = Propagation::default();
    let formats = |name: &str| -> Result<Option<Vec<Format>>, SettingError> {
        let words = settings.list(name)?;
        let read = |word: &String| match word.to_ascii_uppercase().replace('-', "_").as_str() {
            // Sleuth means the many by it when it writes, and reads both.
            "B3" if name.contains("sleuth") => Ok(Format::B3Multi),
            "B3" => Ok(Format::B3),
            "B3_MULTI" => Ok(Format::B3Multi),
            "W3C" => Ok(Format::W3c),
            _ => Err(wrong(name, &"neither B3, B3_MULTI nor W3C")),
        };
        let formats: Vec<Format> = words.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Some(formats).filter(|formats| !formats.is_empty()))
    };
    for name in [
        "spring.sleuth.propagation.type",
        "management.tracing.propagation.type",
        "management.tracing.propagation.produce",
    ] {
        if let Some(formats) = formats(name)? {
            propagation.produce = formats;
        }
    }
    if let Some(formats) = formats("management.tracing.propagation.consume")? {
        propagation.consume = formats;
    }
    for name in [
        "spring.sleuth.baggage.remote-fields",
        "management.tracing.baggage.remote-fields",
    ] {
        for field in settings.list(name)? {
            let field = field.parse().map_err(|error| wrong(name, &error))?;
            propagation.fields.push(field);
        }
    }
    Ok(propagation)
}

/// Returns where spans go.
pub(super) fn reporter(
    settings: &Settings,
    instances: Arc<Everywhere>,
) -> Result<Reporter, AppError> {
    for name in [
        "spring.zipkin.enabled",
        "spring.sleuth.enabled",
        "management.tracing.enabled",
    ] {
        if !settings.flag_or(name, true)? {
            return Ok(Reporter::none());
        }
    }
    let mut reporter = ReporterSettings::new(destination(settings, instances)?);
    let encoding = [
        "spring.zipkin.encoder",
        "management.zipkin.tracing.encoding",
    ];
    match first_of(settings, &encoding)?
        .map(|word| word.to_ascii_uppercase())
        .as_deref()
    {
        None | Some("JSON" | "JSON_V2") => {}
        Some("PROTO3") => reporter.encoding = Encoding::Proto3,
        Some(_) => return Err(wrong(encoding[0], &"neither JSON nor PROTO3").into()),
    }
    if !settings.flag_or("spring.zipkin.compression.enabled", true)? {
        reporter.gzip_from_bytes = None;
    }
    let seconds = settings.get_or("spring.zipkin.message-timeout", 1_u64)?;
    reporter.message_timeout = Duration::from_secs(seconds.max(1));
    reporter.queued_spans_max =
        settings.get_or("spring.zipkin.queued-max-spans", reporter.queued_spans_max)?;
    Ok(Reporter::start(reporter)?)
}

fn destination(
    settings: &Settings,
    instances: Arc<Everywhere>,
) -> Result<Destination, SettingError> {
    let endpoints = [
        "management.zipkin.tracing.endpoint",
        "management.tracing.export.zipkin.endpoint",
    ];
    let base = "spring.zipkin.base-url";
    let (name, text) = match first_of(settings, &endpoints)? {
        Some(endpoint) => (endpoints[0], endpoint),
        None => {
            let url = settings
                .text(base)?
                .unwrap_or("http://localhost:9411".into());
            (base, format!("{}/api/v2/spans", url.trim_end_matches('/')))
        }
    };
    let uri: Uri = text.parse().map_err(|error| wrong(name, &error))?;
    let Some(host) = uri.host() else {
        return Err(wrong(name, &"no address of a server"));
    };
    // Without a port the host is a service, as in Sleuth.
    let by_name = uri.port().is_none()
        && settings.flag_or("spring.zipkin.discovery-client-enabled", true)?
        && instances.found.is_some();
    if !by_name {
        return Ok(Destination::Fixed(uri));
    }
    let (service, path) = (host.to_owned(), uri.path().to_owned());
    let balance = RoundRobin::default();
    Ok(Destination::Found(Arc::new(move || {
        let found = instances.of(&service);
        let all: Vec<&Arc<Instance>> = found.iter().collect();
        let chosen = balance.choose(&all, Duration::ZERO)?;
        format!("{}{path}", all.get(chosen)?.origin()).parse().ok()
    })))
}

/// Returns the first of several settings that is set.
fn first_of(settings: &Settings, names: &[&str]) -> Result<Option<String>, SettingError> {
    for name in names {
        if let Some(text) = settings.text(name)? {
            return Ok(Some(text));
        }
    }
    Ok(None)
}

//! What clients of services count, in the text form that Prometheus reads. Clients of one service
//! have the same labels, and a series may be written only once: what they count is added up.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::breaker::{self, Breaker};
use super::bulkhead::Bulkhead;
use super::operation::{OUTCOMES, Operation};
use super::service::ServiceClient;
use crate::exposition::Exposition;
use crate::timing::Timing;

/// An operation and the service that it belongs to.
type Named<'a> = (&'a str, Arc<Operation>);

impl ServiceClient {
    /// Appends the metrics of all these clients; those of one service are added up.
    pub fn write_metrics<'a>(clients: &'a [Self], out: &mut Exposition) {
        let named = |client: &'a Self| {
            let operations = client.0.operations.all().into_iter();
            operations.map(|operation| (client.name(), operation))
        };
        let mut operations: Vec<Named<'_>> = clients.iter().flat_map(named).collect();
        operations.sort_by(|a, b| labels(a).cmp(&labels(b)));
        let same: Vec<&[Named<'_>]> = operations.chunk_by(|a, b| labels(a) == labels(b)).collect();
        write_timings(&same, out);
        write_counts(&same, out);
        let breakers: Vec<Breaker> = clients.iter().flat_map(Self::breakers).collect();
        breaker::write_metrics(breakers, out);
        let bulkheads: Vec<_> = clients
            .iter()
            .filter_map(|client| Some((client.name(), client.0.bulkhead.as_ref()?)))
            .collect();
        Bulkhead::write_metrics(bulkheads, out);
    }
}

fn labels<'a>((service, operation): &'a Named<'_>) -> [(&'static str, &'a str); 3] {
    [
        ("client_name", service),
        ("method", operation.method.as_str()),
        ("uri", operation.template),
    ]
}

fn write_timings(operations: &[&[Named<'_>]], out: &mut Exposition) {
    let name = "http_client_requests_seconds";
    out.family(name, "histogram", "Calls, with all their tries.");
    for same in operations {
        for (index, outcome) in OUTCOMES.iter().enumerate() {
            let sum = Timing::default();
            for (_, operation) in *same {
                sum.add(&operation.timings[index]);
            }
            if sum.count() > 0 {
                let labels = [&labels(&same[0])[..], &[("outcome", *outcome)]].concat();
                sum.write(name, &labels, out);
            }
        }
    }
}

fn write_counts(operations: &[&[Named<'_>]], out: &mut Exposition) {
    let mut count = |name: &str, help: &str, of: &dyn Fn(&Operation) -> u64| {
        out.family(name, "counter", help);
        for same in operations {
            let sum: u64 = same.iter().map(|(_, operation)| of(operation)).sum();
            out.sample(name, &labels(&same[0]), sum);
        }
    };
    count(
        "http_client_retries_total",
        "Tries beyond the first.",
        &|operation| operation.retries.load(Ordering::Relaxed),
    );
    count(
        "http_client_fallbacks_total",
        "Calls answered by their fallback.",
        &|operation| operation.fallbacks.load(Ordering::Relaxed),
    );
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::call::{CallSettings, FixedInstances};
    use crate::report::Reporter;
    use crate::trace::{Tracer, TracerSettings};

    fn client(service: &str, settings: CallSettings) -> ServiceClient {
        let tracer = Tracer::new(TracerSettings::new("test"), Reporter::none());
        let nowhere = Arc::new(FixedInstances::default());
        ServiceClient::builder(service, nowhere, tracer)
            .settings(settings)
            .build()
    }

    #[tokio::test]
    async fn clients_of_one_service_write_each_series_once() {
        let bare = CallSettings {
            breaker: None,
            ..CallSettings::default()
        };
        let clients = [
            client("a", CallSettings::default()),
            client("b", CallSettings::default()),
            client("a", CallSettings::default()),
            client("a", bare),
        ];
        for client in &clients {
            client.get("/x").text_or(|_| String::new()).await;
            client.post("/x").send().await.unwrap_err();
        }
        let mut out = Exposition::default();
        ServiceClient::write_metrics(&clients, &mut out);
        let text = out.into_text();
        let mut seen = BTreeSet::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (series, _) = line.rsplit_once(' ').unwrap();
            assert!(seen.insert(series), "{series} twice in {text}");
        }
        for line in [
            r#"http_client_requests_seconds_count{client_name="a",method="GET",uri="/x",outcome="UNKNOWN"} 3"#,
            r#"http_client_fallbacks_total{client_name="a",method="GET",uri="/x"} 3"#,
            r#"http_client_fallbacks_total{client_name="b",method="GET",uri="/x"} 1"#,
            r#"resilience4j_circuitbreaker_state{name="a#GET /x",state="closed"} 1"#,
            r#"resilience4j_circuitbreaker_calls_total{name="a#GET /x",kind="failed"} 2"#,
            r#"resilience4j_bulkhead_max_allowed_concurrent_calls{name="a"} 768"#,
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line} in {text}");
        }
    }
}

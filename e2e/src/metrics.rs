//! Counters as the server tells them: `/metrics` as Zipkin names them, `/prometheus` for the rest.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::server::Server;

/// Returns a counter or gauge of `/metrics`, for instance `counter.zipkin_collector.spans.http`.
pub fn zipkin(server: &Server, name: &str) -> Result<f64> {
    let answer = server.get("/metrics")?;
    ensure!(answer.status == 200, "/metrics answered {}", answer.status);
    let all: Value = serde_json::from_slice(&answer.body)?;
    all[name]
        .as_f64()
        .with_context(|| format!("no {name} in {all}"))
}

/// Returns the sum over all samples of a family of `/prometheus` whose labels contain `label`
/// (any when it is empty); 0 when there is none.
pub fn sum(server: &Server, family: &str, label: &str) -> Result<f64> {
    let answer = server.get("/prometheus")?;
    ensure!(
        answer.status == 200,
        "/prometheus answered {}",
        answer.status
    );
    sum_in(&answer.text(), family, label)
}

/// Like [`sum`], over a text that was fetched before.
pub fn sum_in(text: &str, family: &str, label: &str) -> Result<f64> {
    let mut total = 0.0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((sample, value)) = line.rsplit_once(' ') else {
            continue;
        };
        let (name, labels) = sample.split_once('{').unwrap_or((sample, ""));
        if name == family && labels.contains(label) {
            let value: f64 = value.parse().with_context(|| format!("value of {line}"))?;
            total += value;
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "small whole numbers")]
    fn samples_of_a_family_are_summed_by_label() {
        let text = "# TYPE a counter\na{x=\"1\",} 2.0\na{x=\"2\",} 3\nab 7\n";
        assert_eq!(sum_in(text, "a", "").unwrap(), 5.0);
        assert_eq!(sum_in(text, "a", "x=\"2\"").unwrap(), 3.0);
        assert_eq!(sum_in(text, "none", "").unwrap(), 0.0);
        assert!(sum_in("a x", "a", "").is_err());
    }
}

//! Requests that were answered, counted as Spring Boot does it: by method, route, status and
//! outcome. There are as many series as routes and statuses, and no more than a bound.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use parking_lot::RwLock;

use crate::exposition::Exposition;
use crate::timing::Timing;

/// Series; requests beyond share one.
const SERIES_MAX: usize = 1000;

/// Who is beyond the bound.
const OTHER: &str = "OTHER";

type Key = (&'static str, String, u16);

/// Counts requests.
#[derive(Debug, Default)]
pub struct Requests(RwLock<BTreeMap<Key, Arc<Timing>>>);

impl Requests {
    /// Counts one that took so long to answer. What has no route is filed by what became of it.
    pub fn record(&self, method: &Method, route: Option<&str>, status: StatusCode, took: Duration) {
        let uri = match route {
            Some(route) => route,
            None if status == StatusCode::NOT_FOUND => "NOT_FOUND",
            None if status.is_redirection() => "REDIRECTION",
            None => "UNKNOWN",
        };
        let key = (known(method), uri.to_owned(), status.as_u16());
        if let Some(timing) = self.0.read().get(&key) {
            return timing.record(took);
        }
        let mut series = self.0.write();
        let key = if series.len() < SERIES_MAX {
            key
        } else {
            (OTHER, OTHER.to_owned(), 0)
        };
        series.entry(key).or_default().record(took);
    }

    /// Appends the figures, under Micrometer's name.
    pub fn write_metrics(&self, out: &mut Exposition) {
        let name = "http_server_requests_seconds";
        out.family(name, "histogram", "Requests that were answered.");
        for ((method, uri, status), timing) in self.0.read().iter() {
            let outcome = match status / 100 {
                1 => "INFORMATIONAL",
                2 => "SUCCESS",
                3 => "REDIRECTION",
                4 => "CLIENT_ERROR",
                5 => "SERVER_ERROR",
                _ => "UNKNOWN",
            };
            let status = status.to_string();
            let labels = [
                ("method", *method),
                ("outcome", outcome),
                ("status", &status),
                ("uri", uri),
            ];
            timing.write(name, &labels, out);
        }
    }
}

/// Methods come from outside, and anyone may make up more.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_bounded_whatever_is_asked() {
        let requests = Requests::default();
        let odd = Method::from_bytes(b"BREW").unwrap();
        for index in 0..SERIES_MAX + 100 {
            let route = format!("/{index}");
            requests.record(&odd, Some(&route), StatusCode::OK, Duration::ZERO);
        }
        assert_eq!(requests.0.read().len(), SERIES_MAX + 1);
        let other = (OTHER, OTHER.to_owned(), 0);
        assert_eq!(requests.0.read()[&other].count(), 100);
    }

    #[test]
    fn what_has_no_route_is_filed_by_what_became_of_it() {
        let requests = Requests::default();
        for status in [404, 302, 500] {
            let status = StatusCode::from_u16(status).unwrap();
            requests.record(&Method::GET, None, status, Duration::from_millis(3));
        }
        let mut out = Exposition::default();
        requests.write_metrics(&mut out);
        let text = out.into_text();
        for line in [
            r#"_count{method="GET",outcome="CLIENT_ERROR",status="404",uri="NOT_FOUND"} 1"#,
            r#"_count{method="GET",outcome="REDIRECTION",status="302",uri="REDIRECTION"} 1"#,
            r#"_sum{method="GET",outcome="SERVER_ERROR",status="500",uri="UNKNOWN"} 0.003"#,
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}

//! How background work goes, for health and metrics: counters, and why it fails while it does. The
//! log hears when that begins and when it ends.

use speargun_storage::StoreError;

use super::Report;

/// What became of the passes since the start.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// Why the last pass failed, if it did.
    pub trouble: Option<String>,
    /// Passes that failed.
    pub failures: u64,
    /// Spans that were linked.
    pub spans_linked: u64,
    /// Chunks that were written.
    pub chunks: u64,
    /// Whether this process worked in its last pass.
    pub held: bool,
    /// Spans that waited to be linked when it did.
    pub spans_waiting: u64,
    /// How long the oldest of them had waited, in milliseconds.
    pub lag_ms: u64,
}

impl Told {
    /// Counts a pass.
    pub(super) fn add(&mut self, pass: &Result<Report, StoreError>) {
        match pass {
            Ok(report) => {
                self.spans_linked += report.spans_linked;
                self.chunks += u64::from(report.spans_linked > 0);
                self.held = report.held;
                self.spans_waiting = report.spans_waiting;
                self.lag_ms = report.lag_ms;
                if self.trouble.take().is_some() {
                    tracing::info!("background work in ClickHouse goes on");
                }
            }
            Err(error) => {
                self.failures += 1;
                if self.trouble.replace(error.to_string()).is_none() {
                    tracing::warn!(%error, "linking in ClickHouse failed and is tried again");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_lasts_until_a_pass_succeeds() {
        let mut told = Told::default();
        for why in ["away", "no rights"] {
            told.add(&Err(StoreError::Refused(why.into())));
        }
        let trouble = told.trouble.clone().unwrap();
        assert!(trouble.contains("no rights"), "{trouble}");
        let report = Report {
            held: true,
            spans_linked: 2,
            spans_waiting: 3,
            lag_ms: 4,
        };
        told.add(&Ok(report));
        told.add(&Ok(report));
        let expected = Told {
            trouble: None,
            failures: 2,
            spans_linked: 4,
            chunks: 2,
            held: true,
            spans_waiting: 3,
            lag_ms: 4,
        };
        assert_eq!(told, expected);
    }
}

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
    /// Days whose links were written.
    pub days_linked: u64,
    /// Span rows that were deleted.
    pub spans_deleted: u64,
}

impl Told {
    /// Counts a pass.
    pub(super) fn add(&mut self, pass: &Result<Report, StoreError>) {
        match pass {
            Ok(report) => {
                self.days_linked += report.days_linked;
                self.spans_deleted += report.spans_deleted;
                if self.trouble.take().is_some() {
                    tracing::info!("background work in MySQL goes on");
                }
            }
            Err(error) => {
                self.failures += 1;
                if self.trouble.replace(error.to_string()).is_none() {
                    tracing::warn!(%error, "background work in MySQL failed and is tried again");
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
            days_linked: 2,
            spans_deleted: 3,
            ..Report::default()
        };
        told.add(&Ok(report));
        told.add(&Ok(report));
        let expected = Told {
            trouble: None,
            failures: 2,
            days_linked: 4,
            spans_deleted: 6,
        };
        assert_eq!(told, expected);
    }
}

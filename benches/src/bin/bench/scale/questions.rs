//! What is asked of a full store, and which values make a search common, rare or in vain.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use speargun_benches::workload::Span;

/// An hour in the unit of spans.
pub(crate) const HOUR_US: u64 = 3_600_000_000;
/// The service that searches are about, and the tag.
const SERVICE: &str = "catalog";
const KEY: &str = "http.path";

/// A question; each is asked once of a server that was just started, and then again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Question {
    TraceCold,
    TraceAgain,
    CommonFirst,
    Common,
    RareFirst,
    Rare,
    AbsentFirst,
    Absent,
    AbsentEverywhereFirst,
    AbsentEverywhere,
    ServicesFirst,
    Services,
    NamesFirst,
    Names,
    DependenciesFirst,
    Dependencies,
}

impl Question {
    /// All, in the order of the table.
    pub(crate) const ALL: [Self; 16] = [
        Self::TraceCold,
        Self::TraceAgain,
        Self::CommonFirst,
        Self::Common,
        Self::RareFirst,
        Self::Rare,
        Self::AbsentFirst,
        Self::Absent,
        Self::AbsentEverywhereFirst,
        Self::AbsentEverywhere,
        Self::ServicesFirst,
        Self::Services,
        Self::NamesFirst,
        Self::Names,
        Self::DependenciesFirst,
        Self::Dependencies,
    ];

    /// Returns what tables call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::TraceCold => "trace by id, cold",
            Self::TraceAgain => "trace by id, again",
            Self::CommonFirst => "common value, last hour, cold",
            Self::Common => "common value, last hour",
            Self::RareFirst => "rare value, last hour, cold",
            Self::Rare => "rare value, last hour",
            Self::AbsentFirst => "absent value, last hour, cold",
            Self::Absent => "absent value, last hour",
            Self::AbsentEverywhereFirst => "absent value, 20 hours, cold",
            Self::AbsentEverywhere => "absent value, 20 hours",
            Self::ServicesFirst => "services, cold",
            Self::Services => "services",
            Self::NamesFirst => "span names, cold",
            Self::Names => "span names",
            Self::DependenciesFirst => "dependencies, 24 hours, cold",
            Self::Dependencies => "dependencies, 24 hours",
        }
    }

    /// Returns the same question asked the first time, when it is one that is asked again.
    pub(crate) const fn first(self) -> Option<Self> {
        match self {
            Self::Common => Some(Self::CommonFirst),
            Self::Rare => Some(Self::RareFirst),
            Self::Absent => Some(Self::AbsentFirst),
            Self::AbsentEverywhere => Some(Self::AbsentEverywhereFirst),
            Self::Services => Some(Self::ServicesFirst),
            Self::Names => Some(Self::NamesFirst),
            Self::Dependencies => Some(Self::DependenciesFirst),
            _ => None,
        }
    }

    /// Fails when an answer is not what the question has to find: a figure of a wrong answer means
    /// nothing.
    pub(crate) fn check(self, answer: &[u8]) -> Result<()> {
        let found: Value = serde_json::from_slice(answer).context("no JSON")?;
        let count = found.as_array().context("no list")?.len();
        let right = match self {
            Self::Common => count == 10,
            Self::Rare => (1..=10).contains(&count),
            Self::Absent | Self::AbsentEverywhere => count == 0,
            _ => count > 0,
        };
        ensure!(right, "{}: {count} came back", self.name());
        Ok(())
    }
}

/// What the last hour has, seen while the store is filled.
#[derive(Debug)]
pub(crate) struct LastHour {
    end_us: u64,
    values: HashMap<String, u32>,
}

impl LastHour {
    pub(crate) fn new(end_us: u64) -> Self {
        Self {
            end_us,
            values: HashMap::new(),
        }
    }

    /// Counts the values of the key in the service's spans. Few are in the hour, and what is
    /// counted is bounded by how many products and carts the workload has there.
    pub(crate) fn look(&mut self, span: &Span) {
        let inside = self.end_us - HOUR_US..self.end_us;
        if !inside.contains(&span.timestamp_us) || span.local.service_name != SERVICE {
            return;
        }
        for (_, value) in span.tags.iter().filter(|(key, _)| key == KEY) {
            *self.values.entry(value.to_string()).or_default() += 1;
        }
    }

    /// Returns what to ask the `number`th time: values that are not there differ each time, and
    /// ends of a day do.
    pub(crate) fn target(&self, question: Question, number: usize) -> String {
        let end_ms = self.end_us / 1000;
        let search = |value: &str, hours: u64| {
            let value = value.replace('/', "%2F");
            format!(
                "/api/v2/traces?serviceName={SERVICE}&annotationQuery={KEY}%3D{value}\
                 &endTs={end_ms}&lookback={}&limit=10",
                hours * HOUR_US / 1000
            )
        };
        let absent = format!("/nowhere/{number}");
        match question {
            Question::Common | Question::CommonFirst => search(self.common(), 1),
            Question::Rare | Question::RareFirst => search(self.rare(), 1),
            Question::Absent | Question::AbsentFirst => search(&absent, 1),
            Question::AbsentEverywhere | Question::AbsentEverywhereFirst => search(&absent, 20),
            Question::Services | Question::ServicesFirst => "/api/v2/services".into(),
            Question::Names | Question::NamesFirst => {
                format!("/api/v2/spans?serviceName={SERVICE}")
            }
            _ => {
                let end_ms = end_ms + number as u64;
                format!("/api/v2/dependencies?endTs={end_ms}&lookback=86400000")
            }
        }
    }

    fn common(&self) -> &str {
        let most = self
            .values
            .iter()
            .max_by_key(|(value, count)| (*count, *value));
        most.map_or("", |(value, _)| value)
    }

    /// The least, and of those the first by name: the same in each run.
    fn rare(&self) -> &str {
        let least = self
            .values
            .iter()
            .min_by_key(|(value, count)| (*count, *value));
        least.map_or("", |(value, _)| value)
    }
}

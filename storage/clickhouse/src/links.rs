//! Calls between services: from table `links`, which a process keeps in the background, or computed
//! from the spans of whole traces as they stream by. Either way a window is exact, whenever the
//! parts of a trace came.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use speargun_model::DependencyLink;
use speargun_storage::Window;

use crate::columns::minute;
use crate::fault::Fault;
use crate::fetch::whereabouts;
use crate::server::{Deadline, Server, query};

pub(crate) mod covered;
mod edges;
mod minutes;
pub(crate) mod place;
pub(crate) mod rows;

use covered::Books;
use rows::{Names, Service, calls, each_trace, statement};

/// A question for links.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) server: &'a Server,
    /// Traces with a span in it are linked.
    pub(crate) window: Window,
    /// The lower halves of the ids of traces that are not, sorted.
    pub(crate) without: &'a [u64],
    pub(crate) deadline: Deadline,
}

/// An answer, and where it is from.
#[derive(Debug)]
pub(crate) enum Answered {
    /// Mostly the table.
    Table(Vec<DependencyLink>),
    /// Spans alone.
    Spans(Vec<DependencyLink>),
}

impl<'a> Asked<'a> {
    fn books(&self) -> Books<'a> {
        Books {
            server: self.server,
            deadline: self.deadline,
        }
    }

    /// Returns the links, from the table if that may be used and knows them.
    pub(crate) fn links(mut self, from_table: bool) -> Result<Answered, Fault> {
        let last_ms = i64::MAX as u64 / 1000;
        if self.window.start_ms() > last_ms {
            return Ok(Answered::Spans(Vec::new()));
        }
        let start_ms = self.window.start_ms();
        self.window.end_ms = self.window.end_ms.min(last_ms);
        self.window.lookback_ms = self.window.end_ms - start_ms;
        if from_table && let Some(links) = edges::links(&self)? {
            return Ok(Answered::Table(links));
        }
        Ok(Answered::Spans(self.computed()?))
    }

    fn computed(&self) -> Result<Vec<DependencyLink>, Fault> {
        let picked = format!(
            "trace_low IN (SELECT trace_low FROM spans WHERE {})",
            inside(self.window)
        );
        let text = statement(&format!("{picked} AND {}", whereabouts(&picked)), "0");
        self.server.with_client(self.deadline, async |client| {
            let query = query(&client, &text, self.deadline)?;
            let mut names = Names::default();
            let mut sums: HashMap<(Service, Service), (u64, u64), RandomState> = HashMap::default();
            each_trace(query, &mut names, |names, trace| {
                if self.without.binary_search(&trace.low).is_ok() {
                    return;
                }
                for count in calls(names, &trace.pieces) {
                    let sum = sums.entry((count.parent, count.child)).or_default();
                    sum.0 += count.call_count;
                    sum.1 += count.error_count;
                }
            })
            .await?;
            let link = |((parent, child), (call_count, error_count))| DependencyLink {
                parent: names.text(parent).to_owned(),
                child: names.text(child).to_owned(),
                call_count,
                error_count,
            };
            let mut links: Vec<DependencyLink> = sums.into_iter().map(link).collect();
            links.sort_unstable();
            Ok(links)
        })
    }
}

/// Returns the first and the last microsecond of a window.
fn microseconds(window: Window) -> (u64, u64) {
    let end_us = window.end_ms.saturating_mul(1000).saturating_add(999);
    (window.start_ms().saturating_mul(1000), end_us)
}

/// Returns the condition that a span is in the window.
fn inside(window: Window) -> String {
    let (start_us, end_us) = microseconds(window);
    let (first, last) = (minute(start_us), minute(end_us));
    format!("minute BETWEEN {first} AND {last} AND timestamp_us BETWEEN {start_us} AND {end_us}")
}

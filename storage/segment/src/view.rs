//! What stands in front of a database asks of the store: portions to move, and which traces lie
//! here. Traces are read elsewhere.

use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use speargun_model::Span;
use speargun_storage::{
    Backlog, IdMode, Local, LocalView, Portion, ReadContext, ReadError, Recent, SpanReader, Window,
    WriteError,
};

use crate::error::SegmentError;
use crate::moving;
use crate::read::{View, fetch_raw, served};
use crate::scan::inside;
use crate::search::sources::SPREAD_MS;
use crate::segment::Segment;
use crate::store::SegmentStore;

/// Traces farther from a window that are named all the same, in case they complete one in it.
const FAR_MAX: usize = 256;

impl Local for SegmentStore {
    fn view(&self) -> Box<dyn LocalView> {
        Box::new(self.now())
    }

    fn backlog(&self) -> Backlog {
        self.shared.backlog()
    }

    fn seal(&self) -> Result<(), WriteError> {
        Self::seal(self)
    }

    fn next_portion(&self) -> Result<Option<Box<dyn Portion>>, ReadError> {
        match moving::oldest(&self.shared) {
            Ok(moving) => Ok(moving.map(|moving| Box::new(moving) as Box<dyn Portion>)),
            Err(error) => Err(ReadError::Unwritable(error.to_string())),
        }
    }

    fn wait(&self, patience: Duration) {
        self.shared.wait_for_segment(patience);
    }
}

impl LocalView for View {
    fn reader(&self) -> &dyn SpanReader {
        self
    }

    fn traces(&self, lows: &[u64], context: &ReadContext) -> Result<Vec<Vec<Span>>, ReadError> {
        let room = self.shared.config.answer_bytes;
        let of = (&*self.shared, &self.snapshot);
        let found = fetch_raw(of, (lows, IdMode::Lenient), room, context)?;
        Ok(found.into_values().collect())
    }

    fn recent(
        &self,
        window: Option<Window>,
        count_max: usize,
        context: &ReadContext,
    ) -> Result<Recent, ReadError> {
        let mut seen = Seen {
            window,
            traces: HashMap::default(),
            far: HashSet::default(),
        };
        let mut all = true;
        for head in self.snapshot.heads.iter().rev() {
            for view in head.views() {
                let record = view.record();
                seen.see(record.trace_id.low, record.timestamp_us);
            }
        }
        let mut segments: Vec<_> = self.snapshot.segments.iter().collect();
        segments.sort_by_key(|segment| std::cmp::Reverse(segment.facts.time_max_us));
        for segment in segments {
            if seen.traces.len() > count_max {
                all = false;
                break;
            }
            context.check()?;
            served(&self.shared, segment, || seen.see_segment(segment));
        }
        for &low in &seen.far {
            seen.traces.entry(low).or_default();
        }
        let traces = seen.traces.into_iter().map(|(low, newest)| (newest, low));
        let mut traces: Vec<(u64, u64)> = traces.collect();
        traces.sort_unstable_by(|a, b| b.cmp(a));
        all &= traces.len() <= count_max;
        traces.truncate(count_max);
        Ok(Recent { traces, all })
    }
}

/// The traces that may matter to a window.
struct Seen {
    window: Option<Window>,
    /// The newest millisecond inside the window by the lower half of the id.
    traces: HashMap<u64, u64>,
    /// Some of the others.
    far: HashSet<u64>,
}

impl Seen {
    fn see(&mut self, low: u64, time_us: u64) {
        if !self.matters(time_us) {
            if self.far.len() < FAR_MAX {
                self.far.insert(low);
            }
            return;
        }
        let is_inside = self.window.is_none_or(|window| inside(&window, time_us));
        let newest = self.traces.entry(low).or_default();
        if is_inside {
            *newest = (*newest).max(time_us / 1000);
        }
    }

    /// Returns the milliseconds within which spans may matter.
    fn reach_ms(&self) -> Option<(u64, u64)> {
        self.window.map(|window| {
            let from_ms = window.start_ms().saturating_sub(SPREAD_MS);
            (from_ms, window.end_ms.saturating_add(SPREAD_MS))
        })
    }

    fn matters(&self, time_us: u64) -> bool {
        let reach_ms = self.reach_ms();
        let within = |(from_ms, to_ms)| (from_ms..=to_ms).contains(&(time_us / 1000));
        time_us == 0 || reach_ms.is_none_or(within)
    }

    fn see_segment(&mut self, segment: &Segment) -> Result<(), SegmentError> {
        let (facts, directory) = (segment.facts, segment.directory()?);
        let overlaps = |(from_ms, to_ms): (u64, u64)| {
            facts.time_min_us / 1000 <= to_ms && facts.time_max_us / 1000 >= from_ms
        };
        let is_enough = facts.untimed == 0 && self.far.len() >= FAR_MAX;
        if is_enough && !self.reach_ms().is_none_or(overlaps) {
            return Ok(());
        }
        for (index, entry) in directory.pages.iter().enumerate() {
            let page = segment.page(index)?;
            let starts = page.trace_starts()?;
            let times = page.times(facts.time_min_us, &starts)?;
            let lows = segment.trace_lows(entry.first_trace, starts.len() - 1)?;
            for (bounds, low) in starts.windows(2).zip(lows) {
                let &[start, end] = bounds else { continue };
                for &time in times.get(start..end).unwrap_or_default() {
                    self.see(low, time);
                }
            }
        }
        Ok(())
    }
}

//! What of a trace came back, and as what. Spans of one trace may share an id, and a server may
//! merge what was reported of one apart: neither is a fault.

use std::collections::{BTreeMap, HashMap};

use super::sample::Wanted;
use crate::pool::Expected;

/// What is wrong with a trace.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Fault {
    pub(super) lost: u64,
    pub(super) changed: u64,
    pub(super) repeated: u64,
    /// Whether there was no answer at all.
    pub(super) silent: bool,
    pub(super) text: String,
}

impl Fault {
    /// All of the trace is lost.
    pub(super) fn lost(wanted: &Wanted, text: impl Into<String>) -> Self {
        Self {
            lost: wanted.count(),
            text: text.into(),
            ..Self::default()
        }
    }

    /// All of the trace is lost, for nobody answers.
    pub(super) fn silent(wanted: &Wanted, text: impl Into<String>) -> Self {
        Self {
            silent: true,
            ..Self::lost(wanted, text)
        }
    }
}

/// Compares what should be there, and how often at most, with what is.
pub(super) fn compare(wanted: &BTreeMap<Expected, u64>, there: Vec<Expected>) -> Option<Fault> {
    let mut by_id: HashMap<u64, Vec<Expected>> = HashMap::new();
    for span in there {
        by_id.entry(span.id).or_default().push(span);
    }
    let mut fault = Fault::default();
    let wanted: Vec<(&Expected, u64)> = wanted.iter().map(|(span, most)| (span, *most)).collect();
    for of_id in wanted.chunk_by(|a, b| a.0.id == b.0.id) {
        let id = of_id.first().map_or(0, |(span, _)| span.id);
        one_id(of_id, by_id.remove(&id).unwrap_or_default(), &mut fault);
    }
    if fault == Fault::default() {
        return None;
    }
    let Fault {
        lost,
        changed,
        repeated,
        ..
    } = fault;
    let all = wanted.len();
    fault.text = format!("{lost} of {all} spans lost, {changed} changed, {repeated} repeated");
    Some(fault)
}

/// Compares the spans that share an id.
fn one_id(wanted: &[(&Expected, u64)], mut there: Vec<Expected>, fault: &mut Fault) {
    let mut missing: Vec<Expected> = Vec::new();
    for (span, most) in wanted {
        let before = there.len();
        there.retain(|found| found != *span);
        let copies = (before - there.len()) as u64;
        fault.repeated += copies.saturating_sub(*most);
        if copies == 0 {
            missing.push(**span);
        }
    }
    if missing.is_empty() || there.iter().any(|found| found.merges(&missing)) {
        return;
    }
    for span in missing {
        // The half that it should be, if there is one.
        let half = there.iter().position(|found| found.shared == span.shared);
        if let Some(at) = half.or_else(|| (!there.is_empty()).then_some(0)) {
            there.remove(at);
            fault.changed += 1;
        } else {
            fault.lost += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(id: u64) -> Expected {
        Expected {
            id,
            timestamp_us: 1_760_000_000_000_000,
            duration_us: 5,
            tags: 1,
            name: 3,
            ..Expected::default()
        }
    }

    fn faults(wanted: &[Expected], there: &[Expected]) -> (u64, u64, u64) {
        let wanted = wanted.iter().map(|span| (*span, 1)).collect();
        let fault = compare(&wanted, there.to_vec()).unwrap_or_default();
        (fault.lost, fault.changed, fault.repeated)
    }

    #[test]
    fn spans_that_share_an_id_are_told_apart() {
        let server = Expected {
            shared: true,
            ..span(0xa)
        };
        let unmarked = Expected {
            kind: 2,
            tags: 9,
            ..span(0xa)
        };
        for other in [server, unmarked] {
            assert_eq!(faults(&[span(0xa), other], &[other, span(0xa)]), (0, 0, 0));
            assert_eq!(faults(&[span(0xa), other], &[span(0xa)]), (1, 0, 0));
            let changed = Expected { tags: 7, ..other };
            assert_eq!(
                faults(&[span(0xa), other], &[span(0xa), changed]),
                (0, 1, 0)
            );
        }
        assert_eq!(faults(&[span(1), span(2)], &[]), (2, 0, 0));
    }

    #[test]
    fn what_was_reported_apart_may_come_back_merged() {
        let start = Expected {
            duration_us: 0,
            remote: 0,
            ..span(1)
        };
        let rest = Expected {
            timestamp_us: 0,
            name: 0,
            tags: 40,
            remote: 8,
            ..span(1)
        };
        let merged = Expected {
            tags: 41,
            remote: 8,
            ..span(1)
        };
        assert_eq!(faults(&[start, rest], &[merged]), (0, 0, 0));
        assert_eq!(faults(&[start, rest], &[rest, start]), (0, 0, 0));
        let halved = Expected { tags: 1, ..merged };
        assert_eq!(faults(&[start, rest], &[halved]), (1, 1, 0));
        assert_eq!(faults(&[start, rest], &[start]), (1, 0, 0));
    }

    #[test]
    fn copies_beyond_what_was_sent_are_repeated() {
        assert_eq!(faults(&[span(1)], &[span(1), span(1)]), (0, 0, 1));
        let twice = BTreeMap::from([(span(1), 2)]);
        assert_eq!(compare(&twice, vec![span(1), span(1)]), None);
        // Others may have been sent to the same trace, in bodies without an answer.
        assert_eq!(faults(&[span(1)], &[span(1), span(2)]), (0, 0, 0));
    }
}

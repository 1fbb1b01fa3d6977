//! Whether targets were met, in words. It measures nothing.

use std::time::Duration;

use crate::options::CheckOptions;
use crate::queries::Answered;
use crate::report::table::time;
use crate::report::{Report, StepReport, ratio};

/// A harness that takes more of the machine leaves too little for itself.
const OWN_SHARE: f64 = 0.6;

/// Returns what a step missed.
pub fn step(step: &StepReport, targets: &CheckOptions) -> Vec<String> {
    let mut missed = Vec::new();
    for (name, at, target) in [("p99", 99.0, targets.p99), ("p99.9", 99.9, targets.p999)] {
        let us = step.latency_at(at);
        if let Some(target) = target
            && Duration::from_micros(us) > target
        {
            missed.push(format!("{name} is {}, not {target:?}", time(us)));
        }
    }
    let (not_accepted, bodies) = (step.not_accepted(), step.bodies());
    #[expect(clippy::cast_precision_loss, reason = "a share, for a comparison")]
    let share = not_accepted as f64 * 100.0 / bodies.max(1) as f64;
    if share > targets.refused_max {
        missed.push(format!(
            "{not_accepted} of {bodies} bodies were not accepted: {} refused, {} failed, {} unsent",
            step.refused, step.failed, step.unsent
        ));
    }
    if bodies == 0 {
        missed.push("nothing was sent".into());
    }
    missed
}

/// What was asked of a run.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Asked {
    /// A search is expected to miss targets in some of its steps.
    pub searched: bool,
    /// Whether traces were to be read back.
    pub reads_back: bool,
    /// Queries that may fail, of a hundred.
    pub refused_max: f64,
}

/// Returns whether the server's counters say something of the run.
pub fn has_ledger(report: &Report) -> bool {
    let ledger = report.ledger.as_ref();
    ledger.is_some_and(|ledger| ledger.not_comparable.is_none())
}

/// Returns what a run missed.
pub fn run(report: &Report, asked: Asked) -> Vec<String> {
    let mut missed = Vec::new();
    if asked.searched {
        if report.highest_rate.is_none() {
            missed.push("no rate met the targets".into());
        }
    } else {
        for step in &report.steps {
            let rate = step
                .asked
                .map_or(String::new(), |rate| format!("at {rate} spans/s: "));
            missed.extend(step.missed.iter().map(|text| format!("{rate}{text}")));
        }
    }
    if report.steps.is_empty() {
        missed.push("nothing was measured".into());
    }
    let sum = |of: fn(&Answered) -> u64| report.queries.iter().map(of).sum::<u64>();
    let (answered, failed) = (sum(|it| it.answered), sum(|it| it.failed));
    if ratio(failed * 100, answered + failed) > asked.refused_max {
        let all = answered + failed;
        missed.push(format!("{failed} of {all} queries were not answered"));
    }
    let found = &report.read_back;
    if !found.is_whole() {
        missed.push(format!(
            "{} of {} accepted spans that were read back are lost, {} changed, {} repeated",
            found.lost_spans, found.spans, found.changed_spans, found.repeated_spans
        ));
    }
    let accepted: u64 = report.steps.iter().map(|step| step.accepted_spans).sum();
    if asked.reads_back && accepted > 0 && found.traces == 0 && !has_ledger(report) {
        missed.push(format!(
            "of {accepted} accepted spans nothing could be checked: none is known to be there"
        ));
    }
    if let Some(ledger) = &report.ledger
        && ledger.missing() > 0
    {
        let missing = ledger.missing();
        missed.push(format!("{missing} accepted spans are not in the counters"));
    }
    missed
}

/// Returns whether the harness used so much of this machine in a step that what was missed in it
/// may be its own fault.
pub fn is_own_limit(step: &StepReport, cores: u64) -> bool {
    let all_us = step.wall_ms * 1000 * cores;
    !step.missed.is_empty() && ratio(step.harness_cpu_us, all_us) > OWN_SHARE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_harness_that_takes_the_whole_machine_may_be_the_limit() {
        let mut step = StepReport {
            wall_ms: 1000,
            harness_cpu_us: 1_400_000,
            missed: vec!["p99".into()],
            ..StepReport::default()
        };
        assert!(is_own_limit(&step, 2) && !is_own_limit(&step, 4));
        step.missed.clear();
        assert!(!is_own_limit(&step, 2));
    }

    fn targets() -> CheckOptions {
        CheckOptions {
            p99: Some(Duration::from_millis(50)),
            p999: None,
            refused_max: 1.0,
            read_back: 0,
            settle: Duration::ZERO,
            queries: 0.0,
            pid: None,
            data: None,
        }
    }

    #[test]
    fn targets_are_met_up_to_their_bound() {
        let mut good = StepReport {
            accepted: 99,
            refused: 1,
            latency_us: vec![(99.0, 50_000)],
            ..StepReport::default()
        };
        assert_eq!(step(&good, &targets()), Vec::<String>::new());
        good.failed = 1;
        assert_eq!(step(&good, &targets()).len(), 1);
        good.latency_us = vec![(99.0, 50_001)];
        assert_eq!(step(&good, &targets()).len(), 2);
        assert_eq!(step(&StepReport::default(), &targets()).len(), 1);
    }
}

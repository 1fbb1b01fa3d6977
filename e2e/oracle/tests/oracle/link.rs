//! Traces: the same links between services, counted alike and in the same order.

use speargun_model::codec::answer::encode_links;
use speargun_model::link::link_traces;
use speargun_model::{Span, TraceId};
use speargun_oracle::{Format, Oracle, Verdict, shrink};

use crate::chance::{self, Pick};
use crate::{decode, spans};

const TRACES: usize = 10_000;
/// Failures shown of one run.
const SHOWN_MAX: usize = 8;

#[test]
fn random_traces_are_linked_alike() {
    let mut pick = chance::seeded("random_traces");
    let mut oracle = Oracle::shared().unwrap();
    let (mut linked, mut failures) = (0, Vec::new());
    for case in 0..TRACES {
        let trace = trace(&mut pick);
        let (theirs, ours) = links(&mut oracle, std::slice::from_ref(&trace));
        if theirs == ours {
            linked += usize::from(ours != "[]");
            continue;
        }
        let trace = shrink::items(trace, |trace| {
            let (theirs, ours) = links(&mut oracle, &[trace.to_vec()]);
            theirs != ours
        });
        failures.push(shown(&mut oracle, case, &trace));
        if failures.len() >= SHOWN_MAX {
            break;
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(linked > TRACES / 2, "{linked} traces have links");
}

#[test]
fn links_of_many_traces_are_summed_alike() {
    let mut pick = chance::seeded("many_traces");
    let mut oracle = Oracle::shared().unwrap();
    for _ in 0..50 {
        let traces: Vec<Vec<Span>> = (0..40).map(|_| trace(&mut pick)).collect();
        let (theirs, ours) = links(&mut oracle, &traces);
        assert_eq!(theirs, ours);
    }
}

fn trace(pick: &mut Pick) -> Vec<Span> {
    let ids = 2 + pick.below(9);
    let trace_id = TraceId { high: 0, low: 1 };
    (0..=pick.below(14))
        .map(|_| spans::span(pick, trace_id, ids))
        .collect()
}

/// Returns their links and ours.
fn links(oracle: &mut Oracle, traces: &[Vec<Span>]) -> (String, String) {
    let messages: Vec<Vec<u8>> = traces.iter().map(|trace| spans::message(trace)).collect();
    let theirs = match oracle.link(&messages).unwrap() {
        Verdict::Taken(json) => String::from_utf8(json).unwrap(),
        other => panic!("{other:?}"),
    };
    let read = |message: &Vec<u8>| decode::spans(Format::JsonV2, message).unwrap();
    let traces: Vec<Vec<Span>> = messages.iter().map(read).collect();
    let mut ours = Vec::new();
    encode_links(&link_traces(&traces), &mut ours);
    (theirs, String::from_utf8(ours).unwrap())
}

fn shown(oracle: &mut Oracle, case: usize, trace: &[Span]) -> String {
    let (theirs, ours) = links(oracle, &[trace.to_vec()]);
    let lines = trace
        .iter()
        .map(|span| spans::message(std::slice::from_ref(span)));
    let lines: Vec<String> = lines
        .map(|line| format!("  {}", String::from_utf8_lossy(&line)))
        .collect();
    format!(
        "trace {case}:\n{}\n  zipkin {theirs}\n  ours   {ours}",
        lines.join("\n")
    )
}

//! The report for a terminal: a line a second while it runs, a table at the end. What is lost is
//! red where colours are shown.

use std::fmt::Write;

use super::{Report, StepReport, columns, ratio};
use crate::meter::Second;

/// Appends formatted text. Writing to memory can't fail.
macro_rules! put {
    ($out:expr, $($text:tt)*) => {
        writeln!($out, $($text)*).unwrap_or(())
    };
}

/// Returns the line of a second.
pub fn progress(second: &Second) -> String {
    format!(
        "{:>5} s {:>11} spans/s   p50 {:>9}   p99 {:>9}   refused {}   failed {}",
        second.at_ms / 1000,
        grouped(rounded(ratio(second.spans * 1000, second.length_ms))),
        time(second.p50_us),
        time(second.p99_us),
        second.refused,
        second.failed
    )
}

/// Returns the report; `red` surrounds what is wrong.
pub fn text(report: &Report, coloured: bool) -> String {
    let red = |text: &str| {
        if coloured {
            format!("\x1b[31m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    };
    let mut out = String::new();
    let setting = &report.setting;
    put!(
        out,
        "{}: {}, {}, batches of {} ({:.1} on average), {} connections, seed {}",
        report.target,
        setting.pace,
        setting.format,
        setting.batch,
        setting.spans_per_body,
        setting.connections,
        setting.seed
    );
    put!(out, "{}\n", setting.workload);
    steps(&mut out, &report.steps);
    if let Some(rate) = report.highest_rate {
        let rate = grouped(rounded(rate));
        put!(out, "highest rate that met the targets: {rate} spans/s");
    }
    truth(&mut out, report, &red);
    cost(&mut out, report);
    queries(&mut out, report);
    for reason in report.steps.iter().flat_map(|step| &step.reasons) {
        put!(out, "{} times: {}", grouped(*reason.1), reason.0);
    }
    if report.repeated_bodies > 0 {
        put!(
            out,
            "{} bodies were sent again as they were: packed bodies can't be made new",
            grouped(report.repeated_bodies)
        );
    }
    for note in &report.notes {
        put!(out, "note: {note}");
    }
    if report.missed.is_empty() {
        put!(out, "all targets met");
    } else {
        for missed in &report.missed {
            put!(out, "{}", red(&format!("missed: {missed}")));
        }
    }
    out
}

const STEP_WIDTHS: [usize; columns::STEP.len()] = [12, 12, 9, 9, 9, 9, 9, 9, 9, 8, 8];
const QUERY_WIDTHS: [usize; columns::QUERY.len() - 1] = [9, 7, 9, 9, 9];

/// Appends cells, each as wide as it is to be.
fn row(out: &mut String, cells: &[impl AsRef<str>], widths: &[usize]) {
    let padded = cells.iter().zip(widths);
    let padded: Vec<String> = padded
        .map(|(cell, width)| format!("{:>width$}", cell.as_ref()))
        .collect();
    out.push_str(&padded.join(" "));
}

fn steps(out: &mut String, steps: &[StepReport]) {
    row(out, &columns::STEP, &STEP_WIDTHS);
    out.push('\n');
    for step in steps {
        row(out, &columns::of_step(step), &STEP_WIDTHS);
        let missed = !step.missed.is_empty();
        out.push_str(if missed { "  missed\n" } else { "\n" });
    }
    out.push('\n');
}

fn truth(out: &mut String, report: &Report, red: &dyn Fn(&str) -> String) {
    let found = &report.read_back;
    let text = format!(
        "read back: {} traces, {} spans; {} lost, {} changed, {} repeated",
        grouped(found.traces),
        grouped(found.spans),
        grouped(found.lost_spans),
        grouped(found.changed_spans),
        grouped(found.repeated_spans),
    );
    if found.traces == 0 {
        put!(out, "read back: nothing");
    } else if found.is_whole() {
        put!(out, "{text}; whole after {} ms", found.took_ms);
    } else {
        let text = format!("{text}; not whole after {} ms", found.took_ms);
        put!(out, "{}", red(&text));
        for example in &found.examples {
            put!(out, "{}", red(&format!("  {example}")));
        }
    }
    match &report.ledger {
        None => put!(out, "ledger: the server has no counters that are known"),
        Some(ledger) if ledger.not_comparable.is_some() => {}
        Some(ledger) => {
            let word = if ledger.counts_stored {
                "stored"
            } else {
                "received and not dropped"
            };
            let text = format!(
                "ledger: {} accepted, {} {word}",
                grouped(ledger.accepted),
                grouped(ledger.kept)
            );
            if ledger.missing() == 0 {
                put!(out, "{text}");
            } else {
                let missing = grouped(ledger.missing());
                put!(out, "{}", red(&format!("{text}: {missing} missing")));
            }
        }
    }
}

fn cost(out: &mut String, report: &Report) {
    if let Some(cost) = &report.cost {
        put!(
            out,
            "server (process {}): {:.3} us CPU a span, {} MiB resident, {} MiB at most",
            cost.pid,
            cost.cpu_us_per_span,
            cost.resident_bytes >> 20,
            cost.peak_bytes >> 20
        );
    }
    if let Some(bytes) = report.disk_bytes {
        put!(out, "disk: {} KiB more", grouped(bytes >> 10));
    }
    let sum = |one: fn(&StepReport) -> u64| report.steps.iter().map(one).sum::<u64>();
    put!(
        out,
        "harness: {:.3} us CPU a span",
        ratio(
            sum(|step| step.harness_cpu_us),
            sum(|step| step.accepted_spans)
        )
    );
}

fn queries(out: &mut String, report: &Report) {
    if report.queries.is_empty() {
        return;
    }
    out.push('\n');
    let [title, titles @ ..] = columns::QUERY;
    write!(out, "{title:<20} ").unwrap_or(());
    row(out, &titles, &QUERY_WIDTHS);
    out.push('\n');
    for query in &report.queries {
        let [name, cells @ ..] = columns::of_query(query);
        write!(out, "{name:<20} ").unwrap_or(());
        row(out, &cells, &QUERY_WIDTHS);
        out.push('\n');
    }
    out.push('\n');
}

/// Returns microseconds in the unit that fits.
#[expect(clippy::cast_precision_loss, reason = "for showing")]
pub fn time(us: u64) -> String {
    match us {
        0..1000 => format!("{us} us"),
        1000..1_000_000 => format!("{:.2} ms", us as f64 / 1e3),
        _ => format!("{:.2} s", us as f64 / 1e6),
    }
}

/// Returns a number with its digits in groups of three.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Returns the nearest whole number; negative ones are 0.
#[expect(clippy::cast_sign_loss, reason = "the cast saturates")]
pub fn rounded(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_easy_to_read() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(time(999), "999 us");
        assert_eq!(time(1500), "1.50 ms");
        assert_eq!(time(61_000_000), "61.00 s");
        assert_eq!(rounded(-3.0), 0);
    }
}

//! The report for a browser: one file without scripts or anything from elsewhere, with plots. It
//! fits one printed page, if need be without the last of many rates.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::plot::{self, Axis, Colour, Line, Plot, Scale, escaped};
use super::table::{grouped, rounded, time};
use super::{Report, StepReport, columns, ratio};
use crate::meter::Second;

const STYLE: &str = "\
body{font:13px/1.4 system-ui,sans-serif;color:#1b1f24;background:#fff;max-width:900px;\
margin:1.5em auto;padding:0 1em}\
h1{font-size:1.3em;margin:0}h2{font-size:1em;margin:.9em 0 .2em}p{margin:.2em 0}\
table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
th,td{padding:.1em .7em;text-align:right;border-bottom:1px solid #d8dee4}\
th:first-child,td:first-child{text-align:left}\
.plots{display:flex;flex-wrap:wrap;gap:.3em 1.5em;margin-top:.9em}figure{margin:0}\
figcaption span{font-weight:normal;margin-left:.4em}\
figcaption{font-weight:600;white-space:nowrap}\
.bad{color:#b00020;font-weight:600}.good{color:#116329;font-weight:600}\
svg text{font-size:9px;fill:#57606a}svg .axis{stroke:#8c959f;stroke-width:1}\
svg path{fill:none;stroke-width:1.3}\
.printed{display:none}@page{size:A4;margin:10mm}@media print{\
body{margin:0;padding:0;max-width:none;font-size:9px;line-height:1.25}h2{margin:.5em 0 .1em}\
th,td{padding:0 .6em}.printed{display:block}.plots{gap:0 1%}figure{width:32%}\
svg{width:100%;height:auto}\
.missed p:nth-child(n+6),.steps tr:nth-child(n+38){display:none}}";
/// What paper has room for, as the last line of the style says: targets missed, and rates below
/// their titles.
const PRINTED: [usize; 2] = [5, 36];

/// So many ways to fail are shown.
const REASONS_MAX: usize = 5;

/// Appends formatted text. Writing to memory can't fail.
macro_rules! put {
    ($out:expr, $($text:tt)*) => {
        write!($out, $($text)*).unwrap_or(())
    };
}

/// Returns the page.
pub fn text(report: &Report) -> String {
    let mut out = String::from("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    put!(
        out,
        "<title>Load of {0}</title><style>{STYLE}</style></head>\n<body><h1>Load of {0}</h1>",
        escaped(&report.target)
    );
    let setting = &report.setting;
    put!(
        out,
        "<p>{}, {}, batches of {} ({:.1} on average), {} connections, seed {}; {}</p>\n",
        escaped(&setting.pace),
        escaped(&setting.format),
        setting.batch,
        setting.spans_per_body,
        setting.connections,
        setting.seed,
        escaped(&setting.workload)
    );
    verdict(&mut out, report);
    steps(&mut out, report);
    truth(&mut out, report);
    queries(&mut out, report);
    out.push_str("<div class=\"plots\">\n");
    for plot in plots(report) {
        plot::figure(&mut out, &plot);
    }
    out.push_str("</div></body></html>\n");
    out
}

fn verdict(out: &mut String, report: &Report) {
    if report.missed.is_empty() {
        out.push_str("<p class=\"good\">All targets met.</p>\n");
    }
    out.push_str("<div class=\"missed\">");
    for missed in &report.missed {
        put!(out, "<p class=\"bad\">Missed: {}</p>\n", escaped(missed));
    }
    out.push_str("</div>\n");
    for note in &report.notes {
        put!(out, "<p>Note: {}</p>\n", escaped(note));
    }
    if let Some(rate) = report.highest_rate {
        let rate = grouped(rounded(rate));
        put!(
            out,
            "<p>Highest rate that met the targets: <b>{rate}</b> spans/s</p>\n"
        );
    }
}

fn row(out: &mut String, tag: &str, cells: &[String]) {
    out.push_str("<tr>");
    for cell in cells {
        put!(out, "<{tag}>{}</{tag}>", escaped(cell));
    }
    out.push_str("</tr>\n");
}

fn steps(out: &mut String, report: &Report) {
    out.push_str("<h2>Rates and latencies</h2><table class=\"steps\">\n");
    row(out, "th", &columns::STEP.map(str::to_owned));
    for step in &report.steps {
        row(out, "td", &columns::of_step(step));
    }
    out.push_str("</table>\n");
    for ((what, all), max) in [
        ("targets missed", report.missed.len()),
        ("rates", report.steps.len()),
    ]
    .into_iter()
    .zip(PRINTED)
    {
        if all > max {
            put!(
                out,
                "<p class=\"printed\">On paper only the first {max} of {all} {what}.</p>\n"
            );
        }
    }
}

fn truth(out: &mut String, report: &Report) {
    let found = &report.read_back;
    // Nothing is neither good nor bad; where something was to be read it is a target missed.
    let class = match found.traces {
        0 => "",
        _ if found.is_whole() => "good",
        _ => "bad",
    };
    put!(
        out,
        "<h2>Is there what was accepted?</h2><p class=\"{class}\">{} traces with {} spans read \
         back: {} lost, {} changed, {} repeated</p>\n",
        grouped(found.traces),
        grouped(found.spans),
        grouped(found.lost_spans),
        grouped(found.changed_spans),
        grouped(found.repeated_spans)
    );
    if let Some(ledger) = &report.ledger
        && ledger.not_comparable.is_none()
    {
        let class = if ledger.missing() == 0 { "good" } else { "bad" };
        put!(
            out,
            "<p class=\"{class}\">{} spans accepted, {} kept by the server's own count</p>\n",
            grouped(ledger.accepted),
            grouped(ledger.kept)
        );
    }
    if let Some(cost) = &report.cost {
        put!(
            out,
            "<p>Server: {:.3} us of CPU a span, {} MiB resident, {} MiB at most</p>\n",
            cost.cpu_us_per_span,
            cost.resident_bytes >> 20,
            cost.peak_bytes >> 20
        );
    }
    let sum = |one: fn(&StepReport) -> u64| report.steps.iter().map(one).sum::<u64>();
    put!(
        out,
        "<p>Harness: {:.3} us of CPU a span",
        ratio(sum(|it| it.harness_cpu_us), sum(|it| it.accepted_spans))
    );
    if let Some(bytes) = report.disk_bytes {
        put!(out, "; disk: {} KiB more", grouped(bytes >> 10));
    }
    if report.repeated_bodies > 0 {
        let bodies = grouped(report.repeated_bodies);
        put!(out, "; {bodies} bodies were sent again as they were");
    }
    out.push_str("</p>\n");
    reasons(out, report);
}

/// How bodies were refused or failed, the most frequent ways of all rates.
fn reasons(out: &mut String, report: &Report) {
    let mut all: BTreeMap<&str, u64> = BTreeMap::new();
    for (reason, count) in report.steps.iter().flat_map(|step| &step.reasons) {
        *all.entry(reason).or_default() += count;
    }
    let mut all: Vec<(&str, u64)> = all.into_iter().collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (reason, count) in all.into_iter().take(REASONS_MAX) {
        put!(
            out,
            "<p>{} times: {}</p>\n",
            grouped(count),
            escaped(reason)
        );
    }
}

fn queries(out: &mut String, report: &Report) {
    if report.queries.is_empty() {
        return;
    }
    out.push_str("<h2>Queries</h2><table>\n");
    row(out, "th", &columns::QUERY.map(str::to_owned));
    for query in &report.queries {
        row(out, "td", &columns::of_query(query));
    }
    out.push_str("</table>\n");
}

/// All seconds of all steps, one after the other.
fn plots(report: &Report) -> Vec<Plot<'static>> {
    let mut start_ms = 0;
    let mut seconds: Vec<(f64, &Second)> = Vec::new();
    for step in &report.steps {
        for second in &step.seconds {
            seconds.push((ratio(start_ms + second.at_ms, 1000), second));
        }
        let last = step.seconds.last().map_or(0, |second| second.at_ms);
        start_ms += step.wall_ms.max(last);
    }
    let line = |name, colour, of: fn(&Second) -> f64| Line {
        name,
        colour,
        points: seconds.iter().map(|(at, it)| (*at, of(it))).collect(),
    };
    let over_time = |title, show_y, lines| Plot {
        title,
        x: axis(|at| format!("{at:.0} s")),
        y: axis(show_y),
        lines,
    };
    vec![
        over_time(
            "Latency",
            |us| time(rounded(us)),
            vec![
                line("max", Colour::Red, |it| ratio(it.max_us, 1)),
                line("p99", Colour::Amber, |it| ratio(it.p99_us, 1)),
                line("p50", Colour::Blue, |it| ratio(it.p50_us, 1)),
            ],
        ),
        spectrum(&report.steps),
        over_time(
            "Spans a second",
            |rate| grouped(rounded(rate)),
            vec![line("accepted", Colour::Blue, |it| {
                ratio(it.spans * 1000, it.length_ms)
            })],
        ),
        over_time(
            "CPU, cores",
            |cores| format!("{cores:.2}"),
            vec![
                line("server", Colour::Blue, |it| {
                    ratio(it.server_cpu_us, it.length_ms * 1000)
                }),
                line("harness", Colour::Grey, |it| {
                    ratio(it.harness_cpu_us, it.length_ms * 1000)
                }),
            ],
        ),
        over_time(
            "Memory of the server",
            |bytes| format!("{:.0} MiB", bytes / 1_048_576.0),
            vec![line("resident", Colour::Blue, |it| {
                ratio(it.server_resident_bytes, 1)
            })],
        ),
    ]
}

/// An axis whose unit its marks tell.
fn axis(show: fn(f64) -> String) -> Axis<'static> {
    Axis {
        name: "",
        scale: Scale::FromZero,
        show,
        marks: Vec::new(),
    }
}

/// Latency by how rare it is: each mark of the axis is ten times rarer.
fn spectrum(steps: &[StepReport]) -> Plot<'static> {
    let points = |step: &StepReport| {
        let rare = step.latency_us.iter().filter(|(at, _)| *at < 100.0);
        rare.map(|(at, us)| (-(1.0 - at / 100.0).log10(), ratio(*us, 1)))
            .collect()
    };
    Plot {
        title: "Latency by percentile, last step",
        x: Axis {
            marks: vec![1.0, 2.0, 3.0, 4.0],
            ..axis(|nines| format!("p{}", round_off(100.0 - 100.0 / 10_f64.powf(nines))))
        },
        y: axis(|us| time(rounded(us))),
        lines: vec![Line {
            name: "latency",
            colour: Colour::Blue,
            points: steps.last().map(points).unwrap_or_default(),
        }],
    }
}

/// Returns a percentile without a tail of zeros.
fn round_off(per_cent: f64) -> String {
    let text = format!("{per_cent:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_lose_their_zeros() {
        assert_eq!(round_off(99.900), "99.9");
        assert_eq!(round_off(0.0), "0");
        assert_eq!(round_off(99.999), "99.999");
    }
}

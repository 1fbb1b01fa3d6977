//! The command line of `speargun load`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::workload::TRACE_SPANS_MAX;

/// Load a Zipkin-compatible server, and check that what it accepted is there.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Options {
    /// What to do instead of loading.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The server: `http://host:port`, `https://host:port`, or a part of it.
    #[arg(long, default_value = "http://127.0.0.1:9411")]
    pub target: String,
    /// With https: believe certificates of the authorities in this file (PEM) instead of the
    /// system's.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub ca: Option<PathBuf>,
    /// With https: believe any certificate.
    #[arg(long)]
    pub insecure: bool,
    /// Load a server that is neither on this machine nor in a private network.
    #[arg(long)]
    pub yes_i_own_this_target: bool,
    /// How fast, how long, over how many connections.
    #[command(flatten)]
    pub pace: PaceOptions,
    /// What is sent.
    #[command(flatten)]
    pub body: BodyOptions,
    /// What is asked and checked beside it.
    #[command(flatten)]
    pub check: CheckOptions,
    /// Where the report goes.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// What else the command does.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Compare two reports written with --json.
    Compare {
        /// The report to compare with.
        base: PathBuf,
        /// The report to compare.
        other: PathBuf,
    },
}

/// How fast, how long, over how many connections.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a word of the command line"
)]
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Pace")]
pub struct PaceOptions {
    /// Spans a second: 20000, 20k, 1.5M.
    #[arg(long, default_value = "10k", value_parser = rate)]
    pub rate: f64,
    /// Rates to hold one after the other, each for --duration: 10k,20k,40k.
    #[arg(long, value_delimiter = ',', value_parser = rate)]
    #[arg(conflicts_with_all = ["ramp", "find", "closed"])]
    pub steps: Vec<f64>,
    /// Raise the rate evenly from 0 to --rate over --duration.
    #[arg(long, conflicts_with_all = ["find", "closed"])]
    pub ramp: bool,
    /// Find the highest rate that meets the targets, beginning with --rate; each try lasts
    /// --duration.
    #[arg(long, conflicts_with = "closed")]
    pub find: bool,
    /// Closed loop: each connection sends as soon as it was answered, as fast as the server takes
    /// it. Latencies of a closed loop flatter a server that stalls.
    #[arg(long)]
    pub closed: bool,
    /// How long: 30s, 2m, 500ms.
    #[arg(long, default_value = "30s", value_parser = some_time)]
    pub duration: Duration,
    /// How long to load before it counts.
    #[arg(long, default_value = "0s", value_parser = duration)]
    pub warmup: Duration,
    /// How many connections, a thread each.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub connections: u16,
    /// How long an answer may take, and how long unsent requests are still sent after the end.
    #[arg(long, default_value = "10s", value_parser = some_time)]
    pub timeout: Duration,
    /// Go on at once after a refusal, whatever Retry-After says.
    #[arg(long)]
    pub ignore_retry_after: bool,
}

/// How bodies travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum FormatName {
    /// JSON v2 over HTTP.
    Json,
    /// proto3 over HTTP.
    Proto,
    /// JSON v1 over HTTP.
    JsonV1,
    /// proto3 over gRPC.
    Grpc,
}

/// What is sent.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Spans")]
pub struct BodyOptions {
    /// How spans are written and travel.
    #[arg(long, value_enum, default_value_t = FormatName::Json)]
    pub format: FormatName,
    /// Compress bodies.
    #[arg(long)]
    pub gzip: bool,
    /// Spans in a body at most.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub batch: u32,
    /// The same seed makes the same spans.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Spans made before the run; later ones are the same with other ids and times.
    #[arg(long, default_value_t = 100_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub pool: u32,
    /// Send recorded spans from a file (JSON v2 or v1, proto3, thrift), moved to now.
    #[arg(long, conflicts_with_all = ["services", "depth", "fan_out", "trace_spans"])]
    pub replay: Option<PathBuf>,
    /// Instead of the shop, a tree of calls between so many services.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub services: Option<u16>,
    /// How deep calls go below each other, in a tree.
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub depth: Option<u8>,
    /// How many calls each server makes, in a tree.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub fan_out: Option<u16>,
    /// Spans of a trace, in a tree.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=TRACE_SPANS_MAX as i64))]
    pub trace_spans: Option<u32>,
    /// Tags of every span beside its own.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub tags: u8,
    /// How many values each of those tags has; 0 is a new one each time.
    #[arg(long, default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=1_000_000_000_000))]
    pub cardinality: u64,
    /// Share of spans that get an error tag, of a thousand.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub errors: u32,
    /// Clocks of instances are wrong by up to so much.
    #[arg(long, default_value = "0s", value_parser = duration)]
    pub skew: Duration,
    /// Share of batches that are reported late, of a thousand.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub late: u32,
    /// How late those are.
    #[arg(long, default_value = "1s", value_parser = duration)]
    pub late_by: Duration,
    /// Share of batches that are reported twice, of a thousand.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub duplicates: u32,
    /// Bits of trace ids: 64 or 128.
    #[arg(long, default_value_t = 128, value_parser = id_bits)]
    pub id_bits: u8,
}

/// What is asked and checked.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Checks")]
pub struct CheckOptions {
    /// Target: the latency of 99 of 100 requests at most, for instance 50ms.
    #[arg(long, value_parser = duration)]
    pub p99: Option<Duration>,
    /// Target: the latency of 999 of 1000 requests at most.
    #[arg(long, value_parser = duration)]
    pub p999: Option<Duration>,
    /// Target: bodies that may be refused or fail, and queries that may fail, of a hundred.
    #[arg(long, default_value_t = 0.0, value_parser = per_cent)]
    pub refused_max: f64,
    /// Traces to read back.
    #[arg(long, default_value_t = 1000, value_parser = traces)]
    pub read_back: usize,
    /// How long what was accepted may take to become visible.
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub settle: Duration,
    /// Queries a second beside the spans, over the nine read endpoints.
    #[arg(long, default_value_t = 0.0, value_parser = queries)]
    pub queries: f64,
    /// The server's process, for its CPU and memory; found by the port on this machine.
    #[arg(long)]
    pub pid: Option<u32>,
    /// The server's data folder, for the bytes it takes on disk.
    #[arg(long)]
    pub data: Option<PathBuf>,
}

/// Where the report goes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Report")]
pub struct OutputOptions {
    /// Write the report as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Write the report as a page with plots.
    #[arg(long)]
    pub html: Option<PathBuf>,
    /// No line a second.
    #[arg(long)]
    pub quiet: bool,
}

/// Reads `500ms`, `30s`, `2m`, `1h`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let factor = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("{unit:?} is no unit; us, ms, s, m and h are")),
    };
    let number: f64 = number.parse().map_err(|_| "no number".to_owned())?;
    let seconds = number * factor;
    if seconds > 7.0 * 86_400.0 {
        return Err("longer than a week".into());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Reads a duration that is more than none.
pub fn some_time(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time.is_zero() {
        return Err("no time at all".into());
    }
    Ok(time)
}

/// Reads `20000`, `20k`, `1.5M`.
pub fn rate(text: &str) -> Result<f64, String> {
    let thousands = text.strip_suffix('k').map(|number| (number, 1e3));
    let millions = text.strip_suffix('M').map(|number| (number, 1e6));
    let (number, factor) = thousands.or(millions).unwrap_or((text, 1.0));
    let number: f64 = number.parse().map_err(|_| "no number".to_owned())?;
    let rate = number * factor;
    if rate.is_finite() && (1.0..=1e8).contains(&rate) {
        Ok(rate)
    } else {
        Err("from 1 to 100M spans a second".into())
    }
}

fn queries(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "no number".to_owned())?;
    if (0.0..=100_000.0).contains(&number) {
        Ok(number)
    } else {
        Err("from 0 to 100000".into())
    }
}

fn traces(text: &str) -> Result<usize, String> {
    let number: usize = text.parse().map_err(|_| "no number".to_owned())?;
    if number <= 1_000_000 {
        Ok(number)
    } else {
        Err("at most 1000000".into())
    }
}

fn per_cent(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "no number".to_owned())?;
    if (0.0..=100.0).contains(&number) {
        Ok(number)
    } else {
        Err("from 0 to 100".into())
    }
}

fn id_bits(text: &str) -> Result<u8, String> {
    match text {
        "64" => Ok(64),
        "128" => Ok(128),
        _ => Err("64 or 128".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rates_have_units() {
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        assert_eq!(duration("3"), Ok(Duration::from_secs(3)));
        for bad in ["", "x", "5d", "-1s", "1.2.3s", "9999h"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert_eq!(rate("20k"), Ok(20_000.0));
        assert_eq!(rate("1.5M"), Ok(1_500_000.0));
        assert_eq!(some_time("1us"), Ok(Duration::from_micros(1)));
        assert!(some_time("0s").is_err());
        for bad in ["0", "k", "5kkk", "5kM", "NaN", "inf", "1e9", "-5"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }
}

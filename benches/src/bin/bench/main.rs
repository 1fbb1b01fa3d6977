//! All benchmarks in one binary, for linking each by itself takes minutes: `bench NAME [--tiny]
//! [--spans N]`. `stages`, which callgrind runs, is one of its own.

mod client;
mod decode;
mod demo;
mod harness;
mod ingest;
mod kafka;
mod latency;
mod mixed;
mod mysql;
mod peers;
mod read;
mod registry;
mod replay;
mod scale;
mod skew;

use anyhow::{Result, bail};
use speargun_benches::measure::Words;

fn main() -> Result<()> {
    let (name, words) = Words::read()?;
    match name.as_str() {
        "client" => client::run(words),
        "decode" => decode::run(words),
        "demo" => demo::run(words),
        "harness" => harness::run(words),
        "ingest" => ingest::run(words),
        "kafka" => kafka::run(words),
        "latency" => latency::run(words),
        "mixed" => mixed::run(words),
        "mysql" => mysql::run(words),
        "peers" => peers::run(words),
        "read" => read::run(words),
        "registry" => registry::run(words),
        "replay" => replay::run(words),
        "scale" => scale::run(words),
        "skew" => skew::run(words),
        client::SINK => client::be_a_sink(),
        _ => bail!("there is no benchmark {name}"),
    }
}

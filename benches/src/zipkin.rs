//! Zipkin's own server as comparisons want it: in memory, with more room than it will need.

use anyhow::Result;
use speargun_e2e::zipkin::Zipkin;

/// Collections of garbage are not to be the limit, and nothing is to be forgotten.
const HEAP: &str = "-Xmx6g";
const SPANS_MAX: &str = "8000000";

/// Starts one that stores in memory and waits until it is healthy.
pub fn start() -> Result<Zipkin> {
    Zipkin::start(&[HEAP], &[("MEM_MAX_SPANS", SPANS_MAX)])
}

//! x
use super::Report;
/// x
pub fn text(_report: &Report) -> String {
    String::new()
}

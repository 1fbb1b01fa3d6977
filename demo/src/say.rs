//! Lines for whoever watches. When nobody reads them any more the demo goes on.

use std::io::Write;

/// Prints a line on standard output.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A reader that went away is no reason to leave processes behind.
    let _written = writeln!(out, "{line}").and_then(|()| out.flush());
}

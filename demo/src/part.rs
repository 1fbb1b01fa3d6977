//! A process that is a part of the demo ends when its standard input does: the demo holds the other
//! end, and however it ends, also by `kill -9`, the system closes it.

use std::io::Read;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

/// How long an orderly end may take once the demo is gone.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Watches the standard input on a thread of its own, and ends this process after it: first as
/// SIGTERM does, then as SIGKILL does.
///
/// # Errors
///
/// When the system gives no thread.
pub fn end_with_stdin() -> std::io::Result<()> {
    let watch = || {
        wait_for_end(std::io::stdin().lock());
        // There is nobody left to hear that a signal to oneself failed.
        let _sent = kill_process(getpid(), Signal::TERM);
        std::thread::sleep(END_WITHIN);
        let _sent = kill_process(getpid(), Signal::KILL);
    };
    let thread = std::thread::Builder::new().name("parent".to_owned());
    // It lives as long as the process.
    thread.spawn(watch).map(drop)
}

/// Returns when nothing more can come; what comes is dropped.
fn wait_for_end(mut input: impl Read) {
    let mut bytes = [0; 64];
    loop {
        match input.read(&mut bytes) {
            Ok(1..) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_end_of_the_other_side_is_noticed() {
        let (input, mut output) = std::io::pipe().unwrap();
        output.write_all(&[0; 1000]).unwrap();
        let waits = std::thread::spawn(move || wait_for_end(input));
        drop(output);
        waits.join().unwrap();
    }
}

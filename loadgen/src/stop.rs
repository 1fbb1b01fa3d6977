//! The wish to end early: the first Ctrl-C ends the load, and what was measured until then is
//! checked and reported; the second ends the process at once.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Who sleeps looks so often whether it is to end.
const LOOK: Duration = Duration::from_millis(100);
/// How a process ends that was interrupted, as shells know it.
const INTERRUPTED: i32 = 130;

/// Whether to end early.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Returns one that SIGINT and SIGTERM ask for.
    pub fn on_signals() -> io::Result<Self> {
        let stop = Self::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let signals = {
            let _entered = runtime.enter();
            [
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
            ]
        };
        let own = stop.clone();
        // It waits for signals as long as the process lives, and has nothing to leave in order.
        let name = thread::Builder::new().name("signals".into());
        name.spawn(move || runtime.block_on(own.follow(signals)))?;
        Ok(stop)
    }

    async fn follow(self, [mut interrupt, mut terminate]: [Signal; 2]) {
        for _ in 0..2 {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if self.is_asked_for() {
                // That is what is asked for the second time.
                std::process::exit(INTERRUPTED);
            }
            self.ask();
            // Nobody is left to tell that even this could not be said.
            let _said = writeln!(
                io::stderr(),
                "ending: what was sent is checked and reported; interrupt again to end at once"
            );
        }
    }

    /// Asks to end.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns whether it is to end.
    pub fn is_asked_for(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Sleeps until then; returns false as soon as it is to end.
    pub fn sleep_until(&self, then: Instant) -> bool {
        loop {
            if self.is_asked_for() {
                return false;
            }
            let left = then.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            thread::sleep(left.min(LOOK));
        }
    }
}

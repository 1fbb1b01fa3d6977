//! Asking a fetch to end, wherever it waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

/// Tells whoever fetches that it is to end, which can't be taken back.
#[derive(Debug, Default)]
pub(in crate::source) struct Interrupt {
    /// What git's library looks at between what it reads.
    flag: AtomicBool,
    told: watch::Sender<bool>,
}

impl Interrupt {
    pub(super) fn set(&self) {
        self.flag.store(true, Ordering::Relaxed);
        self.told.send_replace(true);
    }

    pub(super) fn is_set(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    pub(super) fn flag(&self) -> &AtomicBool {
        &self.flag
    }

    /// Returns an error when it is to end.
    pub(super) fn check(&self) -> std::io::Result<()> {
        if self.is_set() { Err(ended()) } else { Ok(()) }
    }

    /// Waits for a future, until it is to end or the time is over; blocks.
    pub(super) fn wait<T>(
        &self,
        runtime: &Handle,
        within: Duration,
        future: impl Future<Output = std::io::Result<T>>,
    ) -> std::io::Result<T> {
        let mut told = self.told.subscribe();
        runtime.block_on(async {
            tokio::select! {
                _ = told.wait_for(|told| *told) => Err(ended()),
                done = tokio::time::timeout(within, future) => done.unwrap_or_else(|_| {
                    let what = format!("nothing came for {} s", within.as_secs());
                    Err(std::io::Error::new(std::io::ErrorKind::TimedOut, what))
                }),
            }
        })
    }
}

/// Not the kind that says so: readers would try again.
fn ended() -> std::io::Error {
    std::io::Error::other("it was ended, since it is not asked for any more")
}

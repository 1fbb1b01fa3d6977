//! Keeping folders up to date: read on an interval, and when somebody asks for it. One thread reads
//! at a time, however long that takes and whoever asks meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::Folder;

/// How reading goes on.
#[derive(Debug, Default)]
pub(super) struct Following {
    reads: watch::Sender<Reads>,
    wake: Notify,
}

#[derive(Clone, Copy, Debug, Default)]
struct Reads {
    ended: u64,
    /// One more when one goes on.
    begun: u64,
}

impl Folder {
    /// Keeps what is served up to date until it is told to end.
    pub(crate) async fn run(self: Arc<Self>, mut ending: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.config.refresh) => {}
                () = self.following.wake.notified() => {}
                _ = ending.wait_for(|ending| *ending) => return,
            }
            let this = Arc::clone(&self);
            let reads = &self.following.reads;
            reads.send_modify(|reads| reads.begun += 1);
            if tokio::task::spawn_blocking(move || this.read())
                .await
                .is_err()
            {
                tracing::error!("reading folders panicked");
            }
            reads.send_modify(|reads| reads.ended += 1);
        }
    }

    /// Reads what is there soon, and returns when that ended; an error when the time was over
    /// before. What is wrong with what is there is no error.
    pub(crate) async fn read_now(&self, within: Duration) -> Result<(), String> {
        let mut reads = self.following.reads.subscribe();
        // One that goes on may have passed by already what it is to find.
        let enough = reads.borrow_and_update().begun + 1;
        self.following.wake.notify_one();
        let ended = reads.wait_for(|reads| reads.ended >= enough);
        match tokio::time::timeout(within, ended).await {
            Ok(_) => Ok(()),
            Err(_) => Err(format!("{} could not be read in {within:?}", self.shown())),
        }
    }
}

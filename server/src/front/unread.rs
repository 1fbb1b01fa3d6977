//! Answers that clients have not read yet: together they have a bound in bytes, each has a
//! deadline, and who needs room cuts off who has been slowest. It knows nothing of connections.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use speargun_collector::handover::Budget;
use tokio::sync::oneshot;

/// Bytes of all of them; one answer may always be larger.
const BYTES_MAX: usize = 128 << 20;
/// How long a client may take to read an answer, and how many bytes it gets another second for.
const READ_WITHIN: Duration = Duration::from_mins(1);
const BYTES_A_SECOND: usize = 256 << 10;
/// A client that has read for less is not slow.
const SLOW: Duration = Duration::from_secs(2);

/// The answers that are not read yet.
#[derive(Debug)]
pub(crate) struct Unread {
    bytes: Budget,
    slow: Duration,
    next: AtomicU64,
    /// In the order they were given.
    given: Mutex<BTreeMap<u64, Given>>,
}

#[derive(Debug)]
struct Given {
    at: Instant,
    /// Tells the connection to end.
    cut: oneshot::Sender<Cut>,
}

/// Says that a client is too slow.
#[derive(Debug)]
pub(crate) struct Cut;

/// What a connection watches while an answer is on its way.
#[derive(Debug)]
pub(crate) struct Watch {
    cut: oneshot::Receiver<Cut>,
    within: Duration,
}

/// The bytes of an answer, counted until the connection has sent them.
struct Held {
    data: Bytes,
    _place: HeldPlace,
}

/// A place among the answers that are not read yet, until it is dropped.
#[derive(Debug)]
pub(crate) struct HeldPlace {
    bytes: usize,
    number: u64,
    unread: Arc<Unread>,
}

impl Default for Unread {
    fn default() -> Self {
        Self::new(BYTES_MAX, SLOW)
    }
}

impl Unread {
    fn new(bytes_max: usize, slow: Duration) -> Self {
        Self {
            bytes: Budget::new(bytes_max),
            slow,
            next: AtomicU64::default(),
            given: Mutex::default(),
        }
    }

    /// Returns the bytes of all answers.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.used()
    }

    /// Counts the bytes of an answer until they are dropped; `None` when there is no room for them.
    /// Then the slowest client is cut off, so that there is some soon.
    pub(crate) fn hold(self: &Arc<Self>, data: Bytes) -> Option<(Bytes, Watch)> {
        let (place, watch) = self.hold_place(data.len(), Duration::ZERO)?;
        let held = Held {
            data,
            _place: place,
        };
        Some((Bytes::from_owner(held), watch))
    }

    /// Counts so many bytes until the place is dropped, as [`Self::hold`] does; they are made
    /// while they are read, which may take some time more.
    pub(crate) fn hold_place(
        self: &Arc<Self>,
        bytes: usize,
        made_within: Duration,
    ) -> Option<(HeldPlace, Watch)> {
        if !self.bytes.take(bytes) {
            self.cut_slowest();
            return None;
        }
        let (cut, watched) = oneshot::channel();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let at = Instant::now();
        self.given.lock().insert(number, Given { at, cut });
        let more = Duration::from_secs((bytes / BYTES_A_SECOND) as u64);
        let watch = Watch {
            cut: watched,
            within: READ_WITHIN.saturating_add(more).saturating_add(made_within),
        };
        let place = HeldPlace {
            bytes,
            number,
            unread: Arc::clone(self),
        };
        Some((place, watch))
    }

    fn cut_slowest(&self) {
        let mut given = self.given.lock();
        let oldest = given.first_entry();
        let slowest = oldest.filter(|oldest| oldest.get().at.elapsed() >= self.slow);
        if let Some(slowest) = slowest {
            // It fails when the connection has ended meanwhile.
            let _unheard = slowest.remove().cut.send(Cut);
        }
    }
}

impl Watch {
    /// Returns once the answer is sent or given up, or with an error when its client is too slow.
    pub(crate) async fn end(self) -> Result<(), Cut> {
        match tokio::time::timeout(self.within, self.cut).await {
            // The sender was dropped with the answer.
            Ok(Err(_)) => Ok(()),
            Ok(Ok(cut)) => Err(cut),
            Err(_) => Err(Cut),
        }
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for HeldPlace {
    fn drop(&mut self) {
        self.unread.bytes.give_back(self.bytes);
        self.unread.given.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(len: usize) -> Bytes {
        vec![b'x'; len].into()
    }

    #[test]
    fn answers_that_nobody_reads_leave_no_room() {
        let unread = Arc::new(Unread::new(10, Duration::MAX));
        let first = unread.hold(bytes(11)).unwrap();
        assert_eq!(first.0.len(), 11);
        assert!(unread.hold(bytes(1)).is_none());
        drop(first);
        let (second, third) = (unread.hold(bytes(5)), unread.hold(bytes(5)));
        assert!(second.is_some() && third.is_some());
        assert!(unread.hold(bytes(1)).is_none());
        drop((second, third));
        assert_eq!(unread.bytes(), 0);
        assert!(unread.given.lock().is_empty());
    }

    #[tokio::test]
    async fn whoever_needs_room_cuts_off_the_slowest() {
        let unread = Arc::new(Unread::new(10, Duration::ZERO));
        let (first, first_watch) = unread.hold(bytes(6)).unwrap();
        let (second, second_watch) = unread.hold(bytes(4)).unwrap();
        assert!(unread.hold(bytes(3)).is_none());
        assert!(first_watch.end().await.is_err());
        drop(first);
        let third = unread.hold(bytes(3));
        assert!(third.is_some());
        drop(second);
        assert!(second_watch.end().await.is_ok());
    }
}

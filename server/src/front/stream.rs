//! A body that one thread makes while a connection sends it: pieces in a row of bounded length.
//! Who makes it waits while the row is full, up to a deadline, and learns when nobody reads it any
//! more. It knows nothing of what is in it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};

/// Bytes that may wait to be sent; one piece may always be larger.
pub(crate) const WAITING_BYTES_MAX: usize = 256 << 10;

#[derive(Debug, Default)]
struct Row {
    pieces: VecDeque<Bytes>,
    bytes: usize,
    /// No more pieces come.
    ended: bool,
    /// All came that should have.
    whole: bool,
    /// Nobody takes them.
    left: bool,
    reader: Option<Waker>,
}

#[derive(Debug, Default)]
struct Shared {
    row: Mutex<Row>,
    room: Condvar,
}

/// The end that makes the body.
#[derive(Debug)]
pub(crate) struct Sink {
    shared: Arc<Shared>,
    deadline: Option<Instant>,
}

/// The end that is sent.
#[derive(Debug)]
pub(crate) struct Source(Arc<Shared>);

/// Returns both ends; the one that makes the body waits until the deadline at the longest.
pub(crate) fn stream(deadline: Option<Instant>) -> (Sink, Source) {
    let shared = Arc::new(Shared::default());
    let sink = Sink {
        shared: Arc::clone(&shared),
        deadline,
    };
    (sink, Source(shared))
}

impl Sink {
    /// Adds a piece, once there is room; returns false when nobody takes it, or takes too long.
    pub(crate) fn push(&self, piece: Bytes) -> bool {
        let mut row = self.shared.row.lock();
        while !row.left && !row.pieces.is_empty() && row.bytes + piece.len() > WAITING_BYTES_MAX {
            let Some(deadline) = self.deadline else {
                self.shared.room.wait(&mut row);
                continue;
            };
            if self.shared.room.wait_until(&mut row, deadline).timed_out() {
                return false;
            }
        }
        if row.left {
            return false;
        }
        row.bytes += piece.len();
        row.pieces.push_back(piece);
        wake(&mut row);
        true
    }

    /// Ends the body as one that is whole; one that is only dropped has failed.
    pub(crate) fn finish(self) {
        self.shared.row.lock().whole = true;
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let mut row = self.shared.row.lock();
        row.ended = true;
        wake(&mut row);
    }
}

fn wake(row: &mut Row) {
    if let Some(reader) = row.reader.take() {
        reader.wake();
    }
}

impl Source {
    /// Returns the next piece; `None` behind the last.
    pub(crate) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut row = self.0.row.lock();
        if let Some(piece) = row.pieces.pop_front() {
            row.bytes -= piece.len();
            self.0.room.notify_one();
            return Poll::Ready(Some(piece));
        }
        if row.ended {
            return Poll::Ready(None);
        }
        row.reader = Some(context.waker().clone());
        Poll::Pending
    }

    /// Returns whether the body came to an end before it was whole.
    pub(crate) fn has_failed(&self) -> bool {
        let row = self.0.row.lock();
        row.ended && !row.whole
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let mut row = self.0.row.lock();
        row.left = true;
        row.pieces.clear();
        self.0.room.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn piece(len: usize) -> Bytes {
        vec![b'x'; len].into()
    }

    async fn next(source: &Source) -> Option<usize> {
        let piece = std::future::poll_fn(|context| source.poll_next(context)).await;
        piece.map(|piece| piece.len())
    }

    #[tokio::test]
    async fn pieces_come_in_order_and_then_the_end() {
        let (sink, source) = stream(None);
        let maker = std::thread::spawn(move || {
            // More than fits at once.
            (1..=8).all(|n| sink.push(piece(n * WAITING_BYTES_MAX / 4)))
        });
        for n in 1..=8 {
            assert_eq!(next(&source).await, Some(n * WAITING_BYTES_MAX / 4));
        }
        assert_eq!(next(&source).await, None);
        assert!(maker.join().unwrap());
    }

    #[test]
    fn a_body_has_failed_when_it_ends_without_being_whole() {
        let (sink, source) = stream(None);
        assert!(!source.has_failed());
        drop(sink);
        assert!(source.has_failed());
        let (sink, source) = stream(None);
        sink.finish();
        assert!(!source.has_failed());
    }

    #[test]
    fn who_makes_it_learns_that_nobody_reads() {
        let (sink, source) = stream(None);
        assert!(sink.push(piece(WAITING_BYTES_MAX)));
        let waiting = std::thread::spawn(move || sink.push(piece(1)));
        drop(source);
        assert!(!waiting.join().unwrap());
    }

    #[test]
    fn who_makes_it_does_not_wait_for_ever() {
        let (sink, _source) = stream(Some(Instant::now() + Duration::from_millis(5)));
        assert!(sink.push(piece(2 * WAITING_BYTES_MAX)));
        assert!(!sink.push(piece(1)));
    }
}

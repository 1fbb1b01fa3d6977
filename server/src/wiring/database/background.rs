//! A thread for what a database's engine does in the background, and its end: whoever has a lease
//! gives it back, so that another process goes on at once.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use speargun_storage::StoreError;

/// How long the end waits for the lease to be given back. It runs out by itself too.
const GOODBYE: Duration = Duration::from_secs(3);

/// A thread that works until the process ends.
pub(crate) struct Background {
    over: Arc<Over>,
    end: Box<dyn FnOnce() -> Result<(), StoreError> + Send>,
}

/// Whether the work is over.
#[derive(Default)]
struct Over {
    is_over: Mutex<bool>,
    changed: Condvar,
}

impl std::fmt::Debug for Background {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Background").finish_non_exhaustive()
    }
}

impl Background {
    /// Makes passes, each of which gets told how long it took and returns how long to wait for the
    /// next; `end` gives back what is held, while a pass may be under way. A pass may end
    /// anywhere: what was not done is done by the next one, of this process or another.
    pub(super) fn start(
        name: &str,
        mut pass: impl FnMut() -> Pause + Send + 'static,
        end: impl FnOnce() -> Result<(), StoreError> + Send + 'static,
    ) -> std::io::Result<Self> {
        let over = Arc::new(Over::default());
        let until = Arc::clone(&over);
        let work = move || {
            loop {
                let begin = Instant::now();
                let pause = pass();
                if until.wait(pause.after(begin.elapsed())) {
                    return;
                }
            }
        };
        thread::Builder::new().name(name.to_owned()).spawn(work)?;
        Ok(Self {
            over,
            end: Box::new(end),
        })
    }

    /// Ends the work. Waits for a moment at most: a database that does not answer holds up nobody.
    pub(crate) fn end(self) {
        *self.over.is_over.lock() = true;
        self.over.changed.notify_all();
        let (done, is_done) = sync_channel(1);
        let end = self.end;
        let work = move || {
            // Nobody may wait any more.
            done.send(end()).ok();
        };
        let thread = thread::Builder::new()
            .name("goodbye".to_owned())
            .spawn(work);
        let why = match (thread, is_done.recv_timeout(GOODBYE)) {
            (Ok(_), Ok(Ok(()))) => return,
            (Err(error), _) => error.to_string(),
            (_, Ok(Err(error))) => error.to_string(),
            (_, Err(_)) => "the database does not answer".to_owned(),
        };
        tracing::info!(
            why,
            "a lease was not given back; another process waits until it runs out"
        );
    }
}

/// How long to wait between passes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pause {
    /// Not at all: there is more to do.
    None,
    /// So long, or ten times as long as the pass took.
    AtLeast(Duration),
}

impl Pause {
    fn after(self, took: Duration) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::AtLeast(pause) => pause.max(took * 10),
        }
    }
}

impl Over {
    /// Waits for so long, or until it is over; returns whether it is.
    fn wait(&self, pause: Duration) -> bool {
        let mut is_over = self.is_over.lock();
        if !*is_over && !pause.is_zero() {
            self.changed.wait_while_for(&mut is_over, |is| !*is, pause);
        }
        *is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    #[test]
    fn the_end_waits_for_no_pause_and_gives_back() {
        let (say, said) = sync_channel(8);
        let (end_now, is_ended) = sync_channel(1);
        let mut pauses = [Pause::None, Pause::AtLeast(LONG)].into_iter();
        let pass = move || {
            say.send(()).unwrap();
            pauses.next().unwrap()
        };
        let end = move || {
            end_now.send(()).unwrap();
            Ok(())
        };
        let background = Background::start("test", pass, end).unwrap();
        said.recv().unwrap();
        said.recv().unwrap();
        background.end();
        is_ended.recv().unwrap();
        assert!(said.recv().is_err(), "the thread is gone");
    }

    #[test]
    fn long_passes_are_followed_by_longer_pauses() {
        let minute = Duration::from_mins(1);
        let pause = Pause::AtLeast(minute);
        assert_eq!(pause.after(Duration::from_secs(1)), minute);
        assert_eq!(pause.after(minute), 10 * minute);
        assert_eq!(Pause::None.after(minute), Duration::ZERO);
    }
}

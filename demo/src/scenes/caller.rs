//! Somebody who calls again and again while a scene goes on, and notes how that went.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::sleep;

use super::WITHIN;
use crate::ask;
use crate::process::until;

/// Between two calls.
const PAUSE: Duration = Duration::from_millis(10);

/// Calls service-2 on one path.
#[derive(Debug)]
pub(super) struct Caller {
    port: u16,
    path: &'static str,
    calls: Cell<u64>,
    /// Number and answer of each call that failed.
    failed: RefCell<Vec<(u64, String)>>,
}

/// Failed calls that are kept; a scene ends with the first that matters.
const FAILED_MAX: usize = 10_000;

impl Caller {
    pub(super) fn new(port: u16, path: &'static str) -> Self {
        Self {
            port,
            path,
            calls: Cell::new(0),
            failed: RefCell::default(),
        }
    }

    /// Calls for ever.
    pub(super) async fn run(&self) {
        loop {
            let answer = ask::get(self.port, self.path).await;
            let trouble = match answer {
                Ok(answer) if answer.text().contains("i am service-1") => None,
                Ok(answer) => Some(format!("{} {}", answer.status, answer.text())),
                Err(error) => Some(format!("{error:#}")),
            };
            self.note(trouble);
            sleep(PAUSE).await;
        }
    }

    fn note(&self, trouble: Option<String>) {
        let number = self.calls.get();
        let mut failed = self.failed.borrow_mut();
        if let Some(trouble) = trouble.filter(|_| failed.len() < FAILED_MAX) {
            failed.push((number, trouble));
        }
        self.calls.set(number + 1);
    }

    /// Returns how many calls were made.
    pub(super) fn calls(&self) -> u64 {
        self.calls.get()
    }

    /// Returns how many of them failed.
    pub(super) fn failed(&self) -> usize {
        self.failed.borrow().len()
    }

    /// Returns an error when one of the calls from this number on failed.
    pub(super) fn expect_well(&self, from: u64) -> Result<()> {
        let failed = self.failed.borrow();
        match failed.iter().find(|(number, _)| *number >= from) {
            Some((number, answer)) => bail!("call {number} of {} failed: {answer}", self.path),
            None => Ok(()),
        }
    }

    /// Waits until so many more calls were made.
    pub(super) async fn more(&self, calls: u64) -> Result<()> {
        let enough = self.calls() + calls;
        let what = format!("{calls} more calls of {}", self.path);
        until(&what, WITHIN, || async {
            Ok((self.calls() >= enough).then_some(()))
        })
        .await
    }
}

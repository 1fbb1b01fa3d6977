//! A database under the suite without anything in front of it: what is written is stored at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use speargun_model::{Span, SpanBatch};

use crate::database::{Database, ListName};
use crate::error::WriteError;
use crate::write::{Position, SpanWriter};

/// Stores each group as one list.
#[derive(Debug)]
pub struct Direct<D> {
    database: Arc<D>,
    origin: String,
    durable: AtomicU64,
}

impl<D: Database> Direct<D> {
    /// Returns the writing half of a database; `origin` tells it from other writers.
    pub fn new(database: Arc<D>, origin: impl Into<String>) -> Self {
        Self {
            database,
            origin: origin.into(),
            durable: AtomicU64::new(0),
        }
    }
}

impl<D: Database> SpanWriter for Direct<D> {
    fn write(&self, group: &[Arc<SpanBatch>], end: Position) -> Result<(), WriteError> {
        let views = group.iter().flat_map(|batch| batch.views());
        let spans: Vec<Span> = views.map(|view| view.to_span()).collect();
        let name = ListName {
            origin: self.origin.clone(),
            number: end.0,
        };
        let stored = self.database.store(&name, &spans);
        stored.map_err(|error| WriteError::Failed(error.to_string()))?;
        self.durable.store(end.0, Ordering::Release);
        Ok(())
    }

    fn durable_position(&self) -> Position {
        Position(self.durable.load(Ordering::Acquire))
    }

    fn close(&self) -> Result<(), WriteError> {
        Ok(())
    }
}

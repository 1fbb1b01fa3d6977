//! What an engine takes: groups of batches in journal order.

use std::sync::Arc;

use speargun_model::SpanBatch;

use crate::error::WriteError;

/// A place in the journal. Grows with every record; 0 is before the first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Position(pub u64);

/// The write half of an engine. One thread calls [`SpanWriter::write`], in journal order; other
/// threads read meanwhile.
pub trait SpanWriter: Send + Sync + std::fmt::Debug {
    /// Makes the spans of `group` visible to every query that starts after this returns.
    /// `end` is the journal position behind the group (`Position(0)` without a journal): once
    /// [`SpanWriter::durable_position`] reaches it, the journal may forget the group.
    fn write(&self, group: &[Arc<SpanBatch>], end: Position) -> Result<(), WriteError>;

    /// Returns [`WriteError::Busy`] while a fault keeps this engine from moving what it has to its
    /// disk and it should take no more. Asked before a group is put into the journal, so that what
    /// is refused leaves no trace; a write that follows all the same is still taken.
    fn ready(&self) -> Result<(), WriteError> {
        Ok(())
    }

    /// Returns the journal position up to which this engine holds everything on its own disk.
    /// On start, the journal is replayed from here.
    fn durable_position(&self) -> Position;

    /// Makes all that was written durable, if it can within the engine's means, before the process
    /// ends. Called once, after the last write.
    fn close(&self) -> Result<(), WriteError>;
}

//! Batches that can't be read: which faults of the client are one, and how the offset is found at
//! which reading goes on. It asks no broker.
//!
//! The client says where it is stuck in the words of an error alone, and a broker hands out whole
//! batches: one offset further it is the same batch again. Nothing says where that ends, so it is
//! searched for, by trying offsets.

use krafka::KrafkaError;
use krafka::consumer::TopicPartition;

/// What the client's words begin with.
const UNREADABLE: &str = "undecodable record batch at ";
/// What stands before the cause; between are words for those who write programs.
const CAUSE: &str = "Underlying error: ";
/// Words of faults that another build may be able to read.
const FOREIGN: [&str; 2] = [
    "unknown compression codec",
    "unsupported record batch magic",
];
/// A step is this part of what was tried already, at least one offset: it passes by little that is
/// good, and a batch of a million messages is through after some hundred steps.
const STEP_PART: i64 = 16;

/// A batch that the client can't read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Unreadable {
    /// Where it lies.
    pub(crate) partition: TopicPartition,
    /// The offset at which it was asked for: the batch may begin before it.
    pub(crate) offset: i64,
    /// Whether the bytes are beyond this build and may be sound: such a batch is never skipped.
    pub(crate) foreign: bool,
    /// Why it can't be read.
    cause: String,
}

impl Unreadable {
    /// Returns the batch that an error is about; `None` for all that trying again may mend.
    pub(crate) fn of(error: &KrafkaError) -> Option<Self> {
        let KrafkaError::Protocol { message, .. } = error else {
            return None;
        };
        let (place, rest) = message.strip_prefix(UNREADABLE)?.split_once(" offset ")?;
        let (topic, partition) = place.rsplit_once('-')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit());
        let (offset, rest) = rest.split_at_checked(digits.unwrap_or(rest.len()))?;
        let cause = rest.split_once(CAUSE).map_or(rest, |(_, cause)| cause);
        Some(Self {
            partition: TopicPartition::new(topic, partition.parse().ok()?),
            offset: offset.parse().ok()?,
            foreign: FOREIGN.iter().any(|words| cause.contains(words)),
            cause: cause.to_owned(),
        })
    }

    /// Returns what an operator is told of it.
    pub(crate) fn words(&self) -> String {
        let TopicPartition {
            topic, partition, ..
        } = &self.partition;
        let (offset, cause) = (self.offset, &self.cause);
        format!("the batch of {topic}-{partition} at offset {offset} can't be read: {cause}")
    }
}

/// Searches the end of a batch: forward in growing steps until an offset can be read, then back to
/// the first that can.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search {
    first: i64,
    /// The last offset that is known not to be readable.
    bad: i64,
    /// The first that is known to be.
    good: Option<i64>,
}

/// What to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// Try whether this offset can be read.
    Try(i64),
    /// This is where reading goes on.
    Found(i64),
}

impl Search {
    /// Begins behind an offset that can't be read.
    pub(crate) fn behind(offset: i64) -> Self {
        Self {
            first: offset,
            bad: offset,
            good: None,
        }
    }

    /// Returns the next step. `end` is the end of the partition: nothing is behind it, and what is
    /// written there next can be read.
    pub(crate) fn next(&self, end: i64) -> Step {
        let good = self.good.unwrap_or(end).min(end);
        if good <= self.bad + 1 {
            return Step::Found(good.max(self.bad + 1));
        }
        match self.good {
            Some(_) => Step::Try(self.bad + (good - self.bad) / 2),
            None => {
                let step = ((self.bad - self.first) / STEP_PART).max(1);
                Step::Try((self.bad + step).min(end - 1))
            }
        }
    }

    /// Notes what came of a try.
    pub(crate) fn tried(&mut self, offset: i64, readable: bool) {
        if readable {
            self.good = Some(offset);
        } else {
            self.bad = offset;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use krafka::error::ProtocolErrorKind;

    fn error(message: &str) -> KrafkaError {
        KrafkaError::Protocol {
            kind: ProtocolErrorKind::CrcMismatch,
            message: message.to_owned(),
        }
    }

    #[test]
    fn the_place_of_a_batch_is_read_from_the_words() {
        let words = "undecodable record batch at zipkin-spans-12 offset 345; the partition cannot \
                     advance past it. Underlying error: CRC mismatch: expected 1, got 2";
        let found = Unreadable::of(&error(words)).unwrap();
        assert_eq!(found.partition, TopicPartition::new("zipkin-spans", 12));
        assert_eq!((found.offset, found.foreign), (345, false));
        let told = "the batch of zipkin-spans-12 at offset 345 can't be read: CRC mismatch: \
                    expected 1, got 2";
        assert_eq!(found.words(), told);
        let two = "undecodable record batch at a-0 offset 7 (2 partitions affected in this poll); \
                   Underlying error: unknown compression codec discriminant: 6";
        let found = Unreadable::of(&error(two)).unwrap();
        assert_eq!((found.offset, found.foreign), (7, true));
        for other in [
            "record body truncated",
            "undecodable record batch at zipkin-0 offset ",
            "undecodable record batch at zipkin offset 1",
            "undecodable record batch at zipkin-0 offset 99999999999999999999",
        ] {
            assert_eq!(Unreadable::of(&error(other)), None, "{other}");
        }
        let refused = KrafkaError::Auth {
            message: "undecodable record batch at a-0 offset 7".to_owned(),
            source: None,
        };
        assert_eq!(Unreadable::of(&refused), None);
    }

    /// Returns where reading goes on behind a batch that ends before `end_of_batch`, and how many
    /// tries that took.
    fn search(first: i64, end_of_batch: i64, end: i64) -> (i64, usize) {
        let mut search = Search::behind(first);
        for tries in 0.. {
            match search.next(end) {
                Step::Found(offset) => return (offset, tries),
                Step::Try(offset) => {
                    assert!(first < offset && offset < end, "{offset}");
                    search.tried(offset, offset >= end_of_batch);
                }
            }
        }
        unreachable!("a loop without an end")
    }

    #[test]
    fn the_end_of_a_batch_of_any_length_is_found() {
        for length in (1..3000).chain([100_000, 1_000_000]) {
            for behind in [0, 1, 2, 10, 5_000_000] {
                let (found, tries) = search(7, 7 + length, 7 + length + behind);
                assert_eq!(found, 7 + length, "{length} {behind}");
                assert!(tries <= 250, "{tries} tries for {length}");
            }
        }
    }

    #[test]
    fn small_batches_are_tried_offset_by_offset() {
        // So that a good one between two of them is not passed by.
        let bad = |offset: i64| offset < 20 || (21..40).contains(&offset);
        let mut search = Search::behind(0);
        let found = loop {
            match search.next(100) {
                Step::Found(offset) => break offset,
                Step::Try(offset) => search.tried(offset, !bad(offset)),
            }
        };
        assert_eq!(found, 20);
    }

    #[test]
    fn an_end_that_moved_back_is_not_passed() {
        // A log that was truncated meanwhile: what is behind the batch is all there is.
        let search = Search::behind(10);
        assert_eq!(search.next(5), Step::Found(11));
    }
}

//! Remembers the endpoints of a body by their bytes. A body is what one process reports, so nearly
//! all its spans say the same few endpoints: comparing bytes costs a tenth of reading them again.

use crate::batch::EndpointRecord;
use crate::codec::scan;

/// A power of two: an instance, and what it talks to.
const SLOTS: usize = 16;

/// Endpoints that were read from one body. Bounded: a newer one takes the place of an older.
pub(in crate::codec) struct Endpoints<'a> {
    body: &'a [u8],
    /// From which byte of what says an endpoint eight are compared first: where names differ.
    names_at: usize,
    slots: [Slot; SLOTS],
}

/// An endpoint and the bytes that said it; no bytes, no endpoint.
#[derive(Clone, Copy, Default)]
struct Slot {
    start: u32,
    len: u32,
    endpoint: EndpointRecord,
}

impl<'a> Endpoints<'a> {
    pub(in crate::codec) fn new(body: &'a [u8], names_at: usize) -> Self {
        Self {
            body,
            names_at,
            slots: [Slot::default(); SLOTS],
        }
    }

    /// Returns the endpoint that the beginning of `rest` says and the length of what says it, when
    /// the same bytes were read before.
    #[inline(always)]
    pub(in crate::codec) fn recall(&self, rest: &[u8]) -> Option<(EndpointRecord, usize)> {
        let slot = self.slots.get(self.place(rest)?)?;
        let start = slot.start as usize;
        let known = self.body.get(start..start + slot.len as usize)?;
        (!known.is_empty() && rest.starts_with(known)).then_some((slot.endpoint, known.len()))
    }

    /// Remembers what the body says from `start` up to `end`, which must say the same whatever
    /// stands around it.
    #[inline(always)]
    pub(in crate::codec) fn keep(&mut self, start: usize, end: usize, endpoint: EndpointRecord) {
        let said = self.body.get(start..end).unwrap_or_default();
        if let Some(place) = self.place(said)
            && let Some(slot) = self.slots.get_mut(place)
        {
            *slot = Slot {
                start: start as u32,
                len: said.len() as u32,
                endpoint,
            };
        }
    }

    /// Returns the slot of what begins like this; none when it is too short to tell.
    #[inline(always)]
    fn place(&self, said: &[u8]) -> Option<usize> {
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        let word = scan::word(said, self.names_at)?;
        Some((word.wrapping_mul(SPREAD) >> 60) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(port: u16) -> EndpointRecord {
        EndpointRecord {
            port,
            ..EndpointRecord::default()
        }
    }

    #[test]
    fn the_same_bytes_say_the_same_endpoint() {
        let body = b"{123456789}{123456789}{123456780}{1}";
        let mut known = Endpoints::new(body, 1);
        assert_eq!(known.recall(body), None);
        known.keep(0, 11, port(7));
        assert_eq!(known.recall(&body[11..]), Some((port(7), 11)));
        assert_eq!(known.recall(&body[22..]), None, "another");
        known.keep(22, 33, port(8));
        assert_eq!(known.recall(&body[22..]), Some((port(8), 11)));
        assert_eq!(
            known.recall(&body[11..]),
            None,
            "a newer one took its place"
        );
    }

    #[test]
    fn what_is_too_short_to_tell_is_read_each_time() {
        let body = b"{1}{1}abcdefgh";
        let mut known = Endpoints::new(body, 1);
        known.keep(0, 3, port(1));
        assert_eq!(known.recall(&body[3..]), None);
        assert_eq!(known.recall(b""), None);
    }
}

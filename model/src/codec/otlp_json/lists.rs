//! Lists of spans in JSON that stand before the resource or scope that made them. It reads nothing.

use crate::batch::LeftOut;
use crate::codec::json_v2::cursor::Cursor;

/// Lists of spans that were read, and how to read them again if more is said about them behind
/// them: a list is hardly ever read before its resource and scope, so nothing is put off for that.
pub(super) struct Lists {
    /// Where they begin.
    pub(super) places: Vec<usize>,
    /// Whether they were read too early.
    pub(super) too_early: bool,
    /// Where the object around them begins.
    object: usize,
    /// How much the batch held then.
    spans: usize,
    tags: usize,
    annotations: usize,
    ipv6: usize,
    extra: usize,
    left_out: LeftOut,
    more_bytes: usize,
}

impl Lists {
    pub(super) fn begin(cursor: &Cursor<'_>) -> Self {
        let out = &*cursor.out;
        Self {
            places: Vec::new(),
            too_early: false,
            object: cursor.at,
            spans: out.spans.len(),
            tags: out.tags.len(),
            annotations: out.annotations.len(),
            ipv6: out.ipv6.len(),
            extra: out.extra.len(),
            left_out: out.left_out,
            more_bytes: out.more_bytes,
        }
    }

    /// Notes whether something was said that concerns the lists.
    pub(super) fn note(&mut self, said: bool) {
        self.too_early |= said && !self.places.is_empty();
    }

    /// Moves to where the object begins, and takes out what was read of it.
    pub(super) fn go_back(&self, cursor: &mut Cursor<'_>) {
        cursor.at = self.object;
        let out = &mut *cursor.out;
        out.spans.truncate(self.spans);
        out.tags.truncate(self.tags);
        out.annotations.truncate(self.annotations);
        out.ipv6.truncate(self.ipv6);
        out.extra.truncate(self.extra);
        out.left_out = self.left_out;
        out.more_bytes = self.more_bytes;
    }
}

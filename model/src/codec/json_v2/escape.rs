//! Strings with escapes, and those at the very end of a body: read piece by piece into the
//! batch's `extra`. Plain strings are read by the cursor and never come here.

use crate::batch::Text;
use crate::codec::json_v2::cursor::Cursor;
use crate::codec::json_v2::fault::{Cause, Fault};
use crate::codec::text;

/// What Java writes for half of a surrogate pair.
const LONE_SURROGATE: u8 = b'?';

impl Cursor<'_> {
    /// Reads the string that begins at `start`, behind its opening quote.
    #[cold]
    #[inline(never)]
    pub(super) fn unescape(&mut self, start: usize) -> Result<Text, Fault> {
        let extra_start = self.out.extra.len();
        let mut at = start;
        loop {
            let rest = self.body.get(at..).unwrap_or_default();
            let Some(length) = memchr::memchr2(b'"', b'\\', rest) else {
                self.at = self.body.len();
                return Err(Fault::new(Cause::Malformed));
            };
            let stop = at + length;
            if self.body.get(stop) == Some(&b'"') {
                self.at = stop + 1;
                self.look_for_version_1(start, stop);
                if at == start {
                    return Ok(Text::in_body(start, length));
                }
                self.append(at, stop);
                return Ok(text::finish_extra(&mut self.out.extra, extra_start)?);
            }
            self.append(at, stop);
            at = self
                .escape(stop + 1)
                .ok_or_else(|| Fault::new(Cause::Malformed))?;
        }
    }

    fn append(&mut self, from: usize, to: usize) {
        let piece = self.body.get(from..to).unwrap_or_default();
        self.out.extra.extend_from_slice(piece);
    }

    /// Appends what the escape behind the backslash means; returns where the text goes on.
    fn escape(&mut self, at: usize) -> Option<usize> {
        let byte = match self.body.get(at)? {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 0x08,
            b'f' => 0x0c,
            b'u' => return self.unicode_escape(at + 1),
            // Zipkin's reader takes a quote and a line feed as well.
            same @ (b'"' | b'\\' | b'/' | b'\'' | b'\n') => *same,
            _ => return None,
        };
        self.out.extra.push(byte);
        Some(at + 1)
    }

    /// Appends the character of `\uXXXX` or of a pair of them; `at` is the first digit.
    fn unicode_escape(&mut self, at: usize) -> Option<usize> {
        let unit = self.code_unit(at)?;
        let after = at + 4;
        let (character, end) = match self.low_surrogate(after) {
            Some(low) if (0xd800..0xdc00).contains(&unit) => {
                let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                (char::from_u32(code), after + 6)
            }
            _ => (char::from_u32(unit), after),
        };
        match character {
            Some(character) => {
                let mut bytes = [0; 4];
                let bytes = character.encode_utf8(&mut bytes).as_bytes();
                self.out.extra.extend_from_slice(bytes);
            }
            None => self.out.extra.push(LONE_SURROGATE),
        }
        Some(end)
    }

    fn low_surrogate(&self, at: usize) -> Option<u32> {
        if self.body.get(at..at + 2)? != b"\\u" {
            return None;
        }
        self.code_unit(at + 2)
            .filter(|unit| (0xdc00..0xe000).contains(unit))
    }

    /// Four hex digits of either case.
    fn code_unit(&self, at: usize) -> Option<u32> {
        let digits = self.body.get(at..at + 4)?;
        digits.iter().try_fold(0, |unit, &digit| {
            Some(unit << 4 | char::from(digit).to_digit(16)?)
        })
    }
}

//! Texts cut to what a column holds. Not an escape: a value that was cut is read back cut.

use std::borrow::Cow;

/// What the columns of text hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TextRoom {
    /// Characters of the shortest column.
    pub(crate) chars_max: usize,
    /// Whether characters beyond the BMP have a place: `utf8mb4`, not Zipkin's `utf8`.
    pub(crate) beyond_bmp: bool,
}

impl TextRoom {
    /// Returns the text as the column holds it: a character it has no place for becomes `?`, as the
    /// server itself would make it, and what is too long ends earlier.
    pub(crate) fn fit<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if text.is_ascii() && text.len() <= self.chars_max {
            return Cow::Borrowed(text);
        }
        let held = |c: char| self.beyond_bmp || u32::from(c) <= 0xffff;
        let fits = text.chars().all(held)
            && text.chars().take(self.chars_max + 1).count() <= self.chars_max;
        if fits {
            return Cow::Borrowed(text);
        }
        let chars = text.chars().take(self.chars_max);
        Cow::Owned(chars.map(|c| if held(c) { c } else { '?' }).collect())
    }
}

/// Bytes of a tag's value, in a `BLOB`.
pub(crate) const VALUE_BYTES_MAX: usize = 65_535;

/// Returns the value as a `BLOB` holds it: whole characters of the first 65,535 bytes.
pub(crate) fn fit_value(value: &str) -> &str {
    let end = value.floor_char_boundary(VALUE_BYTES_MAX);
    value.get(..end).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UTF8: TextRoom = TextRoom {
        chars_max: 4,
        beyond_bmp: false,
    };

    #[test]
    fn texts_end_where_the_column_does() {
        assert_eq!(UTF8.fit("abcd"), "abcd");
        assert_eq!(UTF8.fit("abcde"), "abcd");
        assert_eq!(
            UTF8.fit("\u{e9}\u{e9}\u{e9}\u{e9}"),
            "\u{e9}\u{e9}\u{e9}\u{e9}"
        );
        assert_eq!(
            UTF8.fit("\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}").chars().count(),
            4
        );
    }

    #[test]
    fn characters_without_a_place_are_replaced() {
        assert_eq!(UTF8.fit("a\u{1F600}b"), "a?b");
        let wide = TextRoom {
            beyond_bmp: true,
            ..UTF8
        };
        assert_eq!(wide.fit("a\u{1F600}b"), "a\u{1F600}b");
    }

    #[test]
    fn values_end_at_a_character() {
        let long = "\u{e9}".repeat(40_000);
        assert_eq!(fit_value(&long).len(), 65_534);
        assert_eq!(fit_value("short"), "short");
    }
}

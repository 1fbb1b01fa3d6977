//! `.properties` files as Spring Boot reads them: Latin-1 with escapes, continued lines, lists by
//! `key[]=a,b`, and documents with `#---` or `!---` between.

use crate::document::{Bounds, Broken, Budget, Document, Entries, Place};
use crate::value::Value;

/// Reads all documents that hold anything.
pub(crate) fn read(bytes: &[u8], bounds: &Bounds) -> Result<Vec<Document>, Broken> {
    let mut budget = Budget::new(bounds);
    let mut documents = Vec::new();
    for group in split(bytes)? {
        let mut entries = Entries::new(&mut budget);
        for line in group {
            entry(&line, &mut entries)?;
        }
        documents.push(entries.finish()?);
    }
    Ok(documents)
}

/// A character and where it stood. Escaped ones mean nothing but themselves.
#[derive(Clone, Copy, Debug)]
struct Char {
    c: char,
    escaped: bool,
    at: Place,
}

/// A line with those that continue it.
type Line = Vec<Char>;

/// Returns the logical lines of each document. A separator counts when no comment of its own kind
/// touches it.
fn split(bytes: &[u8]) -> Result<Vec<Vec<Line>>, Broken> {
    let mut groups: Vec<Vec<Line>> = Vec::new();
    let mut group: Vec<Line> = Vec::new();
    let mut comment_before = None;
    let mut lines = Lines { bytes, number: 0 };
    while let Some(natural) = lines.next() {
        let first = natural.iter().position(|byte| !is_blank(*byte));
        let Some(first) = first else {
            comment_before = None;
            continue;
        };
        let mark = natural.get(first).copied().unwrap_or_default();
        if mark == b'#' || mark == b'!' {
            let touched = comment_before == Some(mark);
            if first == 0 && !touched && is_separator(natural) {
                if !group.is_empty() {
                    groups.push(std::mem::take(&mut group));
                }
                comment_before = None;
            } else {
                if group.is_empty()
                    && let Some(before) = groups.pop()
                {
                    group = before;
                }
                comment_before = Some(mark);
            }
            continue;
        }
        comment_before = None;
        group.push(logical(natural, first, &mut lines)?);
    }
    if !group.is_empty() {
        groups.push(group);
    }
    Ok(groups)
}

fn is_separator(line: &[u8]) -> bool {
    let rest = line.get(1..).unwrap_or_default();
    let rest = rest.strip_prefix(b"---");
    rest.is_some_and(|rest| rest.iter().all(|byte| is_blank(*byte)))
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0c)
}

struct Lines<'a> {
    bytes: &'a [u8],
    /// Of the line returned last, counted from 1.
    number: u32,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.bytes.is_empty() {
            return None;
        }
        self.number += 1;
        let end = self
            .bytes
            .iter()
            .position(|byte| matches!(byte, b'\n' | b'\r'));
        let Some(end) = end else {
            return Some(std::mem::take(&mut self.bytes));
        };
        let (line, rest) = self.bytes.split_at(end);
        let both = rest.starts_with(b"\r\n");
        self.bytes = rest.get(if both { 2 } else { 1 }..).unwrap_or_default();
        Some(line)
    }
}

/// Puts a line and its continuations together and undoes escapes.
fn logical(first: &[u8], begins: usize, lines: &mut Lines<'_>) -> Result<Line, Broken> {
    let mut out = Line::new();
    let (mut natural, mut at) = (first, begins);
    loop {
        while let Some(byte) = natural.get(at).copied() {
            let here = Place {
                line: lines.number,
                column: at as u32 + 1,
            };
            at += 1;
            if byte != b'\\' {
                out.push(Char {
                    c: char::from(byte),
                    escaped: false,
                    at: here,
                });
                continue;
            }
            let Some(next) = natural.get(at).copied() else {
                break;
            };
            at += 1;
            let c = match next {
                b't' => '\t',
                b'n' => '\n',
                b'r' => '\r',
                b'f' => '\u{c}',
                b'u' => unicode(natural, &mut at).ok_or_else(|| malformed(here))?,
                other => char::from(other),
            };
            out.push(Char {
                c,
                escaped: true,
                at: here,
            });
        }
        let continues = natural
            .iter()
            .rev()
            .take_while(|byte| **byte == b'\\')
            .count()
            % 2
            == 1;
        let Some(next) = continues.then(|| lines.next()).flatten() else {
            return Ok(out);
        };
        natural = next;
        at = next
            .iter()
            .position(|byte| !is_blank(*byte))
            .unwrap_or(next.len());
    }
}

/// A backslash of a path, most often: what Spring refuses must not be served as something else.
fn malformed(at: Place) -> Broken {
    Broken::new(at, "\\u needs four hexadecimal digits behind it")
}

/// Reads the digits behind `\u`, and those of the second half of a pair; half a pair is taken as
/// U+FFFD. There is no character when digits are missing.
fn unicode(natural: &[u8], at: &mut usize) -> Option<char> {
    let first = unit(natural, at)?;
    if let Some(c) = char::from_u32(first) {
        return Some(c);
    }
    let is_pair = natural
        .get(*at..)
        .is_some_and(|rest| rest.starts_with(b"\\u"));
    let mut behind = *at + 2;
    let second = is_pair.then(|| unit(natural, &mut behind)).flatten();
    let pair = second.and_then(|second| {
        let units = [first as u16, second as u16];
        char::decode_utf16(units).next()?.ok()
    });
    if pair.is_some() {
        *at = behind;
    }
    pair.or(Some(char::REPLACEMENT_CHARACTER))
}

fn unit(natural: &[u8], at: &mut usize) -> Option<u32> {
    let digits = natural.get(*at..*at + 4)?;
    let text = std::str::from_utf8(digits).ok()?;
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    *at += 4;
    u32::from_str_radix(text, 16).ok()
}

fn entry(line: &Line, entries: &mut Entries<'_>) -> Result<(), Broken> {
    let blank = |char: &Char| !char.escaped && matches!(char.c, ' ' | '\t' | '\u{c}');
    let delimits = |char: &Char| !char.escaped && matches!(char.c, '=' | ':');
    let key_end = line
        .iter()
        .position(|char| blank(char) || delimits(char))
        .unwrap_or(line.len());
    let (key, rest) = line.split_at(key_end);
    let skip = |chars: &[Char]| {
        chars
            .iter()
            .position(|char| !blank(char))
            .unwrap_or(chars.len())
    };
    let mut rest = rest.get(skip(rest)..).unwrap_or_default();
    if rest.first().is_some_and(delimits) {
        rest = rest.get(1..).unwrap_or_default();
        rest = rest.get(skip(rest)..).unwrap_or_default();
    }
    let key: String = key.iter().map(|char| char.c).collect();
    // As in Spring, what stands behind a stray delimiter is nobody's.
    if key.is_empty() {
        return Ok(());
    }
    let end = line.last().map_or_else(Place::default, |last| Place {
        column: last.at.column + 1,
        ..last.at
    });
    let put = |entries: &mut Entries<'_>, key: &str, chars: &[Char]| {
        let text: String = chars.iter().map(|char| char.c).collect();
        let at = chars.first().map_or(end, |first| first.at);
        entries.put(key, Value::text(&text), at)
    };
    let Some(list) = key.strip_suffix("[]") else {
        return put(entries, &key, rest);
    };
    let comma = |char: &Char| char.c == ',' && !char.escaped;
    for (index, item) in rest.split(comma).enumerate() {
        let item = item.get(skip(item)..).unwrap_or_default();
        put(entries, &format!("{list}[{index}]"), item)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Vec<Vec<(String, String, String)>> {
        let documents = read(text.as_bytes(), &Bounds::default()).unwrap();
        let entry = |entry: &crate::document::Entry| {
            (
                entry.key.to_string(),
                entry.value.to_string(),
                entry.place.to_string(),
            )
        };
        let document = |document: &Document| document.entries.iter().map(entry).collect();
        documents.iter().map(document).collect()
    }

    fn pairs(text: &str) -> Vec<(String, String)> {
        let documents = read_text(text).into_iter().flatten();
        documents.map(|(key, value, _)| (key, value)).collect()
    }

    #[test]
    fn keys_end_at_a_delimiter_or_a_blank() {
        let cases = [
            ("a=b", "a", "b"),
            ("a = b ", "a", "b "),
            ("a: b", "a", "b"),
            ("a b", "a", "b"),
            ("  a\t=\tb", "a", "b"),
            ("a==b", "a", "=b"),
            ("a", "a", ""),
            ("a\\=b=c", "a=b", "c"),
            ("a\\ b=c", "a b", "c"),
            ("a=b\\\n   c", "a", "bc"),
            ("a=b\\\\", "a", "b\\"),
            ("a=\\t\\n\\q\\u00e9", "a", "\t\nqé"),
            ("a=\\ud83d\\ude00", "a", "😀"),
            ("a=\\ud83d", "a", "\u{fffd}"),
        ];
        for (text, key, value) in cases {
            assert_eq!(
                pairs(text),
                [(key.to_owned(), value.to_owned())],
                "{text:?}"
            );
        }
    }

    #[test]
    fn stray_delimiters_are_no_entries() {
        let only_a = [("a".to_owned(), "1".to_owned())];
        for text in ["=b\na=1", "a=1\n=", ":\na=1", "a=1\n= x"] {
            assert_eq!(pairs(text), only_a, "{text:?}");
        }
    }

    #[test]
    fn malformed_escapes_are_errors_that_say_where() {
        let broken = |text: &str| read(text.as_bytes(), &Bounds::default()).unwrap_err();
        let error = broken("x=1\ndir=C:\\users\\x");
        assert_eq!(
            error.to_string(),
            "line 2, column 7: \\u needs four hexadecimal digits behind it"
        );
        assert_eq!(broken("a=\\u12").place.to_string(), "1:3");
        assert_eq!(broken("a=x\\\n  \\u12g4").place.to_string(), "2:3");
        assert_eq!(pairs("# C:\\users\na=1").len(), 1);
    }

    #[test]
    fn bytes_are_latin_1() {
        let documents = read(b"a=\xe9", &Bounds::default()).unwrap();
        assert_eq!(documents[0].entries[0].value, Value::text("é"));
    }

    #[test]
    fn comments_and_empty_lines_are_no_entries() {
        assert_eq!(
            pairs("# a=1\n\n  ! b=2\r\n \nc=3\r"),
            [("c".to_owned(), "3".to_owned())]
        );
        assert!(read_text("# nothing\n").is_empty());
    }

    #[test]
    fn lists_are_spread() {
        let keys = pairs("a[]=x, y,z");
        let text = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            keys,
            [text("a[0]", "x"), text("a[1]", "y"), text("a[2]", "z")]
        );
    }

    #[test]
    fn separators_split_unless_a_comment_touches_them() {
        assert_eq!(read_text("a=1\n#---\nb=2").len(), 2);
        assert_eq!(read_text("a=1\n!---  \nb=2").len(), 2);
        assert_eq!(read_text("a=1\n#---x\nb=2").len(), 1);
        assert_eq!(read_text("a=1\n #---\nb=2").len(), 1);
        assert_eq!(read_text("a=1\n# why\n#---\nb=2").len(), 1);
        assert_eq!(read_text("a=1\n#---\n# why\nb=2").len(), 1);
        assert_eq!(read_text("#---\na=1\n#---\n").len(), 1);
    }

    #[test]
    fn places_are_those_of_values() {
        let documents = read_text("foo=x\n\nbar.baz = y\\\n z");
        assert_eq!(documents[0][0].2, "1:5");
        assert_eq!(documents[0][1].2, "3:11");
    }

    #[test]
    fn a_later_value_takes_the_place_of_an_earlier_one() {
        let text = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(pairs("a=1\nb=2\na=3"), [text("a", "3"), text("b", "2")]);
    }
}

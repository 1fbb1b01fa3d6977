//! Nested values as YAML text, in the style of `SnakeYAML`: block style, an indent of two, texts
//! plain where they can't be taken for something else, lines folded behind column 80.

use crate::value::{Value, java_double, push};
use crate::yaml;

use super::tree::Tree;

const WIDTH: usize = 80;
/// Characters of a key that may stand before its colon without a question mark.
const SIMPLE_KEY_MAX: usize = 128;

/// Returns the document.
pub(super) fn write(tree: &Tree) -> String {
    let mut writer = Writer::default();
    writer.node(tree, (0, Position::Root));
    if !writer.out.ends_with('\n') {
        writer.out.push('\n');
    }
    writer.out
}

/// Where a node stands, which says how it begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    Root,
    /// Behind a key.
    Value,
    /// Behind a dash.
    Item,
}

#[derive(Default)]
struct Writer {
    out: String,
}

impl Writer {
    /// Writes a node whose own keys or dashes stand at an indent.
    fn node(&mut self, tree: &Tree, (indent, position): (usize, Position)) {
        match tree {
            Tree::Map(entries) if !entries.is_empty() => {
                let mut first = true;
                for (key, value) in entries {
                    self.begin(indent, (&mut first, position));
                    self.key(key, indent);
                    self.value(value, indent);
                }
            }
            Tree::List(items) if !items.is_empty() => {
                let mut first = true;
                for item in items.values() {
                    self.begin(indent, (&mut first, position));
                    self.out.push('-');
                    match item {
                        Tree::Map(_) | Tree::List(_) => {
                            self.node(item, (indent + 2, Position::Item));
                        }
                        _ => self.node(item, (indent, Position::Value)),
                    }
                }
            }
            Tree::Map(_) => self.word("{}", position),
            Tree::List(_) => self.word("[]", position),
            Tree::Nothing => self.word("null", position),
            Tree::Leaf(value) => {
                self.word("", position);
                self.scalar(value, indent + 2);
            }
            Tree::Resolved(value) => {
                self.word("", position);
                match value.as_text() {
                    Some(text) if Form::of(text).plain => self.folded(text, Some(indent + 2)),
                    _ => self.scalar(value, indent + 2),
                }
            }
        }
    }

    fn word(&mut self, word: &str, position: Position) {
        if position != Position::Root {
            self.out.push(' ');
        }
        self.out.push_str(word);
    }

    /// Begins the line of a key or a dash; the first of an item stays behind its dash.
    fn begin(&mut self, indent: usize, (first, position): (&mut bool, Position)) {
        if std::mem::take(first) && position == Position::Item {
            self.out.push(' ');
        } else {
            self.line(indent);
        }
    }

    fn line(&mut self, indent: usize) {
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
        self.out.extend(std::iter::repeat_n(' ', indent));
    }

    fn key(&mut self, key: &str, indent: usize) {
        let simple = key.chars().count() < SIMPLE_KEY_MAX && !key.contains(is_break);
        if simple {
            self.text(key, None);
        } else {
            self.out.push_str("? ");
            self.text(key, Some(indent + 2));
            self.line(indent);
        }
        self.out.push(':');
    }

    fn value(&mut self, value: &Tree, indent: usize) {
        match value {
            // Lists stand under their key, without an indent of their own.
            Tree::Map(_) => self.node(value, (indent + 2, Position::Value)),
            _ => self.node(value, (indent, Position::Value)),
        }
    }

    fn scalar(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Text(text) => self.text(text, Some(indent)),
            Value::Float(number) if number.is_nan() => self.out.push_str(".nan"),
            Value::Float(number) if *number == f64::INFINITY => self.out.push_str(".inf"),
            Value::Float(number) if *number == f64::NEG_INFINITY => self.out.push_str("-.inf"),
            Value::Float(number) => self.out.push_str(&java_double(*number)),
            Value::Bool(_) | Value::Integer(_) => self.out.push_str(&value.to_string()),
        }
    }

    /// Writes a text; without an indent for further lines it stays on one.
    fn text(&mut self, text: &str, indent: Option<usize>) {
        let form = Form::of(text);
        if let Some(indent) = indent
            && form.literal
        {
            self.literal(text, indent);
        } else if form.plain && !means_more(text) {
            self.folded(text, indent);
        } else if form.quotable {
            self.out.push('\'');
            self.folded(&text.replace('\'', "''"), indent);
            self.out.push('\'');
        } else {
            self.escaped(text);
        }
    }

    /// Writes words; a single blank behind the width becomes a line break.
    fn folded(&mut self, text: &str, indent: Option<usize>) {
        let begins = self.out.rfind('\n').map_or(0, |at| at + 1);
        let mut column = self
            .out
            .get(begins..)
            .map_or(0, |line| line.chars().count());
        let mut chars = text.chars().peekable();
        let (mut before, mut written) = ('\0', false);
        while let Some(c) = chars.next() {
            let alone = c == ' '
                && before != ' '
                && written
                && chars.peek().is_some_and(|next| *next != ' ');
            match indent {
                Some(indent) if alone && column > WIDTH => {
                    self.out.push('\n');
                    self.out.extend(std::iter::repeat_n(' ', indent));
                    column = indent;
                }
                _ => {
                    self.out.push(c);
                    column += 1;
                }
            }
            before = c;
            written = true;
        }
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.out.push('|');
        if text.starts_with([' ', '\n']) {
            self.out.push('2');
        }
        if !text.ends_with('\n') {
            self.out.push('-');
        } else if text == "\n" || text.ends_with("\n\n") {
            self.out.push('+');
        }
        self.out.push('\n');
        for line in text.split_inclusive('\n') {
            if line != "\n" {
                self.out.extend(std::iter::repeat_n(' ', indent));
            }
            self.out.push_str(line);
        }
    }

    fn escaped(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\0' => self.out.push_str("\\0"),
                '\u{7}' => self.out.push_str("\\a"),
                '\u{8}' => self.out.push_str("\\b"),
                '\t' => self.out.push_str("\\t"),
                '\n' => self.out.push_str("\\n"),
                '\u{b}' => self.out.push_str("\\v"),
                '\u{c}' => self.out.push_str("\\f"),
                '\r' => self.out.push_str("\\r"),
                '\u{1b}' => self.out.push_str("\\e"),
                '\u{85}' => self.out.push_str("\\N"),
                '\u{a0}' => self.out.push_str("\\_"),
                '\u{2028}' => self.out.push_str("\\L"),
                '\u{2029}' => self.out.push_str("\\P"),
                c if is_printable(c) => self.out.push(c),
                c if (c as u32) < 0x100 => push(&mut self.out, format_args!("\\x{:02x}", c as u32)),
                c => push(&mut self.out, format_args!("\\u{:04x}", c as u32)),
            }
        }
        self.out.push('"');
    }
}

/// Returns whether a text is written without quotes.
pub(super) fn is_plain(text: &str) -> bool {
    Form::of(text).plain && !means_more(text)
}

/// Returns whether a reader would take the text for something else. `0888` is no number for ours,
/// but for some.
fn means_more(text: &str) -> bool {
    let zero_first = text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    zero_first || yaml::means_more_than_text(text)
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}') && c != '\u{feff}'
        || c >= '\u{10000}'
}

/// In which forms a text can be written.
struct Form {
    plain: bool,
    quotable: bool,
    literal: bool,
}

impl Form {
    fn of(text: &str) -> Self {
        let special = text
            .chars()
            .any(|c| c != '\n' && (!is_printable(c) || is_break(c)));
        let has_breaks = text.contains('\n');
        let blank_at_an_end = text.starts_with([' ', '\n']) || text.ends_with([' ', '\n']);
        Self {
            plain: !text.is_empty()
                && !special
                && !has_breaks
                && !blank_at_an_end
                && !has_indicator(text),
            quotable: !special && !has_breaks,
            // A blank before a break would not survive.
            literal: has_breaks && !special && !text.ends_with(' ') && !text.contains(" \n"),
        }
    }
}

/// Returns whether a character would mean something to a reader of block style.
fn has_indicator(text: &str) -> bool {
    if text.starts_with("---") || text.starts_with("...") {
        return true;
    }
    let mut chars = text.chars().peekable();
    let (mut first, mut after_blank) = (true, true);
    while let Some(c) = chars.next() {
        let before_blank = chars.peek().is_none_or(|next| next.is_whitespace());
        let means = match c {
            '#' => after_blank,
            ':' => before_blank,
            '-' | '?' => first && before_blank,
            ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@'
            | '`' => first,
            _ => false,
        };
        if means {
            return true;
        }
        (first, after_blank) = (false, c.is_whitespace());
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let tree = Tree::Map([("k".to_owned(), Tree::Leaf(Value::text(text)))].into());
        write(&tree)
    }

    #[test]
    fn texts_are_quoted_only_where_they_must() {
        let cases = [
            ("plain", "k: plain\n"),
            ("", "k: ''\n"),
            ("yes", "k: 'yes'\n"),
            ("0777", "k: '0777'\n"),
            ("0888", "k: '0888'\n"),
            ("a\u{2028}b", "k: \"a\\Lb\"\n"),
            ("1.5", "k: '1.5'\n"),
            ("2024-01-02", "k: '2024-01-02'\n"),
            ("~", "k: '~'\n"),
            ("null", "k: 'null'\n"),
            ("<n/a>", "k: <n/a>\n"),
            ("!cloud", "k: '!cloud'\n"),
            ("${foo}", "k: ${foo}\n"),
            ("a: b", "k: 'a: b'\n"),
            ("a:b", "k: a:b\n"),
            ("a #b", "k: 'a #b'\n"),
            ("a#b", "k: a#b\n"),
            ("it's", "k: it's\n"),
            ("'it's", "k: '''it''s'\n"),
            (" x", "k: ' x'\n"),
            ("x ", "k: 'x '\n"),
            ("- x", "k: '- x'\n"),
            ("-x", "k: -x\n"),
            ("[x", "k: '[x'\n"),
            ("a\tb", "k: \"a\\tb\"\n"),
            ("a\nb", "k: |-\n  a\n  b\n"),
            ("a\nb\n", "k: |\n  a\n  b\n"),
            ("a\n\n", "k: |+\n  a\n\n"),
            (" a\nb", "k: |2-\n   a\n  b\n"),
            ("a \nb", "k: \"a \\nb\"\n"),
            ("é 漢字 😀", "k: é 漢字 😀\n"),
            ("\u{7f}", "k: \"\\x7f\"\n"),
        ];
        for (text, expected) in cases {
            assert_eq!(written(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_written_means_the_same_when_read() {
        let word = "word".repeat(6);
        let long = [word.as_str(); 9].join(" ");
        let texts = [
            "a", "yes", "12", "a: b", "# x", "a\nb\n", "\n", "a\n\n", "\t", "'", "\"", &long,
        ];
        for text in texts {
            let written = written(text);
            let bounds = crate::document::Bounds::default();
            let read = yaml::read(written.as_bytes(), &bounds).unwrap();
            assert_eq!(read[0].entries[0].value, Value::text(text), "{written}");
        }
        assert!(written(&long).lines().count() > 1);
    }
}

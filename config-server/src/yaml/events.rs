//! The parser's events with the place where each begins. Between tokens `SnakeYAML` takes no tabs,
//! and the place of a block scalar is that of its sign; neither is so in the parser.

use granit_parser::{Event, Marker, Parser, ScalarStyle, StrInput};

use super::{broken, place};
use crate::document::{Broken, Place};

/// The events of a text.
pub(super) struct Events<'a> {
    parser: Parser<'a, StrInput<'a>>,
    text: &'a str,
    /// Where the last token ended, when that is known.
    behind: Option<Marker>,
}

impl<'a> Events<'a> {
    pub(super) fn new(parser: Parser<'a, StrInput<'a>>, text: &'a str) -> Self {
        Self {
            parser,
            text,
            behind: Some(Marker::new(0, 1, 0).with_byte_offset(Some(0))),
        }
    }

    /// Returns the next event and where it begins.
    pub(super) fn next(&mut self) -> Result<Option<(Event<'a>, Place)>, Broken> {
        let Some(event) = self.parser.next() else {
            return Ok(None);
        };
        let (event, span) = event.map_err(|error| broken(&error))?;
        let mut at = place(&span.start);
        if let Some(tag) = span.tag_start() {
            at = place(&tag);
        }
        let is_block = matches!(
            event,
            Event::Scalar(_, ScalarStyle::Literal | ScalarStyle::Folded, ..)
        );
        if let Some((gap, from)) = self.gap(&span.start) {
            if is_block {
                at = sign(gap, from).unwrap_or(at);
            } else {
                refuse_tabs(gap, from)?;
            }
        }
        let moves_on = span.end.byte_offset() >= self.behind.and_then(|mark| mark.byte_offset());
        // Where a block scalar ends is told in several ways, so what follows it is not looked at.
        if is_block {
            self.behind = None;
        } else if moves_on {
            self.behind = Some(span.end);
        }
        Ok(Some((event, at)))
    }

    /// Returns what stands between the last token and a place.
    fn gap(&self, to: &Marker) -> Option<(&'a str, Place)> {
        let from = self.behind?;
        let gap = self.text.get(from.byte_offset()?..to.byte_offset()?)?;
        Some((gap, place(&from)))
    }
}

/// Returns the place of the sign that a block scalar begins with.
fn sign(gap: &str, from: Place) -> Option<Place> {
    let mut at = from;
    let mut before = ' ';
    for c in gap.chars() {
        if matches!(c, '|' | '>') && before.is_whitespace() {
            return Some(at);
        }
        step(&mut at, c);
        before = c;
    }
    None
}

fn step(at: &mut Place, c: char) {
    if c == '\n' {
        *at = Place {
            line: at.line + 1,
            column: 1,
        };
    } else {
        at.column += 1;
    }
}

/// Refuses tabs that are neither in a comment nor behind all else of a line.
fn refuse_tabs(gap: &str, from: Place) -> Result<(), Broken> {
    if !gap.contains('\t') {
        return Ok(());
    }
    let mut at = from;
    let mut line_has_text = from.column > 1;
    let mut in_comment = false;
    let mut rest = gap;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        match c {
            '\n' => (line_has_text, in_comment) = (false, false),
            '#' => in_comment = true,
            '\t' if !in_comment => {
                let line = rest.lines().next().unwrap_or_default();
                let ends = rest.contains('\n') && line.trim_start().is_empty();
                let is_last = ends || line.trim_start().starts_with('#');
                if !line_has_text || !is_last {
                    return Err(Broken::new(at, "a tab stands where only blanks may"));
                }
            }
            ' ' | '\t' => {}
            _ => line_has_text = true,
        }
        step(&mut at, c);
    }
    Ok(())
}

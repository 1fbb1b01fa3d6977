//! Moves over the bytes of a JSON body: blanks, punctuation, literals, and whole values that
//! nobody asked for. It knows JSON as lenient as Zipkin's reader is, and nothing of spans.

use crate::batch::{SpanBatch, Text};
use crate::codec::endpoints::Endpoints;
use crate::codec::json_v2::fault::{Cause, Fault};
use crate::codec::{DecodeError, scan};

/// The position in a body, and the batch that the body is decoded into.
pub(in crate::codec) struct Cursor<'a> {
    pub(in crate::codec) body: &'a [u8],
    pub(in crate::codec) at: usize,
    pub(in crate::codec) out: &'a mut SpanBatch,
    pub(super) endpoints: Endpoints<'a>,
    /// Whether a string may be one that only version 1 has.
    pub(super) may_be_version_1: bool,
    depth_max: usize,
}

/// What [`Cursor::peek`] gives behind the body: a byte that may stand nowhere between tokens.
const END: u8 = 0;

/// Where the name of an endpoint begins that says it first.
const ENDPOINT_NAME_AT: usize = "{\"serviceName\":\"".len();

/// What [`super::VERSION_1`] looks for, but for its quote: a string that ends in it is as long,
/// and has a `y` there.
const VERSION_1_BYTES: usize = "yAnnotations".len();

/// Values nest by recursion, so whatever the bounds say, the stack is what it is.
const DEPTH_MAX: usize = 1000;

impl<'a> Cursor<'a> {
    /// Returns a cursor at the start of `body`.
    pub(in crate::codec) fn new(body: &'a [u8], out: &'a mut SpanBatch, depth_max: usize) -> Self {
        let depth_max = depth_max.min(DEPTH_MAX);
        Self {
            body,
            at: 0,
            out,
            endpoints: Endpoints::new(body, ENDPOINT_NAME_AT),
            may_be_version_1: false,
            depth_max,
        }
    }

    /// Returns the byte here, [`END`] behind the last.
    #[inline(always)]
    pub(in crate::codec) fn peek(&self) -> u8 {
        self.body.get(self.at).copied().unwrap_or(END)
    }

    /// Returns the next byte that is not blank and moves to it.
    #[inline(always)]
    pub(in crate::codec) fn peek_token(&mut self) -> u8 {
        let byte = self.peek();
        if byte > b' ' {
            byte
        } else {
            self.skip_blanks()
        }
    }

    #[cold]
    #[inline(never)]
    fn skip_blanks(&mut self) -> u8 {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        self.peek()
    }

    /// Moves behind the punctuation `byte`, which must be the next token.
    #[inline(always)]
    pub(in crate::codec) fn take(&mut self, byte: u8) -> Result<(), Fault> {
        if self.peek() == byte || self.peek_token() == byte {
            self.at += 1;
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// Opens a container and returns whether there is something in it.
    #[inline(always)]
    pub(in crate::codec) fn open(&mut self, open: u8, close: u8) -> Result<bool, Fault> {
        self.take(open)?;
        let empty = self.peek_token() == close;
        self.at += usize::from(empty);
        Ok(!empty)
    }

    /// Moves behind a comma (true) or the end of the container (false).
    #[inline(always)]
    pub(in crate::codec) fn more(&mut self, close: u8) -> Result<bool, Fault> {
        let byte = self.peek_token();
        if byte == b',' || byte == close {
            self.at += 1;
            Ok(byte == b',')
        } else {
            Err(self.unexpected())
        }
    }

    /// Returns the fault that this token is none that may stand here.
    #[cold]
    #[inline(never)]
    pub(in crate::codec) fn unexpected(&self) -> Fault {
        Fault::new(if self.at < self.body.len() {
            Cause::Malformed
        } else {
            Cause::EndOfInput(self.body.len())
        })
    }

    /// Returns the fault that the value here is not of the type `wanted`.
    #[cold]
    #[inline(never)]
    pub(in crate::codec) fn wrong_type(&mut self, wanted: &'static str) -> Fault {
        let token = self.peek_token();
        let start = self.at;
        let (found, end) = match token {
            b'"' => ("STRING", start + 1),
            b'{' => ("BEGIN_OBJECT", start + 1),
            b'[' => ("BEGIN_ARRAY", start + 1),
            b'-' | b'0'..=b'9' => match self.number_token() {
                Ok(end) => ("NUMBER", end),
                Err(fault) => return fault,
            },
            _ => match self.keyword() {
                Some("null") => ("NULL", self.at),
                Some(_) => ("BOOLEAN", self.at),
                None => return self.unexpected(),
            },
        };
        Fault::new(Cause::Type(wanted, found, start, end))
    }

    /// Moves behind the literal here, in any case, and returns it in lower case.
    pub(in crate::codec) fn keyword(&mut self) -> Option<&'static str> {
        let rest = self.body.get(self.at..)?;
        let keyword = ["true", "false", "null"].into_iter().find(|keyword| {
            rest.get(..keyword.len())
                .is_some_and(|text| text.eq_ignore_ascii_case(keyword.as_bytes()))
        })?;
        self.at += keyword.len();
        Some(keyword)
    }

    /// Moves behind a null, if the value here is one.
    #[inline(always)]
    pub(in crate::codec) fn take_null(&mut self) -> bool {
        matches!(self.peek_token(), b'n' | b'N') && self.keyword().is_some()
    }

    /// Reads true or false.
    pub(in crate::codec) fn boolean(&mut self) -> Result<bool, Fault> {
        match self.peek_token() {
            b't' | b'T' | b'f' | b'F' => match self.keyword() {
                Some(keyword) => Ok(keyword == "true"),
                None => Err(self.unexpected()),
            },
            _ => Err(self.wrong_type("a boolean")),
        }
    }

    /// Moves behind the value of a field that nobody knows; it must be JSON all the same.
    #[cold]
    #[inline(never)]
    pub(in crate::codec) fn skip_value(&mut self, depth: usize) -> Result<(), Fault> {
        if depth > self.depth_max {
            let max = self.depth_max;
            return Err(DecodeError::TooLarge {
                what: "nesting",
                max,
            }
            .into());
        }
        match self.peek_token() {
            b'"' => self.skip_string(),
            b'{' => {
                let mut more = self.open(b'{', b'}')?;
                while more {
                    if self.peek_token() != b'"' {
                        return Err(self.unexpected());
                    }
                    self.skip_string()?;
                    self.take(b':')?;
                    self.skip_value(depth + 1)?;
                    more = self.more(b'}')?;
                }
                Ok(())
            }
            b'[' => {
                let mut more = self.open(b'[', b']')?;
                while more {
                    self.skip_value(depth + 1)?;
                    more = self.more(b']')?;
                }
                Ok(())
            }
            b'-' | b'0'..=b'9' => {
                self.at = self.number_token()?;
                Ok(())
            }
            _ => match self.keyword() {
                Some(_) => Ok(()),
                None => Err(self.unexpected()),
            },
        }
    }

    /// Moves behind a string, which must still be one that can be read.
    fn skip_string(&mut self) -> Result<(), Fault> {
        let extra = self.out.extra.len();
        self.string()?;
        self.out.extra.truncate(extra);
        Ok(())
    }

    /// Reads a string whose opening quote is the next token.
    #[inline(always)]
    pub(in crate::codec) fn string(&mut self) -> Result<Text, Fault> {
        self.take(b'"')?;
        self.rest_of_string()
    }

    /// Reads a string from behind its opening quote.
    #[inline(always)]
    pub(in crate::codec) fn rest_of_string(&mut self) -> Result<Text, Fault> {
        let start = self.at;
        let mut at = start;
        while let Some(window) = scan::window(self.body, at) {
            let stops = scan::stops(window);
            if stops.any == 0 {
                at += scan::WINDOW;
                continue;
            }
            let first = stops.any.trailing_zeros();
            if stops.escape >> first & 1 != 0 {
                break;
            }
            let end = at + first as usize;
            self.at = end + 1;
            self.look_for_version_1(start, end);
            return Ok(Text::in_body(start, end - start));
        }
        self.unescape(start)
    }

    /// Notes whether the string may be one that only version 1 has.
    #[inline(always)]
    pub(super) fn look_for_version_1(&mut self, start: usize, end: usize) {
        if end - start >= VERSION_1_BYTES && self.body.get(end - VERSION_1_BYTES) == Some(&b'y') {
            self.may_be_version_1 = true;
        }
    }
}

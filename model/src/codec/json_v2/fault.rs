//! Why a JSON body is refused, as the hot path reports it: small, without text. The text, with
//! line, column and path, is worked out from the body once it is known that there is one to write.

use crate::codec::DecodeError;

/// A reason to refuse the body. One pointer, so that results stay in registers.
#[derive(Debug)]
pub(in crate::codec) struct Fault(Box<Cause>);

/// What went wrong; positions are byte offsets into the body.
#[derive(Debug)]
pub(in crate::codec) enum Cause {
    /// Not JSON, or a list where an object belongs.
    Malformed,
    /// The body stops here.
    EndOfInput(usize),
    /// Another type than the field has: wanted, found, and the token from and to.
    Type(&'static str, &'static str, usize, usize),
    /// A number that the field cannot hold, from and to.
    Number(&'static str, usize, usize),
    /// A tag without value.
    NoValue(usize),
    /// An annotation without time or value.
    IncompleteAnnotation(usize),
    /// A binary annotation without key.
    NoKey(usize),
    /// A field's own rule, in words.
    Rule(String),
    /// One of the bounds.
    TooLarge(DecodeError),
}

impl Fault {
    #[cold]
    pub(in crate::codec) fn new(cause: Cause) -> Self {
        Self(Box::new(cause))
    }
}

impl From<DecodeError> for Fault {
    #[cold]
    fn from(error: DecodeError) -> Self {
        Self::new(Cause::TooLarge(error))
    }
}

/// Returns the fault of a field's own rule.
#[cold]
pub(in crate::codec) fn rule(text: String) -> Fault {
    Fault::new(Cause::Rule(text))
}

/// Returns what the sender reads about the fault.
#[cold]
pub(in crate::codec) fn explain(fault: Fault, body: &[u8]) -> DecodeError {
    explain_reading(fault, (body, "List<Span> from json"))
}

/// Returns what the sender reads about the fault; `what_is_read` says what was expected.
#[cold]
pub(in crate::codec) fn explain_reading(
    fault: Fault,
    (body, what_is_read): (&[u8], &str),
) -> DecodeError {
    let what = match *fault.0 {
        Cause::TooLarge(error) => return error,
        Cause::Malformed => "Malformed".to_owned(),
        Cause::EndOfInput(at) => format!("End of input at {}", Place::of(body, at)),
        Cause::Type(wanted, found, from, to) => {
            let place = Place {
                path: path(body.get(..from).unwrap_or(body)),
                ..Place::of(body, to)
            };
            format!("Expected {wanted} but was {found} at {place}")
        }
        Cause::Number(wanted, from, to) => {
            let number = String::from_utf8_lossy(body.get(from..to).unwrap_or_default());
            let place = Place::of(body, to);
            format!("Expected {wanted} but was {number} at {place}")
        }
        Cause::NoValue(at) => format!("No value at {}", Place::of(body, at).path),
        Cause::NoKey(at) => format!("No key at {}", Place::of(body, at).path),
        Cause::IncompleteAnnotation(at) => {
            format!("Incomplete annotation at {}", Place::of(body, at).path)
        }
        Cause::Rule(text) => text,
    };
    let what = shorten(what);
    DecodeError::Malformed(format!("{what} reading {what_is_read}"))
}

/// Bytes of an error's text: names, numbers and keys in it are as long as the sender likes.
const TEXT_BYTES_MAX: usize = 1000;

fn shorten(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        text.push_str("...");
    }
    text
}

/// Where in a body something is, as people count.
struct Place {
    line: usize,
    column: usize,
    path: String,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "line {} column {} path {}",
            self.line, self.column, self.path
        )
    }
}

/// An open container: the index in a list, or the last key of an object.
enum Step<'a> {
    Index(usize),
    Key(&'a [u8]),
}

impl Place {
    fn of(body: &[u8], at: usize) -> Self {
        let before = body.get(..at).unwrap_or(body);
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
        let line = String::from_utf8_lossy(before.get(line_start..).unwrap_or_default());
        Self {
            line: memchr::memchr_iter(b'\n', before).count() + 1,
            column: line.chars().count() + 1,
            path: path(before),
        }
    }
}

/// Returns the path behind `before`, which the decoder has read as JSON up to its last token.
fn path(before: &[u8]) -> String {
    let mut steps: Vec<Step<'_>> = Vec::new();
    let mut key_next = false;
    let mut at = 0;
    while let Some(&byte) = before.get(at) {
        at += 1;
        match byte {
            b'[' => steps.push(Step::Index(0)),
            b'{' => {
                steps.push(Step::Key(b""));
                key_next = true;
            }
            b']' | b'}' => {
                steps.pop();
                if let Some(Step::Index(index)) = steps.last_mut() {
                    *index += 1;
                }
            }
            b',' => key_next = true,
            b'"' => {
                let end = string_end(before, at);
                if key_next && let Some(Step::Key(key)) = steps.last_mut() {
                    *key = before.get(at..end).unwrap_or_default();
                }
                key_next = false;
                at = end + 1;
            }
            _ => {}
        }
    }
    let mut path = "$".to_owned();
    for step in &steps {
        match step {
            Step::Index(index) => path.extend(["[", &index.to_string(), "]"]),
            Step::Key(key) => path.extend([".", &String::from_utf8_lossy(key)]),
        }
    }
    path
}

fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

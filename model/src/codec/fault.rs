//! Why a body in one of the binary formats can't be read, in Zipkin's words. JSON, which says where
//! it went wrong and in which field, has its own.

use crate::codec::DecodeError;

/// A reason to refuse the body. One pointer, so that results stay in registers.
#[derive(Debug)]
pub(super) struct Fault(Box<Cause>);

#[derive(Debug)]
enum Cause {
    /// Not the format.
    Malformed,
    /// A length or a scalar reaches beyond its message: needed, there.
    Truncated(u64, usize),
    /// A field's own rule, in words.
    Rule(String),
    /// One of the bounds.
    TooLarge(DecodeError),
}

impl Fault {
    #[cold]
    fn new(cause: Cause) -> Self {
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
pub(super) fn rule(text: String) -> Fault {
    Fault::new(Cause::Rule(text))
}

/// Returns the fault that the body is not what it claims to be.
#[cold]
pub(super) fn malformed() -> Fault {
    Fault::new(Cause::Malformed)
}

/// Returns the fault that a value needs more bytes than are there.
#[cold]
pub(super) fn truncated(needed: u64, there: usize) -> Fault {
    Fault::new(Cause::Truncated(needed, there))
}

/// Returns what the sender reads about the fault.
#[cold]
pub(super) fn explain(fault: Fault, what_is_read: &str) -> DecodeError {
    let what = match *fault.0 {
        Cause::TooLarge(error) => return error,
        Cause::Malformed => "Malformed".to_owned(),
        Cause::Truncated(needed, there) => {
            format!("Truncated: length {needed} > bytes available {there}")
        }
        Cause::Rule(text) => text,
    };
    DecodeError::Malformed(format!("{what} reading {what_is_read}"))
}

//! What went wrong with a server, sorted by who has to do what about it, and said with that advice.
//! It retries nothing.

use speargun_storage::{ReadError, StoreError};

/// The codes of the server's errors that are told apart.
mod code {
    pub(super) const UNKNOWN_IDENTIFIER: u32 = 47;
    pub(super) const NO_SUCH_COLUMN: u32 = 16;
    pub(super) const UNKNOWN_TABLE: u32 = 60;
    pub(super) const UNKNOWN_DATABASE: u32 = 81;
    pub(super) const UNKNOWN_SETTING: u32 = 115;
    pub(super) const TIMEOUT_EXCEEDED: u32 = 159;
    pub(super) const READONLY: u32 = 164;
    pub(super) const CLUSTER_DOES_NOT_EXIST: u32 = 170;
    pub(super) const UNKNOWN_USER: u32 = 192;
    pub(super) const WRONG_PASSWORD: u32 = 193;
    pub(super) const REQUIRED_PASSWORD: u32 = 194;
    pub(super) const TOO_MANY_SIMULTANEOUS_QUERIES: u32 = 202;
    pub(super) const NO_ZOOKEEPER: u32 = 225;
    pub(super) const MEMORY_LIMIT_EXCEEDED: u32 = 241;
    pub(super) const TABLE_IS_READ_ONLY: u32 = 242;
    pub(super) const NOT_ENOUGH_SPACE: u32 = 243;
    pub(super) const TOO_MANY_PARTS: u32 = 252;
    pub(super) const ACCESS_DENIED: u32 = 497;
    pub(super) const QUERY_WAS_CANCELLED: u32 = 394;
    pub(super) const AUTHENTICATION_FAILED: u32 = 516;
}

/// How much of a server's text is repeated.
const TEXT_BYTES_MAX: usize = 600;

/// Why a server did not do what it was asked.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// It did not answer, or broke off: another may.
    #[error("ClickHouse can't be reached at {url}: {text}")]
    Unreachable {
        /// Who was asked.
        url: String,
        /// What the connection said.
        text: String,
    },
    /// It took longer than it may.
    #[error("ClickHouse took longer than the deadline")]
    Deadline,
    /// It answered with an error.
    #[error("{}{}", advice(*.code), said(.text))]
    Server {
        /// Its code; 0 when it gave none.
        code: u32,
        /// What it said.
        text: String,
    },
    /// The tables are not those that this code knows.
    #[error("{0}")]
    Schema(String),
    /// An answer has not the form that was asked for.
    #[error("ClickHouse's answer can't be read: {0}")]
    Answer(String),
    /// The answer would take more memory than one may.
    #[error("the answer takes more than {0} bytes")]
    TooMuch(usize),
}

fn said(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    format!(": {text}")
}

/// Returns what an error means for whoever runs the server.
fn advice(code: u32) -> String {
    let what = match code {
        code::AUTHENTICATION_FAILED
        | code::UNKNOWN_USER
        | code::WRONG_PASSWORD
        | code::REQUIRED_PASSWORD => {
            "ClickHouse refuses the user or the password: set CLICKHOUSE_USER and \
             CLICKHOUSE_PASSWORD"
        }
        code::ACCESS_DENIED => {
            "ClickHouse denies a right: grant the user SELECT and INSERT on the database, and \
             CREATE and ALTER too unless CLICKHOUSE_SCHEMA is false"
        }
        code::READONLY => {
            "ClickHouse lets this user only read: use a user whose profile has readonly = 0"
        }
        code::UNKNOWN_TABLE
        | code::UNKNOWN_DATABASE
        | code::NO_SUCH_COLUMN
        | code::UNKNOWN_IDENTIFIER => {
            "a table of Speargun is missing or changed in ClickHouse: with CLICKHOUSE_SCHEMA=true \
             it is made again, but for columns that somebody dropped"
        }
        code::UNKNOWN_SETTING => "this ClickHouse is too old: it must be 24.8 or newer",
        code::CLUSTER_DOES_NOT_EXIST => {
            "ClickHouse knows no such cluster: set CLICKHOUSE_CLUSTER to one of system.clusters"
        }
        code::TOO_MANY_SIMULTANEOUS_QUERIES => {
            "ClickHouse runs too many queries: raise its max_concurrent_queries or ask less"
        }
        code::NO_ZOOKEEPER => {
            "ClickHouse has no Keeper, which a cluster needs: unset CLICKHOUSE_CLUSTER or \
             configure one"
        }
        code::MEMORY_LIMIT_EXCEEDED => "ClickHouse has not the memory for this",
        code::TABLE_IS_READ_ONLY => {
            "a table of ClickHouse takes no writes at the moment, as without its Keeper"
        }
        code::NOT_ENOUGH_SPACE => "ClickHouse's disk is full: free space, or keep fewer days",
        code::TOO_MANY_PARTS => {
            "ClickHouse can't merge as fast as lists come: it needs a faster disk, or fewer \
             processes that write"
        }
        _ => return format!("ClickHouse answers with error {code}"),
    };
    format!("{what} (error {code})")
}

impl Fault {
    /// Returns the fault behind an error of the client library.
    pub(crate) fn of(error: &clickhouse::error::Error, url: &str) -> Self {
        use clickhouse::error::Error;
        let mut text = error.to_string();
        if let Error::BadResponse(answer) = error {
            return Self::of_answer(answer);
        }
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        match error {
            Error::TimedOut => Self::Deadline,
            Error::Network(_) | Error::Decompression(_) => Self::Unreachable {
                url: url.to_owned(),
                text: shorten(&text),
            },
            _ => Self::Answer(shorten(&text)),
        }
    }

    fn of_answer(answer: &str) -> Self {
        let code = code_of(answer);
        match code {
            code::TIMEOUT_EXCEEDED | code::QUERY_WAS_CANCELLED => Self::Deadline,
            _ => Self::Server {
                code,
                text: shorten(answer),
            },
        }
    }

    /// Returns whether another server may do what this one didn't.
    pub(crate) fn is_of_the_server(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// Returns whether a table is not there, or not as it was when it was last looked at.
    pub(crate) fn is_missing_table(&self) -> bool {
        let missing = [
            code::UNKNOWN_TABLE,
            code::UNKNOWN_DATABASE,
            code::NO_SUCH_COLUMN,
            code::UNKNOWN_IDENTIFIER,
        ];
        matches!(self, Self::Server { code, .. } if missing.contains(code))
    }

    /// Returns whether somebody has to change something before it can work again.
    fn needs_a_human(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Deadline | Self::TooMuch(_) => false,
            Self::Schema(_) | Self::Answer(_) => true,
            Self::Server { code, .. } => {
                // Unknown errors of a server are more often its state than ours to change, except
                // those below.
                let human = [
                    code::AUTHENTICATION_FAILED,
                    code::UNKNOWN_USER,
                    code::WRONG_PASSWORD,
                    code::REQUIRED_PASSWORD,
                    code::ACCESS_DENIED,
                    code::READONLY,
                    code::UNKNOWN_SETTING,
                    code::CLUSTER_DOES_NOT_EXIST,
                ];
                human.contains(code) || self.is_missing_table()
            }
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        if fault.needs_a_human() {
            Self::Refused(fault.to_string())
        } else {
            Self::Unavailable(fault.to_string())
        }
    }
}

impl From<Fault> for ReadError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Deadline => Self::DeadlineExceeded,
            Fault::TooMuch(bytes) => Self::TooMuch(bytes),
            other => Self::Failed(other.to_string()),
        }
    }
}

/// Returns the number behind the first `Code: `.
fn code_of(answer: &str) -> u32 {
    let digits = answer.split_once("Code: ").map_or("", |(_, rest)| rest);
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    digits.get(..end).and_then(|d| d.parse().ok()).unwrap_or(0)
}

/// Returns the text on one line, cut: an error may repeat a whole statement.
fn shorten(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = line.floor_char_boundary(TEXT_BYTES_MAX);
    line.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_from_what_the_server_says() {
        assert_eq!(code_of("Code: 516. DB::Exception: no"), 516);
        assert_eq!(code_of("no number"), 0);
        assert_eq!(code_of("Code: "), 0);
        assert_eq!(code_of("Code: 99999999999"), 0);
    }

    #[test]
    fn advice_says_what_to_do() {
        let fault = Fault::of_answer("Code: 516. DB::Exception:\n x: Authentication failed");
        let text = fault.to_string();
        assert!(text.contains("CLICKHOUSE_PASSWORD"), "{text}");
        assert!(matches!(StoreError::from(fault), StoreError::Refused(_)));
        let full = Fault::of_answer("Code: 243. DB::Exception: Cannot reserve");
        assert!(matches!(StoreError::from(full), StoreError::Unavailable(_)));
    }

    #[test]
    fn long_answers_are_cut_between_characters() {
        let text = shorten(&"\u{e9}".repeat(TEXT_BYTES_MAX));
        assert_eq!(text.len(), TEXT_BYTES_MAX);
        assert_eq!(shorten("a\n  b"), "a b");
    }
}

//! What goes wrong with a database, by what the caller does next, and in words that say what to
//! do. It retries nothing itself.

use std::time::Duration;

use mysql_async::{DriverError, Error, IoError, ServerError};
use speargun_storage::{ReadError, StoreError};

/// Why something was not done.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The caller's deadline passed.
    Deadline,
    /// The server has not answered a statement for so long.
    Silent(Duration),
    /// The answer is larger than so many bytes.
    TooMuch(usize),
    /// The tables are not as they must be, or a setting does not fit.
    Schema(String),
    /// The server or the way to it.
    Database(Error),
}

/// What a fault asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// The same again may work at once: a deadlock, a connection that was lost.
    Again,
    /// It may work later, by itself.
    Later,
    /// Somebody has to change something.
    Never,
    /// A value does not fit its column.
    Value,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match &error {
            // A statement that took longer than the server was told to let it.
            Error::Server(ServerError {
                code: 1969 | 3024, ..
            }) => Self::Deadline,
            _ => Self::Database(error),
        }
    }
}

impl Fault {
    /// Returns what the caller does next.
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::Schema(_)
            | Self::TooMuch(_)
            | Self::Database(Error::Url(_) | Error::Other(_)) => Verdict::Never,
            Self::Deadline | Self::Silent(_) => Verdict::Later,
            Self::Database(Error::Server(error)) => verdict_of(error.code),
            // Who has waited for a connection for long has waited enough.
            Self::Database(Error::Io(IoError::Io(error)))
                if error.kind() == std::io::ErrorKind::TimedOut =>
            {
                Verdict::Later
            }
            Self::Database(Error::Io(_)) => Verdict::Again,
            Self::Database(Error::Driver(error)) => match error {
                DriverError::ConnectionClosed | DriverError::PacketOutOfOrder => Verdict::Again,
                DriverError::PacketTooLarge => Verdict::Value,
                _ => Verdict::Never,
            },
        }
    }

    /// Returns whether the tables are no longer what they were.
    pub(crate) fn is_about_tables(&self) -> bool {
        let Self::Database(Error::Server(error)) = self else {
            return false;
        };
        // No such table, column, or value for a column without default.
        matches!(error.code, 1146 | 1054 | 1364)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Deadline => f.write_str("it took too long"),
            Self::Silent(patience) => {
                write!(f, "the server has not answered within {patience:?}")
            }
            Self::TooMuch(bytes) => write!(f, "the answer takes more than {bytes} bytes"),
            Self::Schema(text) => f.write_str(text),
            Self::Database(Error::Server(error)) => {
                write!(f, "{} (error {})", error.message.trim(), error.code)?;
                match advice(error.code) {
                    Some(advice) => write!(f, ": {advice}"),
                    None => Ok(()),
                }
            }
            Self::Database(Error::Io(error)) => write!(f, "the connection failed: {error}"),
            Self::Database(Error::Driver(error)) => write!(f, "the connection failed: {error}"),
            Self::Database(error) => error.fmt(f),
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

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault.verdict() {
            Verdict::Again | Verdict::Later => Self::Unavailable(fault.to_string()),
            Verdict::Never | Verdict::Value => Self::Refused(fault.to_string()),
        }
    }
}

fn verdict_of(code: u16) -> Verdict {
    match code {
        // Deadlock; the wait for a lock; a connection that was killed or timed out.
        1213 | 1205 | 1020 | 1927 | 1317 | 4031 => Verdict::Again,
        // Too many connections or queries, shutting down, read-only, full, out of something.
        1040 | 1203 | 1226 | 1053 | 1290 | 1792 | 1836 | 1114 | 1021 | 1030 | 1037 | 1041
        | 1135 | 1180 | 1206 | 1698 | 3 | 28 => Verdict::Later,
        // Too long, out of range, not of the column's character set.
        1406 | 1264 | 1265 | 1366 | 1292 | 1300 | 1367 | 1048 | 1118 | 1153 | 3988 => {
            Verdict::Value
        }
        _ => Verdict::Never,
    }
}

fn advice(code: u16) -> Option<&'static str> {
    let advice = match code {
        1045 | 1698 => "check MYSQL_USER and MYSQL_PASS, and from where that user may come",
        1044 | 1142 | 1143 | 1227 | 1370 | 1410 => {
            "grant the user SELECT, INSERT, UPDATE and DELETE on the database, and CREATE once"
        }
        1049 => "create the database, or check MYSQL_DB",
        1146 => "run speargun storage init, or apply Zipkin's mysql.sql",
        1054 => "a column is missing: the tables are not of Zipkin's schema v1",
        1364 => "a column that is unknown here needs a value: a newer schema",
        1040 | 1203 | 1226 => "raise the server's limit or lower MYSQL_MAX_CONNECTIONS",
        1290 | 1792 | 1836 => "the server takes no writes: point MYSQL_HOST at the primary",
        1114 | 1021 | 3 | 28 => "the server's disk or table is full",
        1267 | 1253 | 1115 => "the tables need the character set utf8 or utf8mb4",
        1153 => "raise the server's max_allowed_packet",
        _ => return None,
    };
    Some(advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: u16) -> Fault {
        Fault::from(Error::Server(ServerError {
            code,
            message: "said the server".into(),
            state: "HY000".into(),
        }))
    }

    #[test]
    fn faults_say_what_the_caller_does_next() {
        for (code, verdict) in [
            (1213, Verdict::Again),
            (1040, Verdict::Later),
            (1290, Verdict::Later),
            (1045, Verdict::Never),
            (1146, Verdict::Never),
            (1366, Verdict::Value),
        ] {
            assert_eq!(server(code).verdict(), verdict, "{code}");
        }
        assert_eq!(server(1969).verdict(), Verdict::Later);
    }

    #[test]
    fn texts_name_the_error_and_the_way_out() {
        let text = StoreError::from(server(1045)).to_string();
        assert!(
            text.contains("said the server (error 1045): check MYSQL_USER"),
            "{text}"
        );
        let text = StoreError::from(server(1040)).to_string();
        assert!(text.contains("can't be reached") && text.contains("MYSQL_MAX_CONNECTIONS"));
    }

    #[test]
    fn a_slow_statement_is_a_deadline() {
        let error = ReadError::from(server(3024));
        assert_eq!(error.to_string(), ReadError::DeadlineExceeded.to_string());
    }
}

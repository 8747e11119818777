//! Maps the drivers' errors to the platform's, once.

use std::future::Future;
use std::io::ErrorKind;
use std::time::Duration;

use kernel::{Error, Kind, Result};
use sea_orm::sqlx;
use sea_orm::{DbErr, RuntimeErr, SqlErr};

type Meaning = (Kind, &'static str, &'static str);

const BUSY: Meaning = (Kind::Unavailable, "DATABASE_BUSY", "the database is busy; try again");
const FULL: Meaning = (
    Kind::Unavailable,
    "DATABASE_FULL",
    "the database has no space left, or may not use more; make room on its disk: what waits is tried again by itself",
);
const FAILING: Meaning = (
    Kind::Unavailable,
    "DATABASE_FAILING",
    "the database's disk fails to read or write; look at it and at the database's own log: what waits is tried again",
);
const STANDBY: Meaning = (
    Kind::Unavailable,
    "DATABASE_READ_ONLY",
    "the database takes no changes, as a standby does; see that database.url leads to the primary",
);
const SILENT: Meaning = (
    Kind::Unavailable,
    "DATABASE_SILENT",
    "the database does not answer, nor end the connection; see that its machine runs, and try again",
);
const REFUSED: Meaning = (Kind::Internal, "INTERNAL", "the database refused a statement");

/// What a database error means to the caller. Values of the statement are never shown.
pub fn db_error(error: DbErr) -> Error {
    let (kind, reason, message) = match (error.sql_err(), &error) {
        (Some(SqlErr::UniqueConstraintViolation(_)), _) => {
            (Kind::AlreadyExists, "ALREADY_EXISTS", "there is one of that key already")
        }
        (_, DbErr::ConnectionAcquire(_)) => BUSY,
        (_, DbErr::Exec(cause) | DbErr::Query(cause) | DbErr::Conn(cause)) => match nature(cause) {
            Nature::Passing => BUSY,
            Nature::Full => FULL,
            Nature::Failing => FAILING,
            Nature::ReadOnly => STANDBY,
            Nature::Silent => SILENT,
            Nature::Text => (
                Kind::Invalid,
                "TEXT_UNSTORABLE",
                "a text contains the character U+0000, which cannot be kept; send it without",
            ),
            Nature::Other if matches!(error, DbErr::Conn(_)) => {
                (Kind::Unavailable, "DATABASE_UNAVAILABLE", "the database cannot be reached")
            }
            Nature::Other => REFUSED,
        },
        _ => REFUSED,
    };
    Error::new(kind, reason, message).caused_by(error)
}

/// The same of a file that is read without sea-orm.
pub(crate) fn file_error(error: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode::{CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, SystemIoFailure};
    let (kind, reason, message) = match error.sqlite_error_code() {
        Some(DatabaseBusy | DatabaseLocked | CannotOpen) => BUSY,
        Some(DiskFull) => FULL,
        Some(SystemIoFailure) => FAILING,
        _ => REFUSED,
    };
    Error::new(kind, reason, message).caused_by(error)
}

enum Nature {
    /// Worth another try.
    Passing,
    /// The same, when somebody has made room.
    Full,
    /// The same, when somebody has looked at the disk.
    Failing,
    /// The same, once the primary is found.
    ReadOnly,
    /// The same, if somebody is there.
    Silent,
    /// A text that the database does not take.
    Text,
    Other,
}

/// By the classes of SQLSTATE on PostgreSQL (appendix A of its manual), by the texts of SQLite.
fn nature(error: &RuntimeErr) -> Nature {
    let RuntimeErr::SqlxError(error) = error else { return Nature::Other };
    match &**error {
        sqlx::Error::Database(error) => match error.code().as_deref() {
            // A NUL in a text: not in the repertoire, or untranslatable.
            Some("22021" | "22P05") => Nature::Text,
            // Serialization failure, deadlock, no lock in time, given up, shutting down, starting, gone.
            Some("40001" | "40P01" | "55P03" | "57014" | "57P01" | "57P02" | "57P03" | "25P03") => {
                Nature::Passing
            }
            // Changes on a server that has become a standby.
            Some("25006") => Nature::ReadOnly,
            Some("53100") => Nature::Full,
            // Connection exceptions; insufficient resources: memory, connections, what the operator allows.
            Some(code) if ["08", "53"].iter().any(|class| code.starts_with(class)) => Nature::Passing,
            // The server's system, such as a disk that fails, and damaged files, which are all but one of class XX: an
            // internal error may be one event's doing.
            Some(code) if code.starts_with("58") => Nature::Failing,
            Some("XX001" | "XX002") => Nature::Failing,
            _ => file_nature(error.message()),
        },
        sqlx::Error::Io(cause) if cause.kind() == ErrorKind::TimedOut => Nature::Silent,
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => Nature::Passing,
        other => file_nature(&other.to_string()),
    }
}

/// By the texts of SQLite.
fn file_nature(text: &str) -> Nature {
    const SIGNS: [(&str, Nature); 4] = [
        ("database is locked", Nature::Passing),
        ("unable to open database file", Nature::Passing),
        ("database or disk is full", Nature::Full),
        ("disk I/O error", Nature::Failing),
    ];
    SIGNS.into_iter().find(|(sign, _)| text.contains(sign)).map_or(Nature::Other, |(_, nature)| nature)
}

/// The answer to one statement, as long as it may take; one that does not come is a time-out of the connection. What was
/// asked may have been done then.
pub(crate) async fn in_time<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, DbErr>>,
) -> Result<T, DbErr> {
    let silent = |_| DbErr::Conn(RuntimeErr::SqlxError(sqlx::Error::Io(ErrorKind::TimedOut.into()).into()));
    tokio::time::timeout(patience, answer).await.map_err(silent).flatten()
}

/// The same.
///
/// # Errors
/// What [`db_error`] makes of it.
pub(crate) async fn within<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, DbErr>>,
) -> Result<T> {
    in_time(patience, answer).await.db()
}

/// `?` for database results.
pub trait StoreResult<T> {
    /// The same with the platform's error.
    ///
    /// # Errors
    /// What [`db_error`] makes of it.
    fn db(self) -> Result<T>;
}

impl<T> StoreResult<T> for Result<T, DbErr> {
    fn db(self) -> Result<T> {
        self.map_err(db_error)
    }
}

#[cfg(test)]
mod tests;

//! Maps the drivers' errors to the platform's, once.

use kernel::{Error, Kind, Result};
use sea_orm::sqlx;
use sea_orm::{DbErr, RuntimeErr, SqlErr};

type Meaning = (Kind, &'static str, &'static str);

const BUSY: Meaning = (Kind::Unavailable, "DATABASE_BUSY", "the database is busy; try again");
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
        Some(DatabaseBusy | DatabaseLocked | DiskFull | SystemIoFailure | CannotOpen) => BUSY,
        _ => REFUSED,
    };
    Error::new(kind, reason, message).caused_by(error)
}

enum Nature {
    /// Worth another try.
    Passing,
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
            // Connection exceptions; insufficient resources: disk, memory, connections; the server's system, such as a
            // disk that fails. No event is to blame for these, nor for damaged files, which are all but one of class XX: an
            // internal error may be one event's doing.
            Some(code) if ["08", "53", "58"].iter().any(|class| code.starts_with(class)) => Nature::Passing,
            Some("XX001" | "XX002") => Nature::Passing,
            _ if passing(error.message()) => Nature::Passing,
            _ => Nature::Other,
        },
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => Nature::Passing,
        other if passing(&other.to_string()) => Nature::Passing,
        _ => Nature::Other,
    }
}

/// Locks, a full or failing disk.
fn passing(text: &str) -> bool {
    const SIGNS: [&str; 4] =
        ["database is locked", "database or disk is full", "disk I/O error", "unable to open database file"];
    SIGNS.iter().any(|sign| text.contains(sign))
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

//! Maps the driver's errors to the platform's, once.

use kernel::{Error, Kind, Result};
use sea_orm::{DbErr, RuntimeErr, SqlErr};

/// What a database error means to the caller. Values of the statement are never shown.
pub fn db_error(error: DbErr) -> Error {
    let (kind, reason, message) = match (error.sql_err(), &error) {
        (Some(SqlErr::UniqueConstraintViolation(_)), _) => {
            (Kind::AlreadyExists, "ALREADY_EXISTS", "there is one of that key already")
        }
        (_, DbErr::ConnectionAcquire(_)) => {
            (Kind::Unavailable, "DATABASE_BUSY", "the database is busy; try again")
        }
        (_, DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)))
            if passing(&cause.to_string()) =>
        {
            (Kind::Unavailable, "DATABASE_BUSY", "the database is busy; try again")
        }
        (_, DbErr::Conn(_)) => (Kind::Unavailable, "DATABASE_UNAVAILABLE", "the database cannot be reached"),
        _ => (Kind::Internal, "INTERNAL", "the database refused a statement"),
    };
    Error::new(kind, reason, message).caused_by(error)
}

/// Locks, serialization failures, a full or failing disk, a lost connection: worth another try.
fn passing(text: &str) -> bool {
    const SIGNS: [&str; 9] = [
        "database is locked",
        "database or disk is full",
        "disk I/O error",
        "unable to open database file",
        "could not serialize",
        "deadlock detected",
        "error communicating with database",
        "terminating connection",
        "the database system is",
    ];
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

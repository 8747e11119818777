//! A SQLite file read on the calling thread.
//!
//! sqlx gives every connection a thread, which a query is sent to and every row comes back from; here the caller's thread
//! asks by itself, with statements that stay prepared. The entities are sea-orm's.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::{Error, Result};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OpenFlags, ToSql, params_from_iter};
use sea_orm::{ActiveModelTrait as _, ColumnTrait as _, ColumnType, Iterable as _, TryIntoModel as _, Value};

use super::{Query, Table};
use crate::error::{StoreResult as _, file_error};

/// Statements that stay prepared.
const PREPARED: usize = 128;
/// So much of the file is mapped into memory, the most that SQLite does: pages are read where the system keeps them, without
/// a copy in a cache for each connection.
const MAPPED: i64 = (2 << 30) - (64 << 10);
/// For the rare moment in which the file is being recovered: nobody writes so that readers wait.
const PATIENCE: Duration = Duration::from_secs(1);

/// Connections that read a file. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Few {
    file: Arc<Path>,
    /// `None` once it was closed. The one that was used last comes first.
    idle: Arc<Mutex<Option<Vec<Connection>>>>,
}

impl Few {
    /// Connections are opened when they are needed: as many as threads read at a time.
    pub(crate) fn of(file: &Path) -> Self {
        Self { file: file.into(), idle: Arc::new(Mutex::new(Some(Vec::new()))) }
    }

    /// The rows that a query finds.
    pub(crate) fn rows<E: Table>(&self, query: Query<E>) -> Result<Vec<E::Model>> {
        let statement = query.statement();
        let values = statement.values.map(|values| values.0).unwrap_or_default();
        let connection = self.take()?;
        let found = connection
            .prepare_cached(&statement.sql)
            .map_err(file_error)
            .and_then(|mut prepared| read::<E>(&mut prepared, &values));
        if found.is_ok() {
            self.give_back(connection);
        }
        found
    }

    fn take(&self) -> Result<Connection> {
        let closed = || Error::unavailable("the database was closed");
        match self.idle().as_mut().ok_or_else(closed)?.pop() {
            Some(connection) => Ok(connection),
            None => open(&self.file).map_err(file_error),
        }
    }

    fn give_back(&self, connection: Connection) {
        if let Some(idle) = self.idle().as_mut() {
            idle.push(connection);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Option<Vec<Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all connections; what is asked afterwards fails.
    pub(crate) fn close(&self) {
        self.idle().take();
    }
}

fn open(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(PREPARED);
    connection.pragma_update(None, "mmap_size", MAPPED)?;
    // For what lies beyond.
    connection.pragma_update(None, "cache_size", -65_536)?;
    Ok(connection)
}

fn read<E: Table>(prepared: &mut CachedStatement<'_>, values: &[Value]) -> Result<Vec<E::Model>> {
    let columns: Vec<(E::Column, ColumnType)> =
        E::Column::iter().map(|column| (column, column.def().get_column_type().clone())).collect();
    let mut found = Vec::new();
    let mut rows = prepared.query(params_from_iter(values.iter().map(Bound))).map_err(file_error)?;
    while let Some(row) = rows.next().map_err(file_error)? {
        let mut model = E::ActiveModel::default();
        for (at, (column, kind)) in columns.iter().enumerate() {
            let value = value(kind, row.get_ref(at).map_err(file_error)?)?;
            model.try_set(*column, value).db()?;
        }
        found.push(model.try_into_model().db()?);
    }
    Ok(found)
}

/// A value of a column, as sqlx writes it.
fn value(kind: &ColumnType, stored: ValueRef<'_>) -> Result<Value> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| damaged());
    Ok(match (kind, stored) {
        (ColumnType::String(_) | ColumnType::Text, ValueRef::Text(bytes)) => {
            Value::String(Some(text(bytes)?))
        }
        (ColumnType::String(_) | ColumnType::Text, ValueRef::Null) => Value::String(None),
        (ColumnType::BigInteger, ValueRef::Integer(n)) => Value::BigInt(Some(n)),
        (ColumnType::BigInteger, ValueRef::Null) => Value::BigInt(None),
        (ColumnType::Integer, ValueRef::Integer(n)) => {
            Value::Int(Some(i32::try_from(n).map_err(|_| damaged())?))
        }
        (ColumnType::Integer, ValueRef::Null) => Value::Int(None),
        (ColumnType::Boolean, ValueRef::Integer(n)) => Value::Bool(Some(n != 0)),
        (ColumnType::Boolean, ValueRef::Null) => Value::Bool(None),
        (ColumnType::Uuid, ValueRef::Blob(bytes)) => {
            Value::Uuid(Some(uuid::Uuid::from_slice(bytes).map_err(|_| damaged())?))
        }
        (ColumnType::Uuid, ValueRef::Null) => Value::Uuid(None),
        (ColumnType::VarBinary(_) | ColumnType::Binary(_) | ColumnType::Blob, ValueRef::Blob(bytes)) => {
            Value::Bytes(Some(bytes.to_vec()))
        }
        (ColumnType::VarBinary(_) | ColumnType::Binary(_) | ColumnType::Blob, ValueRef::Null) => {
            Value::Bytes(None)
        }
        _ => return Err(damaged()),
    })
}

fn damaged() -> Error {
    Error::internal("a column holds what its type has no value for")
}

/// A value of a statement.
struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let bound = match self.0 {
            Value::String(Some(text)) => ValueRef::Text(text.as_bytes()),
            Value::BigInt(Some(n)) => ValueRef::Integer(*n),
            Value::Int(Some(n)) => ValueRef::Integer(i64::from(*n)),
            Value::Bool(Some(is)) => ValueRef::Integer(i64::from(*is)),
            Value::Uuid(Some(id)) => ValueRef::Blob(id.as_bytes()),
            Value::Bytes(Some(bytes)) => ValueRef::Blob(bytes),
            other => {
                let message = format!("no rows are asked for by a {:?}", std::mem::discriminant(other));
                return Err(rusqlite::Error::ToSqlConversionFailure(message.into()));
            }
        };
        Ok(ToSqlOutput::Borrowed(bound))
    }
}

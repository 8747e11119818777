//! Queries for whole entities as text: building them as syntax trees costs more than reading their rows by key does.

use std::fmt::Write as _;
use std::marker::PhantomData;

use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, IdenStatic as _, Iterable as _, Statement, Value};

/// `SELECT` with all columns of an entity, and what is said behind it. Values are always bound.
#[derive(Clone, Debug)]
pub struct Query<E> {
    backend: DbBackend,
    sql: String,
    values: Vec<Value>,
    entity: PhantomData<E>,
}

impl<E: EntityTrait> Query<E> {
    /// For a database of this kind.
    pub fn on(db: &impl ConnectionTrait) -> Self {
        let query = Self {
            backend: db.get_database_backend(),
            sql: String::new(),
            values: Vec::new(),
            entity: PhantomData,
        };
        let query = E::Column::iter().enumerate().fold(query.text("SELECT "), |query, (at, column)| {
            query.text(if at == 0 { "" } else { ", " }).column(column)
        });
        query.text(" FROM \"").text(E::default().table_name()).text("\"")
    }

    /// Goes on with this.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.sql.push_str(text);
        self
    }

    /// Goes on with the name of a column.
    #[must_use]
    pub fn column(self, column: E::Column) -> Self {
        self.text("\"").text(column.as_str()).text("\"")
    }

    /// Goes on with a value.
    #[must_use]
    pub fn value(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        // Writing to a string cannot fail.
        let _written = match self.backend {
            DbBackend::Postgres => write!(self.sql, "${}", self.values.len()),
            _ => write!(self.sql, "?"),
        };
        self
    }

    /// Goes on with ` IN (…)`; the last value is repeated until there are a power of two of them, so that the text is one
    /// of few and stays prepared. Nothing is among no values.
    #[must_use]
    pub fn among<V: Into<Value> + Clone>(self, values: &[V]) -> Self {
        let Some(last) = values.last() else { return self.text(" IN (NULL)") };
        let rest = values.len().next_power_of_two() - values.len();
        let values = values.iter().chain(std::iter::repeat_n(last, rest)).cloned().enumerate();
        let query = values.fold(self.text(" IN ("), |query, (at, value)| {
            query.text(if at == 0 { "" } else { ", " }).value(value)
        });
        query.text(")")
    }

    /// Ends with what keeps others from changing the rows until this unit of work ends; SQLite lets nobody else write anyhow.
    #[must_use]
    pub fn locked(self) -> Self {
        match self.backend {
            DbBackend::Postgres => self.text(" FOR UPDATE"),
            _ => self,
        }
    }

    /// Values that were bound.
    pub(super) fn bound(&self) -> usize {
        self.values.len()
    }

    pub(super) fn statement(self) -> Statement {
        Statement::from_sql_and_values(self.backend, self.sql, self.values)
    }
}

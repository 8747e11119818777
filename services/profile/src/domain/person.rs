//! A customer: the fold of its records.

use std::collections::BTreeMap;

use kernel::{Error, Result, Time, survivorship};
use serde_json::Value;

use crate::domain::attributes::Stating;
use crate::store::row::record::Model;

/// `first_seen` of a record on which the customer itself has not been seen.
pub(crate) const NOT_YET: i64 = i64::MAX;
/// Its `last_seen`.
pub(crate) const NEVER: i64 = i64::MIN;

/// What a customer's records say together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Person {
    pub(crate) attributes: BTreeMap<String, Value>,
    pub(crate) first_seen: Option<Time>,
    pub(crate) last_seen: Option<Time>,
    /// The sum over its records: grows with each change, by a merge, and falls back with its split.
    pub(crate) version: i64,
}

/// Folds the records of one customer, in any order.
///
/// # Errors
/// [`kernel::Kind::Internal`] when a row is damaged.
pub(crate) fn fold<'a>(records: impl IntoIterator<Item = &'a Model> + Clone) -> Result<Person> {
    let attributes = records.clone().into_iter().map(attributes).collect::<Result<Vec<_>>>()?;
    let rows = || records.clone().into_iter();
    Ok(Person {
        attributes: survivorship::fold(&attributes),
        first_seen: rows().map(|row| row.first_seen).filter(|time| *time != NOT_YET).min().map(Time),
        last_seen: rows().map(|row| row.last_seen).filter(|time| *time != NEVER).max().map(Time),
        version: rows().map(|row| row.version).sum(),
    })
}

/// What a record states.
///
/// # Errors
/// [`kernel::Kind::Internal`] when the row is damaged.
pub(crate) fn attributes(record: &Model) -> Result<Stating> {
    if record.attributes == "{}" {
        return Ok(Stating::new());
    }
    serde_json::from_str(&record.attributes).map_err(|cause| {
        Error::internal(format!("attributes of the record {} are damaged", record.record_id)).caused_by(cause)
    })
}

/// Writes what a record states.
///
/// # Errors
/// [`kernel::Kind::Internal`] when it cannot be written as JSON, which no value leads to.
pub(crate) fn state(record: &mut Model, attributes: &Stating) -> Result<()> {
    record.attributes = serde_json::to_string(attributes)
        .map_err(|cause| Error::internal("attributes cannot be written").caused_by(cause))?;
    Ok(())
}

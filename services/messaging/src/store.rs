//! Tables and the queries on them.

pub(crate) mod channels;
pub(crate) mod keyed;
pub(crate) mod messages;
pub(crate) mod migration;
pub(crate) mod reply_windows;
pub(crate) mod row;
pub(crate) mod templates;

use kernel::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Most values of an `in (…)`.
pub(crate) const CHUNK: usize = 500;

/// A value as it is kept in a column of text.
fn to_text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|cause| Error::internal("a value cannot be kept").caused_by(cause))
}

/// The value kept in a column of text.
fn from_text<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|cause| Error::internal("a stored value is damaged").caused_by(cause))
}

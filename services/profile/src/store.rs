//! What is kept, and how it is found: entities, the schema, queries by aggregate.

pub(crate) mod answers;
pub(crate) mod assignments;
pub(crate) mod migration;
pub(crate) mod records;
pub(crate) mod row;
pub(crate) mod tags;
pub(crate) mod timeline;

/// Values in one `in (…)` and rows in one insert at the most.
pub(crate) const CHUNK: usize = 500;

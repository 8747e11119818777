//! The tables: records, links, merges, separations, conflicts.

pub(crate) mod conflict;
pub(crate) mod load;
pub(crate) mod merge;
pub(crate) mod migration;
pub(crate) mod row;
pub(crate) mod save;
pub(crate) mod separation;

/// Values in one `in (…)`, and rows in one `insert`, at the most.
pub(crate) const CHUNK: usize = 500;

//! The tables' rows, one entity each.

pub(crate) mod record;
pub(crate) mod segment;

//! The rows, one file per table.

pub(crate) mod conflict;
pub(crate) mod link;
pub(crate) mod merge;
pub(crate) mod merge_side;
pub(crate) mod record;
pub(crate) mod separation;

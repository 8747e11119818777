//! The tables' rows, one entity each.

pub(crate) mod answer;
pub(crate) mod assignment;
pub(crate) mod record;
pub(crate) mod tag;
pub(crate) mod timeline;

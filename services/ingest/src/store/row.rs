//! The tables.

pub(crate) mod failed_event;
pub(crate) mod seen_block;
pub(crate) mod seen_position;
pub(crate) mod source;

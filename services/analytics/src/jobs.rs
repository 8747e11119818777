//! Background work besides reading the log: making large segments of small ones.

pub(crate) mod compaction;

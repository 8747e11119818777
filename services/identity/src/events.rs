//! What is consumed: the raw stream, whatever the events' names.

pub(crate) mod raw;

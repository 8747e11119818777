//! Rows, one file per table.

pub(crate) mod channel;
pub(crate) mod message;
pub(crate) mod reply_window;
pub(crate) mod template;

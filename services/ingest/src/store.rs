//! What the service keeps: sources, refused events, and which events it accepted.

pub(crate) mod failed_events;
pub(crate) mod migration;
pub(crate) mod row;
pub(crate) mod seen;
pub(crate) mod sources;

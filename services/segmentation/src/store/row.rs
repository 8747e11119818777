//! The tables.

pub(crate) mod alias;
pub(crate) mod applied_merge;
pub(crate) mod coverage;
pub(crate) mod customer_state;
pub(crate) mod definition;
pub(crate) mod engine;
pub(crate) mod filling;
pub(crate) mod history;
pub(crate) mod membership;
pub(crate) mod record_state;
pub(crate) mod removal;
pub(crate) mod size;

//! What is kept, by aggregate.

pub(crate) mod dates;
pub(crate) mod journeys;
pub(crate) mod migration;
pub(crate) mod owners;
pub(crate) mod row;
pub(crate) mod runs;
pub(crate) mod tallies;

/// Ids in one `in (…)`.
pub(crate) const CHUNK: usize = 500;

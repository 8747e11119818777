//! The tables.

pub(crate) mod definition;
pub(crate) mod journey;
pub(crate) mod occurrence;
pub(crate) mod owner;
pub(crate) mod run;
pub(crate) mod statement;
pub(crate) mod step;
pub(crate) mod tally;

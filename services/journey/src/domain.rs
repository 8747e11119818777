//! What a journey is and how a run goes through it: pure, without database, network or clock.

pub(crate) mod calendar;
pub(crate) mod definition;
pub(crate) mod engine;
pub(crate) mod entry;
pub(crate) mod graph;
pub(crate) mod key;
pub(crate) mod node;
pub(crate) mod problem;
pub(crate) mod run;
pub(crate) mod test;

pub(crate) use definition::Definition;
pub(crate) use engine::{Action, Input, World, step};
pub(crate) use problem::Problems;
pub(crate) use run::{RunState, Stage};

//! Who is who, as pure functions: what an identifier is, which ones may be joined, and what joining changes.

pub(crate) mod graph;
pub(crate) mod identifier;
mod names;
pub(crate) mod phone;
pub(crate) mod policy;

pub(crate) use graph::{Changes, Evidence, Graph, LinkKey, Missing, Rule, StoredLink, StoredRecord, Verdict};
pub(crate) use identifier::Identifier;
pub(crate) use policy::Policy;

//! The concepts: what is defined, in which order it is evaluated, and what is known of people. Pure.

pub(crate) mod catalogue;
pub(crate) mod definition;
pub(crate) mod facts;
pub(crate) mod memberships;
pub(crate) mod person;
pub(crate) mod validate;

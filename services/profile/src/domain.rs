//! What the service knows of people, pure and synchronous.

pub(crate) mod attributes;
pub(crate) mod person;
pub(crate) mod tags;

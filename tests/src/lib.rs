//! What the tests across services share: the real binary as a process, and tools from outside.

pub mod platform;
pub mod tools;

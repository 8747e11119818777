//! What the tests across services share: the real binary as a process, and tools from outside.

pub mod assembly;
pub mod cluster;
pub mod crowd;
pub mod front;
pub mod platform;
pub mod tools;

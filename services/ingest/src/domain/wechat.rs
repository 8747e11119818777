//! WeChat Official Account callbacks: signatures, the AES envelope, messages, and the events they become. Pure.
//!
//! Sources: the platform's public documents (platforms.md 1.1 to 1.5) with their golden vectors.

pub(crate) mod document;
pub(crate) mod envelope;
pub(crate) mod event;
pub(crate) mod signature;
#[cfg(test)]
pub(crate) mod vectors;

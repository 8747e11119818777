//! The tracking API that Segment's and `RudderStack`'s SDKs speak: bodies in, events out. Pure.
//!
//! Sources: the public descriptions of the Segment HTTP API and of the `RudderStack` gateway, and what their SDKs send
//! (platforms.md 5).

pub(crate) mod body;
mod call;
mod context;
mod json;
mod time;

pub(crate) use body::{Body, Endpoint, Limits};
pub(crate) use call::{Arrival, translate};

#[cfg(test)]
mod tests;

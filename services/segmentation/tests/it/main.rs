//! The service through its real interface.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod analytics;
mod build;
mod definitions;
mod inquiries;
mod live;
mod merges;
mod tiers;
mod world;

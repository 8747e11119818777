//! The service through its real interface.

mod analytics;
mod build;
mod definitions;
mod inquiries;
mod live;
mod merges;
mod tiers;
mod world;

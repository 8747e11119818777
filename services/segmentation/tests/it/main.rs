//! The service through its real interface.

mod analytics;
mod live;
mod world;

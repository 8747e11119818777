//! The profile service through its real gRPC interface, beside stand-ins for identity and segmentation.

mod fakes;
mod laws;
mod listing;
mod profile;
mod real_identity;
mod tags;
mod timeline;
mod world;

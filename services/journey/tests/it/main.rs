//! The service through its real gRPC interface, on a virtual clock, with stand-ins for the services it calls.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are not test functions, and a panic is how a test fails"
)]

mod dates;
mod failures;
mod fakes;
mod law;
mod life;
mod merges;
mod nodes;
mod retail;
mod scene;
mod speed;
mod triggers;
mod validation;

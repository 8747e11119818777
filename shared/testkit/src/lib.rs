//! For tests: services in one process on throw-away data and a clock moved by hand, reached by real gRPC, with keys of their own.

mod keys;
mod polled;
mod stage;

pub use keys::Keys;
pub use polled::polled;
pub use stage::{Client, Stage, TokenInterceptor, event, start_time};

//! For tests: services in one process on throw-away data and a clock moved by hand, reached by real gRPC.

pub mod nats;
mod polled;
mod stage;

pub use nats::NatsServer;
pub use polled::polled;
pub use stage::{Client, Stage, TokenInterceptor, event, start_time};

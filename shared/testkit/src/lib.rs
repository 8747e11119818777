//! For tests: services in one process on throw-away data and a clock moved by hand, reached by real gRPC.

mod stage;

pub use stage::{Client, Stage, TokenInterceptor, event, start_time};

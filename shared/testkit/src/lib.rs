//! For tests: services in one process on throw-away data and a clock moved by hand, reached by real gRPC, with keys and
//! engines of their own.

mod keys;
pub mod letters;
mod lines;
mod lossy;
pub mod nats;
mod polled;
mod port;
pub mod postgres;
mod stack;
mod stage;

pub use keys::Keys;
pub use lines::Lines;
pub use lossy::{Loss, Lossy};
pub use nats::NatsServer;
pub use polled::polled;
pub use port::free_port;
pub use stack::Stack;
pub use stage::{Client, Stage, TokenInterceptor, event, start_time};

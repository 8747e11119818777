//! What is computed, pure and synchronous: calendar grids, exact sums, funnels per customer. No storage, no clock.

pub mod bits;
pub mod exact_sum;
pub mod funnel;
pub mod grid;
pub mod scalar;

pub use bits::Bits;
pub use exact_sum::ExactSum;
pub use grid::{Grid, Interval};
pub use scalar::Scalar;

//! Analytics: every event in sorted columnar segments, and trends, funnels and scans over them.

pub mod domain;
pub mod engine;

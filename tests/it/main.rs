//! Tests across services: the architecture's rules, and the real binary with real input.

mod bad_input;
mod cdnow;
mod definitions;
mod demo;
mod doors;
mod isolation;
mod kill;
mod law;
mod manifests;
mod members;
mod metrics;
mod privacy;
mod replicas;
mod sdk;
mod trace;
mod wechat;

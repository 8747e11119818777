//! Tests across services: the architecture's rules, and the real binary with real input.

mod audit;
mod bad_input;
mod cdnow;
mod dead_letters;
mod deadlines;
mod definitions;
mod demo;
mod doors;
mod full_disk;
mod isolation;
mod kill;
mod law;
mod lost_answers;
mod manifests;
mod members;
mod metrics;
mod overload;
mod privacy;
mod refused_starts;
mod replicas;
mod sdk;
mod skew;
mod trace;
mod wechat;

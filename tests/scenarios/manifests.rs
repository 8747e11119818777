//! What is under `deploy/`: rendered, validated against Kubernetes' own schemas, held to the rules of the house, and run.

mod availability;
mod compose;
mod eyes;
mod gateway;
mod image;
mod network;
mod options;
mod production;
mod rendered;
mod running;
mod workloads;

pub(crate) use eyes::METRICS;

pub(crate) const SERVICES: [&str; 7] =
    ["ingest", "identity", "profile", "segmentation", "journey", "messaging", "analytics"];

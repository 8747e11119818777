//! The ingest service through its real gRPC and HTTP interfaces.

mod callbacks;
mod deduplication;
mod failed_events;
mod figures;
mod ingest_events;
mod quirks;
mod sources;
mod tracking;
mod world;

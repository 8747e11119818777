//! The ingest service through its real gRPC and HTTP interfaces.

#[cfg(test)]
mod callbacks;
#[cfg(test)]
mod deduplication;
#[cfg(test)]
mod failed_events;
#[cfg(test)]
mod figures;
#[cfg(test)]
mod ingest_events;
#[cfg(test)]
mod quirks;
#[cfg(test)]
mod slow;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod tracking;
#[cfg(test)]
mod world;

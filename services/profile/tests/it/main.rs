//! The profile service through its real gRPC interface, beside stand-ins for identity and segmentation.

#[cfg(test)]
mod fakes;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod listing;
#[cfg(test)]
mod profile;
#[cfg(test)]
mod real_identity;
#[cfg(test)]
mod tags;
#[cfg(test)]
mod timeline;
#[cfg(test)]
mod world;

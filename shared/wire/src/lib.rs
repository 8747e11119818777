//! Messages, clients and servers generated from `proto/`; nothing is written by hand.
#![allow(clippy::all, missing_docs, reason = "generated code")]

tonic::include_proto!("_includes");

pub use guanxi::identity::v1 as identity;
pub use guanxi::{analytics::v1 as analytics, audit::v1 as audit, event::v1 as event};
pub use guanxi::{ingest::v1 as ingest, journey::v1 as journey, messaging::v1 as messaging};
pub use guanxi::{profile::v1 as profile, segmentation::v1 as segmentation};

/// Every file of `proto/` as one `FileDescriptorSet`, for reflection and for reading method options.
pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("descriptor");

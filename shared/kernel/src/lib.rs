//! What every crate speaks of: time, ids, errors, paging, secrets, the workspace. No I/O.

pub mod activity;
pub mod clock;
pub mod error;
pub mod event_key;
pub mod id;
pub mod near;
pub mod page;
pub mod secret;
pub mod survivorship;
pub mod time;
pub mod workspace;

pub use activity::Activity;
pub use clock::{Clock, Warp};
pub use error::{Error, Kind, Result, Violation, chain};
pub use event_key::EventKey;
pub use id::{CustomerId, Ids, MergeId, MessageId, RecordId, RunId};
pub use secret::Secret;
pub use time::Time;
pub use workspace::{Workspace, Workspaces};

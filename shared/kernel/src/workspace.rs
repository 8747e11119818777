//! The tenant: taken from the caller's token or write key, never from a request.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::tz::TimeZone;

/// A tenant's slug. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Workspace(Arc<str>);

impl Workspace {
    /// A workspace of that name.
    pub fn new(slug: impl Into<Arc<str>>) -> Self {
        Self(slug.into())
    }

    /// Its slug.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is set per workspace.
#[derive(Clone, Debug)]
pub struct Workspaces {
    zones: Arc<BTreeMap<Workspace, TimeZone>>,
    default_zone: TimeZone,
}

impl Workspaces {
    /// Zones by workspace, and the one of all others.
    pub fn new(zones: BTreeMap<Workspace, TimeZone>, default_zone: TimeZone) -> Self {
        Self { zones: Arc::new(zones), default_zone }
    }

    /// The time zone in which the workspace counts days.
    pub fn zone(&self, workspace: &Workspace) -> &TimeZone {
        self.zones.get(workspace).unwrap_or(&self.default_zone)
    }
}

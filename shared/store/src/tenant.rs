//! On whose behalf a database is used: one workspace's, or the platform's own.
//!
//! PostgreSQL enforces it (row-level security, see [`crate::migration`]): a transaction sees and writes the rows of the
//! workspace it is for, whatever its statements say, and without a word about whom it is for it sees none. It is said
//! once where work begins (a call, a consumer, a job), not at every statement.

use std::future::Future;

use kernel::Workspace;

/// On whose behalf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tenant {
    /// One workspace: what a caller is answered with.
    Workspace(Workspace),
    /// All of them: consumers, jobs, what happens at the start.
    Platform,
}

tokio::task_local! {
    static TENANT: Tenant;
}

impl Tenant {
    /// Runs `work` on this behalf. What `work` spawns is on nobody's.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        TENANT.scope(self, work).await
    }

    /// That of the work that is running, if somebody said.
    pub(crate) fn current() -> Option<Self> {
        TENANT.try_with(Clone::clone).ok()
    }

    /// The settings of a transaction for it: the workspace, and whether it is the platform's.
    pub(crate) fn settings(current: Option<&Self>) -> (&str, &'static str) {
        match current {
            Some(Self::Workspace(workspace)) => (workspace.as_str(), "off"),
            Some(Self::Platform) => ("", "on"),
            None => ("", "off"),
        }
    }
}

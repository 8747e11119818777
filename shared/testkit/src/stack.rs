//! What services under test run on.

use kernel::Result;
use uuid::Uuid;

use crate::postgres::Postgres;

/// The engines below the services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// SQLite and the embedded log: nothing to install.
    Embedded,
    /// PostgreSQL and JetStream.
    Engines,
}

impl Stack {
    /// The one that the environment variable `STACK` names: `engines`, or anything else for the embedded one.
    pub fn chosen() -> Self {
        #[expect(clippy::disallowed_methods, reason = "what a test runs on is said by its environment")]
        let named = std::env::var("STACK");
        if named.is_ok_and(|name| name == "engines") { Self::Engines } else { Self::Embedded }
    }

    /// Settings (`section.key=value`) for `services` on fresh data of this kind.
    ///
    /// # Errors
    /// When an engine cannot be started; it says what to install.
    pub async fn settings(self, services: &[&str]) -> Result<Vec<String>> {
        if self == Self::Embedded {
            return Ok(Vec::new());
        }
        #[expect(clippy::disallowed_methods, reason = "names that differ between processes too")]
        let name = format!("t{}", Uuid::new_v4().simple());
        let urls = Postgres::shared().await?.schemas(&name, services).await?;
        Ok(vec![
            format!("common.database.url={}", urls.url),
            format!("common.database.owner_url={}", urls.owner_url),
        ])
    }
}

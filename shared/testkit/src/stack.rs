//! What services under test run on.

use kernel::Result;
use uuid::Uuid;

use crate::NatsServer;
use crate::postgres::Postgres;

/// The engines below the services, with the data of one test.
#[derive(Clone, Debug)]
pub enum Stack {
    /// SQLite and the embedded log: nothing to install.
    Embedded,
    /// PostgreSQL and JetStream, under a name of the test's own.
    Engines(String),
}

impl Stack {
    /// The one that the environment variable `STACK` names: `engines`, or anything else for the embedded one.
    pub fn chosen() -> Self {
        #[expect(clippy::disallowed_methods, reason = "what a test runs on is said by its environment")]
        let named = std::env::var("STACK");
        if named.is_ok_and(|name| name == "engines") { Self::engines() } else { Self::Embedded }
    }

    /// PostgreSQL and JetStream, with fresh data.
    pub fn engines() -> Self {
        #[expect(clippy::disallowed_methods, reason = "names that differ between processes too")]
        let name = Uuid::new_v4().simple().to_string();
        Self::Engines(format!("t{name}"))
    }

    /// Settings (`section.key=value`) for `services` on its data.
    ///
    /// # Errors
    /// When an engine cannot be started; it says what to install.
    pub async fn settings(&self, services: &[&str]) -> Result<Vec<String>> {
        match self {
            Self::Embedded => Ok(Vec::new()),
            Self::Engines(_) => {
                self.settings_on(services, NatsServer::shared()?, Postgres::shared().await?).await
            }
        }
    }

    /// The same on given servers, which a test may stop.
    ///
    /// # Errors
    /// When a server refuses.
    pub async fn settings_on(
        &self,
        services: &[&str],
        nats: &NatsServer,
        postgres: &Postgres,
    ) -> Result<Vec<String>> {
        let Self::Engines(name) = self else { return Ok(Vec::new()) };
        let urls = postgres.schemas(name, services).await?;
        Ok(vec![
            format!("common.bus.url={}", nats.url()),
            format!("common.bus.prefix={name}"),
            format!("common.database.url={}", urls.url),
            format!("common.database.owner_url={}", urls.owner_url),
        ])
    }
}

//! Dead letters of a service, as an operator handles them beside its processes.

use std::time::Duration;

use kernel::{Error, Result};
use store::dead_letter::{self, Act, Choice, row::Model as Letter};
use store::{Database, Tenant};

/// Longest wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// All of them.
///
/// # Errors
/// When the database refuses.
pub async fn all(db: &Database) -> Result<Vec<Letter>> {
    Tenant::Platform.scope(dead_letter::list(db.read(), &Choice::default(), 0, 100)).await
}

/// Gives the chosen ones to the service again, and says how many.
///
/// # Errors
/// When the database refuses.
pub async fn give_again(db: &Database, choice: &Choice) -> Result<usize> {
    let work = async {
        let mut unit = db.begin().await?;
        let asked = dead_letter::act(&mut unit, Act::Redrive, choice, "王芳").await?;
        unit.commit().await?;
        Ok(asked)
    };
    Tenant::Platform.scope(work).await
}

/// Returns once they are so.
///
/// # Errors
/// When they never are, or the database refuses.
pub async fn until(db: &Database, what: &str, reached: impl Fn(&[Letter]) -> bool) -> Result<()> {
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let wait = async {
        while !reached(&all(db).await?) {
            ticks.tick().await;
        }
        Ok(())
    };
    let never = |_| Error::internal(format!("dead letters are never {what}"));
    tokio::time::timeout(PATIENCE, wait).await.map_err(never)?
}

//! Taking and renewing leases, on a connection that says by its existence that this process lives.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{Error, Result, chain};
use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::{self, Connection as _, Row as _};
use tokio::time::{Instant, timeout};

use super::{BEAT, HOLDS, Holdings, Inner};

/// Milliseconds of the database's clock.
macro_rules! now {
    () => {
        "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
    };
}

/// Whether the session of a holder has ended: each holds the lock of its own name.
macro_rules! gone {
    () => {
        "pg_try_advisory_xact_lock(hashtextextended(current_schema() || ' ' || holder, 0))"
    };
}

/// A row for each name there is to share, free at first.
const ADD: &str =
    "INSERT INTO lease (name, holder, fence, expires_at) SELECT unnest($1), '', 0, 0 ON CONFLICT DO NOTHING";
/// This process is here until …
const HERE: &str = concat!(
    "INSERT INTO lease (name, holder, fence, expires_at) VALUES ('member ' || $1, $1, 0, ",
    now!(),
    " + $2) ON CONFLICT (name) DO UPDATE SET expires_at = excluded.expires_at"
);
/// Processes that are not here any more are forgotten. One that is just saying that it is here after all is not waited for:
/// it may be about to forget us.
const BURY: &str = concat!(
    "DELETE FROM lease WHERE name IN (SELECT name FROM lease WHERE name LIKE 'member %' AND holder <> $1 \
     AND (expires_at < ",
    now!(),
    " OR ",
    gone!(),
    ") FOR UPDATE SKIP LOCKED)"
);
const COUNT: &str = "SELECT count(*) AS n FROM lease WHERE name LIKE 'member %'";
const RENEW: &str = concat!(
    "UPDATE lease SET expires_at = ",
    now!(),
    " + $2 WHERE holder = $1 AND name = ANY($3) RETURNING name, fence"
);
const GIVE: &str = "UPDATE lease SET holder = '' WHERE holder = $1 AND name = ANY($2)";
/// Takes what nobody holds. `FOR UPDATE` waits for nobody: what a unit of work still pins is looked at again later.
const TAKE: &str = concat!(
    "WITH free AS (SELECT name FROM lease WHERE name = ANY($2) AND holder <> $1 AND (holder = '' OR expires_at < ",
    now!(),
    " OR ",
    gone!(),
    ") ORDER BY random() LIMIT $4 FOR UPDATE SKIP LOCKED) UPDATE lease SET holder = $1, fence = fence + 1, expires_at = ",
    now!(),
    " + $3 FROM free WHERE lease.name = free.name RETURNING lease.name, lease.fence"
);

/// For ever; what fails is tried again at the next beat, with a new connection.
pub(super) async fn repeat(inner: &Inner) {
    let mut session = None;
    let mut beats = tokio::time::interval(BEAT);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        let begun = Instant::now();
        let mut alive = match session.take() {
            Some(session) => session,
            None => match inner.db.own_connection().await {
                Ok(connection) => Session::begin(inner, connection),
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "leases cannot be renewed; trying again");
                    continue;
                }
            },
        };
        // Leases that are not renewed for so long have run out, and a server's machine that is gone never answers.
        let beat = timeout(HOLDS, alive.beat(inner)).await;
        match beat.unwrap_or_else(|_| Err(Error::unavailable("the database does not answer"))) {
            Ok(fences) => {
                let holdings = Holdings { fences, until: Some(begun + HOLDS) };
                inner.held.send_if_modified(|held| held.update(holdings, Instant::now()));
                session = Some(alive);
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), "leases cannot be renewed; trying again");
                // Behind the same address there may be another server now, which lacks the last commits.
                inner.db.forget();
            }
        }
    }
}

struct Session {
    connection: PgConnection,
    holder: String,
    /// The lock is held that says that this process lives.
    locked: bool,
    /// Names that have a row.
    added: BTreeSet<String>,
}

impl Session {
    fn begin(inner: &Inner, connection: PgConnection) -> Self {
        let holder = inner.db.replica().to_owned();
        Self { connection, holder, locked: false, added: BTreeSet::new() }
    }

    /// Takes the lock of this process's name. The server may keep it for a connection that broke without its knowledge,
    /// for hours; then that one says that we live, until we can.
    async fn live(&mut self) -> Result<()> {
        if !self.locked {
            let lock =
                "SELECT pg_try_advisory_lock(hashtextextended(current_schema() || ' ' || $1, 0)) AS taken";
            let row = sqlx::query(lock).bind(&self.holder).fetch_one(&mut self.connection).await;
            self.locked = row.and_then(|row| row.try_get("taken")).map_err(failed)?;
        }
        Ok(())
    }

    /// Work that was not there before (a channel was made) gets a row to share it by.
    async fn add(&mut self, names: &[String]) -> Result<()> {
        let new: Vec<String> = names.iter().filter(|name| !self.added.contains(*name)).cloned().collect();
        if !new.is_empty() {
            sqlx::query(ADD).bind(&new).execute(&mut self.connection).await.map_err(failed)?;
            self.added.extend(new);
        }
        Ok(())
    }

    /// Renews what is held and takes or gives back what makes the shares even; the fences of what is held then.
    async fn beat(&mut self, inner: &Inner) -> Result<BTreeMap<String, i64>> {
        self.live().await?;
        let names: Vec<String> = inner.names().into_iter().collect();
        self.add(&names).await?;
        let holds = i64::try_from(HOLDS.as_millis()).unwrap_or(i64::MAX);
        let mut txn = self.connection.begin().await.map_err(failed)?;
        let members = count_members(&mut txn, &self.holder, holds).await?;
        let share = names.len().div_ceil(members.max(1));
        let rows = sqlx::query(RENEW).bind(&self.holder).bind(holds).bind(&names).fetch_all(&mut *txn).await;
        let mut fences = rows.map_err(failed)?.iter().map(fence).collect::<Result<BTreeMap<_, _>>>()?;
        if fences.len() > share {
            let surplus: Vec<String> = fences.keys().skip(share).cloned().collect();
            sqlx::query(GIVE).bind(&self.holder).bind(&surplus).execute(&mut *txn).await.map_err(failed)?;
            fences.retain(|name, _| !surplus.contains(name));
        } else if fences.len() < share {
            let lacking = i64::try_from(share - fences.len()).unwrap_or(i64::MAX);
            fences.extend(take(&mut txn, &self.holder, &names, holds, lacking).await?);
        }
        txn.commit().await.map_err(failed)?;
        Ok(fences)
    }
}

async fn count_members(db: &mut PgConnection, holder: &str, holds: i64) -> Result<usize> {
    sqlx::query(HERE).bind(holder).bind(holds).execute(&mut *db).await.map_err(failed)?;
    sqlx::query(BURY).bind(holder).execute(&mut *db).await.map_err(failed)?;
    let row = sqlx::query(COUNT).fetch_one(db).await.map_err(failed)?;
    let members: i64 = row.try_get("n").map_err(failed)?;
    Ok(usize::try_from(members).unwrap_or(1))
}

async fn take(
    db: &mut PgConnection,
    holder: &str,
    names: &[String],
    holds: i64,
    lacking: i64,
) -> Result<BTreeMap<String, i64>> {
    let taken = sqlx::query(TAKE).bind(holder).bind(names).bind(holds).bind(lacking).fetch_all(db).await;
    taken.map_err(failed)?.iter().map(fence).collect()
}

fn fence(row: &sqlx::postgres::PgRow) -> Result<(String, i64)> {
    Ok((row.try_get("name").map_err(failed)?, row.try_get("fence").map_err(failed)?))
}

fn failed(cause: sqlx::Error) -> Error {
    Error::unavailable(format!("the database refused: {cause}")).caused_by(cause)
}

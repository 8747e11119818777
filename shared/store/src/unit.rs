//! One transaction for what belongs together: effects, outgoing events, the position in the log.

use std::time::Duration;

use bus::Stream;
use bytes::Bytes;
use kernel::{Error, Ids, Kind, Result, Workspace};
use prost::Message as _;
use sea_orm::DatabaseTransaction;
use wire::event::Event;

use crate::audit::{self, Entry};
use crate::error::{StoreResult as _, within};
use crate::outbox::{self, Outbox, Outgoing};

/// Longest wait for the log after a commit.
const PUBLISHING: Duration = Duration::from_secs(2);

/// An open unit of work; dropped without [`Unit::commit`] it leaves nothing behind.
pub struct Unit {
    txn: DatabaseTransaction,
    outbox: Outbox,
    ids: Ids,
    outgoing: Vec<Outgoing>,
    changes: Vec<Entry>,
    afterwards: Vec<Box<dyn FnOnce() + Send + Sync>>,
    generation: u64,
    patience: Duration,
}

/// What is committed and on its way to the log.
#[derive(Debug)]
pub struct Publishing {
    outbox: Outbox,
    id: Option<i64>,
}

impl Publishing {
    /// Returns when it is on the log, or after two seconds.
    pub async fn done(self) {
        if let Some(id) = self.id
            && tokio::time::timeout(PUBLISHING, self.outbox.reached(id)).await.is_err()
        {
            tracing::debug!("a change is committed, and the log has not taken it yet");
        }
    }
}

impl std::fmt::Debug for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unit").field("outgoing", &self.outgoing.len()).finish_non_exhaustive()
    }
}

impl Unit {
    /// `generation` is as [`Unit::generation`] says it; a commit is waited for as long as `patience`.
    pub(crate) fn new(
        txn: DatabaseTransaction,
        outbox: Outbox,
        ids: Ids,
        generation: u64,
        patience: Duration,
    ) -> Self {
        let (outgoing, changes, afterwards) = Default::default();
        Self { txn, outbox, ids, outgoing, changes, afterwards, generation, patience }
    }

    /// Grows whenever this process learns that the database has, or may have, contents that this process did not write.
    /// Who keeps something of the database in memory keeps this number with it, and reads anew when they differ. (A word
    /// given once would be lost on the first unit of work that does not look.)
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The transaction, for every statement of this unit.
    pub fn db(&self) -> &DatabaseTransaction {
        &self.txn
    }

    /// Publishes a resolved event or platform fact on [`Stream::Events`], in order for its customer, when the unit
    /// commits.
    pub fn publish(&mut self, workspace: &Workspace, event: &Event) {
        let key = Bytes::copy_from_slice(event.customer_id.as_bytes());
        self.publish_encoded(workspace, key, event.encode_to_vec().into());
    }

    /// The same for an event that is encoded already; `key` is its customer id.
    pub fn publish_encoded(&mut self, workspace: &Workspace, key: Bytes, payload: Bytes) {
        self.outgoing.push(Outgoing { stream: Stream::Events, workspace: workspace.clone(), key, payload });
    }

    /// Enters a change that was made by hand in the audit log, when the unit commits. Handlers use `chassis::audit`, which
    /// knows who calls what and hides secrets.
    pub fn audit(&mut self, entry: Entry) {
        self.changes.push(entry);
    }

    /// Does `work` right after the commit, and only then: what memory keeps of the database is brought up to date here.
    /// A caller who goes away in between (a cancelled call) cannot part the two.
    pub fn afterwards(&mut self, work: impl FnOnce() + Send + Sync + 'static) {
        self.afterwards.push(Box::new(work));
    }

    /// Makes everything durable at once.
    ///
    /// # Errors
    /// When the database refuses; nothing has happened then.
    pub async fn commit(self) -> Result<()> {
        self.finish().await.map(drop)
    }

    /// The same, and returns when what it publishes is on the log: whoever reads the log afterwards sees it. A log that
    /// takes nothing holds the caller up for two seconds and no longer: what was committed is told later.
    ///
    /// # Errors
    /// When the database refuses; nothing has happened then.
    pub async fn commit_and_publish(self) -> Result<()> {
        self.commit_to_publish().await?.done().await;
        Ok(())
    }

    /// The same in two steps. Whoever holds what other units of work wait for lets go of it in between: with their
    /// transactions they hold the connections, of which the relay needs one.
    ///
    /// # Errors
    /// When the database refuses; nothing has happened then.
    pub async fn commit_to_publish(self) -> Result<Publishing> {
        let outbox = self.outbox.clone();
        Ok(Publishing { outbox, id: self.finish().await? })
    }

    async fn finish(mut self) -> Result<Option<i64>> {
        if self.outgoing.iter().any(|record| record.key.len() + record.payload.len() > bus::MAX_RECORD_BYTES)
        {
            let message = "what this would publish does not fit the event log; change less at once";
            return Err(Error::new(Kind::Invalid, "EVENT_TOO_LARGE", message));
        }
        if !self.changes.is_empty() {
            audit::insert(&self.txn, &self.ids, std::mem::take(&mut self.changes)).await?;
        }
        let turn = if self.outgoing.is_empty() {
            None
        } else {
            let turn = self.outbox.turn(&self.txn).await?;
            outbox::insert(&self.txn, turn.id, &self.outgoing).await?;
            Some(turn)
        };
        let Self { txn, outbox, afterwards, patience, .. } = self;
        // In a task of its own: a caller who goes away in between must not hide from the relay, nor from what memory
        // keeps, what was committed.
        let committing = async move {
            within(patience, txn.commit()).await?;
            for work in afterwards {
                work();
            }
            let Some(turn) = turn else { return Ok(None) };
            outbox.note_committed(turn.id);
            Ok(Some(turn.id))
        };
        #[expect(clippy::disallowed_methods, reason = "awaited right here")]
        let committed = tokio::spawn(committing).await;
        committed.map_err(|cause| Error::internal("a commit was interrupted").caused_by(cause))?
    }

    /// Gives everything up.
    ///
    /// # Errors
    /// When the database refuses; nothing has happened then either.
    pub async fn roll_back(self) -> Result<()> {
        self.txn.rollback().await.db()
    }
}

//! Accepted events, not yet resolved: each is published again, once, with its customer and record, behind the facts it
//! caused.

use std::sync::{Arc, Mutex, PoisonError};

use bus::{Log, Stream};
use chassis::fact::{self, Cause};
use kernel::{Error, Kind, Result, Workspace};
use store::{Delivery, Handler, Unit, dead_letter};

use crate::engine::{Engine, Session};
use crate::facts::Origin;
use crate::repeats::Repeats;
use crate::work::{Sighting, evidence};

/// Resolves batches of the raw stream.
#[derive(Debug)]
pub(crate) struct Raw {
    engine: Arc<Engine>,
    repeats: Repeats,
    /// From the end of a batch to its commit.
    session: Mutex<Option<Session>>,
}

impl Raw {
    pub(crate) fn new(engine: Arc<Engine>, log: Arc<dyn Log>) -> Self {
        Self { engine, repeats: Repeats::new(log), session: Mutex::default() }
    }

    fn take(&self) -> Option<Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn resolve(
        &self,
        unit: &mut Unit,
        session: &mut Session,
        workspace: &Workspace,
        batch: &[&Delivery],
    ) -> Result<()> {
        let mut work = session.work(&self.engine, unit.db(), workspace).await?;
        let sightings: Vec<Sighting> = batch
            .iter()
            .map(|Delivery { event, .. }| {
                work.sighting(&event.identifiers, evidence(fact::time(event), &event.id, "system"))
            })
            .collect();
        work.prepare(&sightings).await?;
        for (delivery, sighting) in batch.iter().zip(&sightings) {
            let event = &delivery.event;
            let Some(mut resolved) = work.resolve(sighting).await? else {
                dead_letter::set_aside(work.db, Stream::Raw, delivery, &nobody()).await?;
                continue;
            };
            let origin = Origin::sighting(Cause::of(event), "system", fact::time(event));
            work.tell(std::mem::take(&mut resolved.changes), &origin)?;
            work.publish_resolved(event, &resolved);
        }
        let done = work.finish().await?;
        session.publish(unit, done);
        Ok(())
    }
}

impl Handler for Raw {
    async fn prepare(&self, batch: &[Delivery]) -> Result<()> {
        self.repeats.prepare(batch).await
    }

    async fn apply(&self, unit: &mut Unit, batch: &[Delivery]) -> Result<()> {
        let batch = self.repeats.leave_out(batch);
        let mut session = self.engine.session(unit).await;
        let mut workspaces: Vec<(&Workspace, Vec<&Delivery>)> = Vec::new();
        for delivery in batch {
            match workspaces.iter_mut().find(|(workspace, _)| **workspace == delivery.workspace) {
                Some((_, deliveries)) => deliveries.push(delivery),
                None => workspaces.push((&delivery.workspace, vec![delivery])),
            }
        }
        for (workspace, deliveries) in workspaces {
            self.resolve(unit, &mut session, workspace, &deliveries).await?;
        }
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
        Ok(())
    }

    fn committed(&self) {
        self.repeats.keep();
        if let Some(session) = self.take() {
            session.keep();
        }
    }

    fn rolled_back(&self) {
        self.repeats.forget();
        drop(self.take());
    }
}

fn nobody() -> Error {
    Error::new(
        Kind::Invalid,
        "NO_IDENTIFIER",
        "the event names nobody: it has no identifier, or only blocked values",
    )
}

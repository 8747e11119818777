//! Applies the log: who enters, what waiting runs hear, whose runs and dates are whose.

mod customer_moved;
mod heard;
mod profile_updated;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kernel::{Result, Workspace};
use store::{Delivery, Handler, Unit};
use uuid::Uuid;
use wire::event::Event;

use crate::Shared;
use crate::jobs::dates;
use crate::registry::Index;

/// Runs and dates follow records to their new customers.
const MOVES: [&str; 2] = ["customer.merged", "customer.split"];
/// Dates that start runs may have changed.
const UPDATED: &str = "profile.updated";

/// Applies events.
pub(crate) struct Events {
    shared: Arc<Shared>,
    /// Whether runs or dates have changed since the jobs were last woken.
    changed: AtomicBool,
}

impl Events {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, changed: AtomicBool::new(false) }
    }

    async fn apply_workspace(&self, unit: &mut Unit, workspace: &Workspace, events: &[&Event]) -> Result<()> {
        let index = self.shared.registry.index(unit.db(), workspace).await?;
        let mut replanned: BTreeSet<Uuid> = BTreeSet::new();
        let mut pending = Vec::new();
        for event in events {
            match event.name.as_str() {
                name if MOVES.contains(&name) => {
                    // What came before it belongs to whom it belonged then.
                    self.flush(unit, workspace, &index, &mut pending).await?;
                    replanned.extend(customer_moved::apply(unit, workspace, event).await?);
                    self.changed.store(true, Ordering::SeqCst);
                }
                UPDATED if !index.attributes.is_empty() => {
                    replanned.extend(profile_updated::apply(unit, workspace, &index, event).await?);
                }
                _ => {}
            }
            if index.triggers(&event.name) || index.waited.contains(&event.name) {
                pending.push(*event);
            }
        }
        self.flush(unit, workspace, &index, &mut pending).await?;
        if !replanned.is_empty() && !index.attributes.is_empty() {
            dates::plan(&self.shared, unit.db(), workspace, &index, &replanned).await?;
            self.changed.store(true, Ordering::SeqCst);
        }
        Ok(())
    }

    async fn flush(
        &self,
        unit: &mut Unit,
        workspace: &Workspace,
        index: &Index,
        pending: &mut Vec<&Event>,
    ) -> Result<()> {
        let events = std::mem::take(pending);
        if !events.is_empty() && heard::apply(&self.shared, unit.db(), workspace, index, &events).await? {
            self.changed.store(true, Ordering::SeqCst);
        }
        Ok(())
    }
}

impl Handler for Events {
    /// What comes before a journey is published need not be known to it.
    fn wants(&self, workspace: &Workspace, name: &str) -> bool {
        // What another process has published is looked up within the unit of work.
        let index = self.shared.registry.known(workspace).filter(|_| !self.shared.cx.db.is_shared());
        index.is_none_or(|index| {
            MOVES.contains(&name)
                || (name == UPDATED && !index.attributes.is_empty())
                || index.triggers(name)
                || index.waited.contains(name)
        })
    }

    async fn apply(&self, unit: &mut Unit, batch: &[Delivery]) -> Result<()> {
        let mut rest = batch;
        // Neighbours of one workspace together, in order.
        while let Some(first) = rest.first() {
            let length = rest.iter().take_while(|delivery| delivery.workspace == first.workspace).count();
            let (these, others) = rest.split_at(length);
            let events: Vec<&Event> = these.iter().map(|delivery| &delivery.event).collect();
            self.apply_workspace(unit, &first.workspace, &events).await?;
            rest = others;
        }
        Ok(())
    }

    fn committed(&self) {
        if self.changed.swap(false, Ordering::SeqCst) {
            self.shared.runs.ring();
            self.shared.dates.ring();
        }
    }

    fn rolled_back(&self) {
        self.shared.registry.clear();
    }
}

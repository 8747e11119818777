//! Writing a unit of work: each table once.

use kernel::Result;
use store::Unit;

use super::Work;
use crate::store::{filling, members, people};

impl Work {
    /// Writes everything that changed and publishes what must be told. Says whether somebody may be due.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) async fn flush(mut self, unit: &mut Unit) -> Result<()> {
        for record in self.records.values_mut().filter(|record| record.changed) {
            self.catalogue.plan.prune(&mut record.state);
            self.catalogue.plan.expire(&mut record.state, self.now);
        }
        for customer in self.customers.values_mut().filter(|customer| customer.changed) {
            // What is left of tiers and segments that are no more.
            customer.memberships.retain(|part| self.catalogue.owner(part).is_some());
        }
        self.counts.retain(|part, _| *part == members::EVERYBODY || self.catalogue.owner(*part).is_some());
        let (db, workspace) = (unit.db(), &self.workspace);
        people::save_records(db, workspace, self.records.iter().filter(|(_, record)| record.changed)).await?;
        people::save_customers(db, workspace, self.customers.iter().filter(|(_, customer)| customer.changed))
            .await?;
        people::save_aliases(db, workspace, &self.new_aliases).await?;
        if self.filling.is_some() {
            let changed = self.aside.iter().filter(|(record, _)| self.aside_changed.contains(record));
            filling::save_aside(db, workspace, changed).await?;
        }
        members::save(db, workspace, &self.memberships).await?;
        members::count(db, workspace, &self.counts).await?;
        for fact in &self.facts {
            unit.publish(workspace, fact);
        }
        Ok(())
    }
}

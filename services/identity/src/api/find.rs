//! Finding customers by an id, an alias or an identifier.

use std::collections::HashMap;

use kernel::{CustomerId, Error, RecordId, Result, Workspace};

use super::Api;
use crate::domain::StoredRecord;
use crate::store::load;

/// How a request names a customer.
#[derive(Debug)]
pub(crate) enum Named {
    Id(String),
    Identifier(wire::event::Identifier),
}

impl Api {
    /// The live customer.
    pub(crate) async fn find(&self, workspace: &Workspace, named: Option<Named>) -> Result<CustomerId> {
        let db = self.engine.db.read();
        match named {
            None => Err(Error::invalid("customer", "give customer_id or identifier")),
            Some(Named::Id(id)) => {
                let id: CustomerId = id.parse()?;
                let found = self.live(workspace, &[id]).await?;
                found.get(&id).copied().ok_or_else(|| Error::not_found("customer", id))
            }
            Some(Named::Identifier(given)) => {
                let named = || format!("{}={}", given.namespace, given.value);
                let identifier = self
                    .engine
                    .policy
                    .read(&given.namespace, &given.value)
                    .map_err(|_| Error::invalid("identifier", format!("`{}` names nobody", named())))?;
                let found = load::by_identifiers(db, workspace, &[identifier]).await?;
                found
                    .first()
                    .map(|record| record.customer)
                    .ok_or_else(|| Error::not_found("customer", named()))
            }
        }
    }

    /// Where ids lead: the customer of the record each was founded with. Unknown ones are left out.
    pub(crate) async fn live(
        &self,
        workspace: &Workspace,
        ids: &[CustomerId],
    ) -> Result<HashMap<CustomerId, CustomerId>> {
        let records =
            load::by_records(self.engine.db.read(), workspace, ids.iter().map(|id| RecordId(id.0))).await?;
        let founded = records.into_iter().filter(|record| record.founder);
        Ok(founded.map(|record| (CustomerId(record.record.0), record.customer)).collect())
    }

    /// The records of live customers.
    pub(crate) async fn records(
        &self,
        workspace: &Workspace,
        customers: impl IntoIterator<Item = CustomerId>,
    ) -> Result<HashMap<CustomerId, Vec<StoredRecord>>> {
        let mut found: HashMap<CustomerId, Vec<StoredRecord>> = HashMap::new();
        for record in load::by_customers(self.engine.db.read(), workspace, customers).await? {
            found.entry(record.customer).or_default().push(record);
        }
        Ok(found)
    }
}

//! Finding customers by an id, an alias or an identifier.

use std::collections::HashMap;

use kernel::{CustomerId, Error, RecordId, Result, Workspace};

use super::Api;
use crate::domain::StoredRecord;
use crate::store::load::{self, One};

/// How a request names a customer.
#[derive(Debug)]
pub(crate) enum Named {
    Id(String),
    Identifier(wire::event::Identifier),
}

impl Api {
    /// All records of the customer that is meant; at least one.
    pub(crate) async fn find(
        &self,
        workspace: &Workspace,
        named: Option<Named>,
    ) -> Result<(CustomerId, Vec<StoredRecord>)> {
        let (one, name) = match named {
            None => return Err(Error::invalid("customer", "give customer_id or identifier")),
            Some(Named::Id(id)) => {
                let id: CustomerId = id.parse()?;
                (One::Founder(RecordId(id.0)), id.to_string())
            }
            Some(Named::Identifier(given)) => {
                let name = format!("{}={}", given.namespace, given.value);
                let identifier = self
                    .engine
                    .policy
                    .read(&given.namespace, &given.value)
                    .map_err(|_| Error::invalid("identifier", format!("`{name}` names nobody")))?;
                (One::Identified(identifier), name)
            }
        };
        let found = self.gathered.get(workspace, one.clone()).await?;
        let (id, records) = found.having(&one).ok_or_else(|| Error::not_found("customer", name))?;
        Ok((id, records.to_vec()))
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

//! `MergeCustomers`: a person says that customers are the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use chassis::fact::Cause;
use chassis::{Caller, audit, rpc};
use kernel::{CustomerId, Error, MergeId, RecordId, Result};
use wire::identity::{MergeCustomersRequest, MergeCustomersResponse};

use super::{Api, convert};
use crate::domain::{Missing, Rule};
use crate::facts::Origin;
use crate::store::{load, separation};
use crate::work::Work;

/// Customers in one merge at the most.
const MAX_CUSTOMERS: usize = 100;

impl Api {
    pub(super) async fn do_merge_customers(
        &self,
        caller: Caller,
        request: MergeCustomersRequest,
    ) -> Result<MergeCustomersResponse> {
        if !(2..=MAX_CUSTOMERS).contains(&request.customer_ids.len()) {
            return Err(Error::invalid("customer_ids", format!("name 2 to {MAX_CUSTOMERS} customers")));
        }
        let ids =
            request.customer_ids.iter().map(|id| id.parse()).collect::<Result<BTreeSet<CustomerId>>>()?;
        let engine = &*self.engine;
        let mut unit = engine.db.begin().await?;
        let mut session = engine.session(&unit).await;
        let mut work = session.work(engine, unit.db(), &caller.workspace).await?;
        let nodes = founders(&mut work, &ids).await?;
        let merge_id = MergeId(engine.ids.next());
        let (cause, actor): (Arc<str>, Arc<str>) = (merge_id.to_string().into(), caller.subject.clone());
        let lifted = loop {
            match work.graph.join(&nodes, &cause, &actor, engine.clock.now()) {
                Ok(lifted) => break lifted,
                Err(missing) => work.load(missing).await?,
            }
        };
        separation::lift(work.db, &work.workspace, &lifted).await?;
        let changes = work.graph.settle(None);
        let origin = Origin {
            cause: Cause { trace_parent: rpc::trace_parent(), ..Cause::none() },
            rule: Rule::Manual,
            actor: caller.subject.to_string(),
            reason: request.reason,
            time: engine.clock.now(),
            merge: Some(merge_id),
        };
        work.tell(changes, &origin)?;
        let merges: Vec<_> = work.merges().iter().map(convert::merge).collect();
        let done = work.finish().await?;
        for merge in &merges {
            audit::created(&mut unit, &caller, ("merge", &merge.merge_id), merge)?;
        }
        session.publish(&mut unit, done);
        session.commit_and_forget(unit).await?;
        Ok(MergeCustomersResponse { merge: merges.into_iter().next() })
    }
}

/// The records that the customers behind these ids were founded with, oldest first; at least two.
async fn founders(work: &mut Work<'_>, ids: &BTreeSet<CustomerId>) -> Result<Vec<usize>> {
    let named = load::by_records(work.db, &work.workspace, ids.iter().map(|id| RecordId(id.0))).await?;
    let known = |id: &&CustomerId| !named.iter().any(|record| record.founder && record.record.0 == id.0);
    if let Some(unknown) = ids.iter().find(known) {
        return Err(Error::not_found("customer", unknown));
    }
    let live: BTreeSet<CustomerId> = named.iter().map(|record| record.customer).collect();
    if live.len() < 2 {
        return Err(Error::precondition("ALREADY_MERGED", "these ids lead to one customer already"));
    }
    work.load(Missing(live.clone())).await?;
    Ok(live.iter().filter_map(|customer| work.graph.find_record(RecordId(customer.0))).collect())
}

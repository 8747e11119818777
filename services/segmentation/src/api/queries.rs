//! Questions about conditions that are not saved: estimate, evaluate, query.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use chassis::Caller;
use kernel::page::Page;
use kernel::{CustomerId, Error, Result, Workspace};
use uuid::Uuid;
use wire::segmentation::*;

use super::inquiry::Inquiry;
use super::{Api, members};
use crate::store::people;

/// Customers in one call of `EvaluateConditions`, at the most.
const MAX_CUSTOMERS: usize = 1_000;
/// Results of `QueryCustomers` that are kept for their next pages.
const RECENT: usize = 8;

/// A result: of whom, of what, and everybody it holds for.
type Found = (Workspace, String, Arc<Vec<Uuid>>);

/// Results of `QueryCustomers`, so that the pages of one query are of one moment. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recent(Arc<Mutex<VecDeque<Found>>>);

impl Recent {
    fn get(&self, workspace: &Workspace, condition: &str) -> Option<Arc<Vec<Uuid>>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().find(|(w, c, _)| w == workspace && c == condition).map(|(_, _, found)| found.clone())
    }

    fn put(&self, workspace: &Workspace, condition: &str, found: Arc<Vec<Uuid>>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(w, c, _)| w != workspace || c != condition);
        all.push_front((workspace.clone(), condition.to_owned(), found));
        all.truncate(RECENT);
    }
}

impl Api {
    pub(super) async fn do_estimate_segment(
        &self,
        caller: Caller,
        message: EstimateSegmentRequest,
    ) -> Result<EstimateSegmentResponse> {
        let field = |_| "condition".to_owned();
        let inquiry = Inquiry::prepare(&*self.engine()?, &caller, &[message.condition], field, &[]).await?;
        let (matched, total) = inquiry.everybody(&*self.engine()?, &caller).await?;
        Ok(EstimateSegmentResponse { matched: i64::try_from(matched.len()).unwrap_or(i64::MAX), total })
    }

    pub(super) async fn do_query_customers(
        &self,
        caller: Caller,
        message: QueryCustomersRequest,
    ) -> Result<QueryCustomersResponse> {
        let page = Page::read(message.page_size, &message.page_token)?;
        let after = members::after(&page)?;
        let known = after.and_then(|_| self.recent.get(&caller.workspace, &message.condition));
        let found = match known {
            Some(found) => found,
            None => {
                let conditions = [message.condition.clone()];
                let field = |_| "condition".to_owned();
                let inquiry = Inquiry::prepare(&*self.engine()?, &caller, &conditions, field, &[]).await?;
                let found = Arc::new(inquiry.everybody(&*self.engine()?, &caller).await?.0);
                self.recent.put(&caller.workspace, &message.condition, found.clone());
                found
            }
        };
        let from = after.map_or(0, |after| found.partition_point(|id| *id <= after));
        let limit = usize::try_from(page.limit()).unwrap_or(usize::MAX);
        let mut rows: Vec<Uuid> = found.iter().skip(from).take(limit).copied().collect();
        let next_page_token = page.cut(&mut rows, Uuid::to_string);
        Ok(QueryCustomersResponse {
            customer_ids: rows.iter().map(Uuid::to_string).collect(),
            total: i64::try_from(found.len()).unwrap_or(i64::MAX),
            next_page_token,
        })
    }

    /// Customers that are not known have no row.
    pub(super) async fn do_evaluate_conditions(
        &self,
        caller: Caller,
        message: EvaluateConditionsRequest,
    ) -> Result<EvaluateConditionsResponse> {
        if message.customer_ids.len() > MAX_CUSTOMERS {
            return Err(Error::invalid("customer_ids", format!("at most {MAX_CUSTOMERS} at once")));
        }
        let parse = |id: &String| id.parse::<CustomerId>().map(|id| id.0);
        let ids = message.customer_ids.iter().map(parse).collect::<Result<Vec<Uuid>>>()?;
        if message.fresh {
            self.applied.caught_up().await?;
        }
        let db = self.engine()?.cx.db.clone();
        let customers = people::resolve(db.read(), &caller.workspace, &ids).await?;
        let present: Vec<Uuid> = customers.values().map(|(id, _)| *id).collect();
        let field = |at| format!("conditions[{at}]");
        let inquiry =
            Inquiry::prepare(&*self.engine()?, &caller, &message.conditions, field, &present).await?;
        let records: Vec<Uuid> = customers.values().flat_map(|(_, c)| c.records.iter().copied()).collect();
        let records = people::records(db.read(), &caller.workspace, &records).await?;
        let records = records.into_iter().collect();
        let row = |id: &Uuid| {
            let (_, customer) = customers.get(id)?;
            let holds = inquiry.answer(customer, &records);
            Some(evaluate_conditions_response::Row { customer_id: id.to_string(), holds })
        };
        Ok(EvaluateConditionsResponse { rows: ids.iter().filter_map(row).collect() })
    }
}

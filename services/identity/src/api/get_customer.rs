//! `GetCustomer` and `BatchGetCustomers`.

use std::collections::BTreeSet;

use chassis::Caller;
use kernel::{CustomerId, Error, Result, Workspace};
use wire::identity::get_customer_request::Customer as By;
use wire::identity::{
    BatchGetCustomersRequest, BatchGetCustomersResponse, Customer, GetCustomerRequest, GetCustomerResponse,
};

use super::Api;
use super::convert;
use super::find::Named;

/// Ids in one call at the most.
const MAX_IDS: usize = 1_000;

impl Api {
    pub(super) async fn do_get_customer(
        &self,
        caller: Caller,
        request: GetCustomerRequest,
    ) -> Result<GetCustomerResponse> {
        let named = request.customer.map(|by| match by {
            By::CustomerId(id) => Named::Id(id),
            By::Identifier(identifier) => Named::Identifier(identifier),
        });
        let (id, records) = self.find(&caller.workspace, named).await?;
        Ok(GetCustomerResponse { customer: Some(convert::customer(id, records)) })
    }

    pub(super) async fn do_batch_get_customers(
        &self,
        caller: Caller,
        request: BatchGetCustomersRequest,
    ) -> Result<BatchGetCustomersResponse> {
        if request.customer_ids.len() > MAX_IDS {
            return Err(Error::invalid("customer_ids", format!("at most {MAX_IDS} in one call")));
        }
        let ids = request.customer_ids.iter().map(|id| id.parse()).collect::<Result<Vec<CustomerId>>>()?;
        let live = self.live(&caller.workspace, &ids).await?;
        let mut told = BTreeSet::new();
        let in_order = ids.iter().filter_map(|id| live.get(id)).copied().filter(|id| told.insert(*id));
        let customers = self.customers(&caller.workspace, in_order.collect::<Vec<_>>()).await?;
        Ok(BatchGetCustomersResponse { customers })
    }

    /// Live customers, in this order.
    pub(super) async fn customers(
        &self,
        workspace: &Workspace,
        ids: impl IntoIterator<Item = CustomerId>,
    ) -> Result<Vec<Customer>> {
        let ids: Vec<CustomerId> = ids.into_iter().collect();
        let mut records = self.records(workspace, ids.iter().copied()).await?;
        let customers = ids.into_iter().filter_map(|id| Some(convert::customer(id, records.remove(&id)?)));
        Ok(customers.collect())
    }
}

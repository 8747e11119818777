//! Identity: every customer is itself; records as the world has them.

use kernel::{Error, Result};
use wire::identity::get_customer_request::Customer as Asked;
use wire::identity::identity_service_server::{IdentityService, IdentityServiceServer};
use wire::identity::*;

use crate::fakes::{World, fake, methods};

fake!(FakeIdentity, "identity", [IdentityServiceServer::<crate::fakes::Shared>]);

methods! {
    IdentityService, identity:
    resolve_identity(ResolveIdentityRequest) -> ResolveIdentityResponse;
    resolve_identities(ResolveIdentitiesRequest) -> ResolveIdentitiesResponse;
    get_customer(GetCustomerRequest) -> GetCustomerResponse = get_customer;
    batch_get_customers(BatchGetCustomersRequest) -> BatchGetCustomersResponse = batch_get;
    merge_customers(MergeCustomersRequest) -> MergeCustomersResponse;
    list_merges(ListMergesRequest) -> ListMergesResponse;
    undo_merge(UndoMergeRequest) -> UndoMergeResponse;
    explain_identity(ExplainIdentityRequest) -> ExplainIdentityResponse;
    list_conflicts(ListConflictsRequest) -> ListConflictsResponse;
}

fn customer(world: &World, id: &str) -> Customer {
    let record = |record_id: &String| Record { record_id: record_id.clone(), ..Record::default() };
    Customer {
        customer_id: id.to_owned(),
        records: world.records.get(id).map(record).into_iter().collect(),
        ..Customer::default()
    }
}

fn get_customer(world: &mut World, asked: GetCustomerRequest) -> Result<GetCustomerResponse> {
    match asked.customer {
        Some(Asked::CustomerId(id)) => Ok(GetCustomerResponse { customer: Some(customer(world, &id)) }),
        _ => Err(Error::not_found("customer", "")),
    }
}

fn batch_get(world: &mut World, asked: BatchGetCustomersRequest) -> Result<BatchGetCustomersResponse> {
    let customers = asked.customer_ids.iter().map(|id| customer(world, id)).collect();
    Ok(BatchGetCustomersResponse { customers })
}

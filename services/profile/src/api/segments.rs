//! What segmentation keeps for profiles: memberships, queries, and the conditions of tags as segments of kind RULE.

use chassis::{Caller, rpc};
use kernel::{CustomerId, Error, Kind, Result};
use tonic::Code;
use wire::segmentation::segmentation_service_client::SegmentationServiceClient;
use wire::segmentation::*;

use crate::Shared;
use crate::store::row::tag::Model;

/// Keys of the segments a customer is in; none when segmentation is not there or does not know the customer yet.
pub(super) async fn memberships(
    shared: &Shared,
    caller: &Caller,
    customer: CustomerId,
) -> Result<Vec<String>> {
    let customer = list_memberships_request::Customer::CustomerId(customer.to_string());
    let request = ListMembershipsRequest { customer: Some(customer) };
    match client(shared).list_memberships(rpc::request(caller, request)).await {
        Ok(response) => Ok(response.into_inner().memberships.into_iter().map(|found| found.key).collect()),
        Err(status) if is_absent(status.code()) || status.code() == Code::NotFound => Ok(Vec::new()),
        Err(status) => Err(chassis::status::from_status(&status)),
    }
}

const fn is_absent(code: Code) -> bool {
    matches!(code, Code::Unavailable | Code::Unimplemented)
}

/// One page of the customers for whom a condition holds, in the order of their ids.
pub(super) async fn query(
    shared: &Shared,
    caller: &Caller,
    request: QueryCustomersRequest,
) -> Result<QueryCustomersResponse> {
    rpc::call(client(shared).query_customers(rpc::request(caller, request)))
        .await
        .map_err(|error| renamed(error, "condition", "filter"))
}

/// Sets the condition of a tag up; one left by an attempt that was cut off is replaced.
pub(super) async fn create(shared: &Shared, caller: &Caller, tag: &Model) -> Result<()> {
    let request = CreateSegmentRequest { segment: Some(segment(tag)) };
    match rpc::call(client(shared).create_segment(rpc::request(caller, request))).await {
        Err(error) if error.kind == Kind::AlreadyExists => update(shared, caller, tag).await,
        answer => answer.map(drop).map_err(of_tag),
    }
}

/// Changes the condition of a tag.
pub(super) async fn update(shared: &Shared, caller: &Caller, tag: &Model) -> Result<()> {
    let request = UpdateSegmentRequest { segment: Some(segment(tag)) };
    rpc::call(client(shared).update_segment(rpc::request(caller, request))).await.map(drop).map_err(of_tag)
}

/// Removes the condition of a tag; one that is gone already is fine.
pub(super) async fn delete(shared: &Shared, caller: &Caller, tag: &Model) -> Result<()> {
    let request = DeleteSegmentRequest { key: rule(tag) };
    match rpc::call(client(shared).delete_segment(rpc::request(caller, request))).await {
        Err(error) if error.kind != Kind::NotFound => Err(of_tag(error)),
        _ => Ok(()),
    }
}

fn rule(tag: &Model) -> String {
    format!("tag:{}", tag.key)
}

fn segment(tag: &Model) -> Segment {
    Segment {
        key: rule(tag),
        name: tag.name.clone(),
        condition: tag.condition.clone(),
        kind: SegmentKind::Rule.into(),
        ..Segment::default()
    }
}

fn of_tag(error: Error) -> Error {
    renamed(error, "segment", "tag")
}

/// Names the field as our caller does.
fn renamed(error: Error, theirs: &str, ours: &str) -> Error {
    if error.violations.is_empty() {
        return error;
    }
    let mut violations = error.violations;
    for violation in &mut violations {
        if let Some(rest) = violation.field.strip_prefix(theirs) {
            violation.field = format!("{ours}{rest}");
        }
    }
    Error::violations(violations)
}

fn client(shared: &Shared) -> SegmentationServiceClient<rpc::Channel> {
    SegmentationServiceClient::new(shared.rpc.to("segmentation"))
        .max_decoding_message_size(rpc::MAX_MESSAGE_BYTES)
}

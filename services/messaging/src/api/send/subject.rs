//! Whom requests mean: asked of identity with as few calls as possible.

use std::collections::HashSet;

use chassis::Caller;
use futures::stream::{self, StreamExt as _};
use kernel::{CustomerId, Error, RecordId, Result};
use wire::event::{Event, Identifier};
use wire::identity::get_customer_request;
use wire::messaging as pb;
use wire::messaging::send_message_request::Customer;

use crate::api::Api;
use crate::people::{Answers, Known, People, UNREADABLE};

/// Look-ups by identifier at the same time.
const LOOKUPS: usize = 16;
/// Customers in one call.
const MOST: usize = 1_000;

impl Api {
    /// Customer and record of each request.
    pub(super) async fn subjects(
        &self,
        caller: &Caller,
        requests: &[&pb::SendMessageRequest],
    ) -> Result<Vec<Result<(CustomerId, RecordId)>>> {
        let unseen: Vec<_> =
            requests.iter().filter(|request| subject_of_event(request).is_none()).copied().collect();
        let mut asked = self.customers(caller, &unseen).await?.into_iter();
        let mut subject = |request: &&pb::SendMessageRequest| match subject_of_event(request) {
            Some(subject) => Ok(subject),
            None => first_record(&asked.next().unwrap_or_else(|| Err(Error::internal("nobody was asked")))?),
        };
        Ok(requests.iter().map(&mut subject).collect())
    }

    /// The customer of each request, as identity knows them now.
    pub(super) async fn customers(
        &self,
        caller: &Caller,
        requests: &[&pb::SendMessageRequest],
    ) -> Result<Vec<Result<Known>>> {
        let people = People::of(self.rpc.clone(), caller.clone());
        let ids: HashSet<CustomerId> = requests.iter().filter_map(|request| id(request)).collect();
        let ids: Vec<CustomerId> = ids.into_iter().collect();
        let mut known = Vec::new();
        for ids in ids.chunks(MOST) {
            known.push(people.customers(ids).await?);
        }
        let (people, known) = (&people, known.as_slice());
        let customer = |request: &pb::SendMessageRequest| {
            let (id, identifier) = (id(request), identifier(request));
            async move {
                match (id, identifier) {
                    (Some(id), _) => by_id(known, id),
                    (None, Some(identifier)) => {
                        people.customer(get_customer_request::Customer::Identifier(identifier)).await
                    }
                    (None, None) => Err(Error::invalid("customer", "is required")),
                }
            }
        };
        let found: Vec<_> = requests.iter().map(|request| customer(request)).collect();
        Ok(stream::iter(found).buffered(LOOKUPS).collect().await)
    }
}

fn by_id(known: &[Answers<Known>], id: CustomerId) -> Result<Known> {
    if let Some(why) = known.iter().find_map(|answers| answers.refused.get(&id)) {
        return Err(Error::precondition(UNREADABLE, why));
    }
    let found = known.iter().find_map(|answers| answers.found.get(&id));
    found.cloned().ok_or_else(|| Error::not_found("customer", id))
}

/// An event that was seen on the customer meant says who they are.
fn subject_of_event(request: &pb::SendMessageRequest) -> Option<(CustomerId, RecordId)> {
    let Event { customer_id, record_id, .. } = request.event.as_ref()?;
    match &request.customer {
        Some(Customer::CustomerId(id)) if id == customer_id => {
            Some((id.parse().ok()?, record_id.parse().ok()?))
        }
        _ => None,
    }
}

fn id(request: &pb::SendMessageRequest) -> Option<CustomerId> {
    match &request.customer {
        Some(Customer::CustomerId(id)) => id.parse().ok(),
        _ => None,
    }
}

fn identifier(request: &pb::SendMessageRequest) -> Option<Identifier> {
    match &request.customer {
        Some(Customer::Identifier(identifier)) => Some(identifier.clone()),
        _ => None,
    }
}

fn first_record(known: &Known) -> Result<(CustomerId, RecordId)> {
    let record = known.records.first().ok_or_else(|| Error::internal("a customer without records"))?;
    Ok((known.id, *record))
}

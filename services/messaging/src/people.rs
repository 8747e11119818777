//! What profile and identity know of the customers of a batch: attributes for templates, identifiers for addresses.

use std::collections::HashMap;
use std::future::Future;

use chassis::rpc::{self, Rpc};
use chassis::{Caller, values};
use kernel::{CustomerId, Error, Kind, Result, Workspace};
use serde_json::{Map, Value};
use wire::event::Identifier;
use wire::identity::identity_service_client::IdentityServiceClient;
use wire::identity::{BatchGetCustomersRequest, Customer, GetCustomerRequest, get_customer_request};
use wire::profile::BatchGetProfilesRequest;
use wire::profile::profile_service_client::ProfileServiceClient;

/// One customer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Person {
    pub(crate) attributes: Map<String, Value>,
    /// Namespace and value.
    pub(crate) identifiers: Vec<(String, String)>,
}

impl Person {
    /// Values of a namespace.
    pub(crate) fn identifiers<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a str> {
        self.identifiers.iter().filter(move |(name, _)| name == namespace).map(|(_, value)| value.as_str())
    }

    /// An attribute that is a text.
    pub(crate) fn text(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute)?.as_str().filter(|text| !text.is_empty())
    }
}

/// What is known of several customers. One of whom nothing can be said, because the answer would be too large, keeps
/// nobody else waiting.
#[derive(Debug)]
pub(crate) struct Answers<T> {
    pub(crate) found: HashMap<CustomerId, T>,
    /// Why nothing can be said of these.
    pub(crate) refused: HashMap<CustomerId, String>,
}

/// Reason of a message or a call whose customer is among the refused.
pub(crate) const UNREADABLE: &str = "CUSTOMER_UNREADABLE";

/// Asks the other services on behalf of one workspace.
#[derive(Clone, Debug)]
pub(crate) struct People {
    rpc: Rpc,
    caller: Caller,
}

impl People {
    /// Asks as the service itself.
    pub(crate) fn new(rpc: Rpc, workspace: Workspace) -> Self {
        Self::of(rpc, Caller::system(workspace, "messaging"))
    }

    /// Asks as `caller`.
    pub(crate) fn of(rpc: Rpc, caller: Caller) -> Self {
        Self { rpc, caller }
    }

    /// The customers of those ids, aliases included; unknown ones are left out.
    pub(crate) async fn load(&self, ids: &[CustomerId]) -> Result<Answers<Person>> {
        let mut people = self.profiles(ids).await?;
        let is_missing =
            |id: &&CustomerId| !people.found.contains_key(id) && !people.refused.contains_key(id);
        let missing: Vec<CustomerId> = ids.iter().filter(is_missing).copied().collect();
        // Ids that lead to another customer by now, and customers so new that profile has not heard of them.
        let customers = self.customers(&missing).await?;
        people.refused.extend(customers.refused);
        let survivors: Vec<CustomerId> = customers.found.values().map(|customer| customer.id).collect();
        let profiles = self.profiles(&survivors).await?;
        for (id, customer) in customers.found {
            if let Some(why) = profiles.refused.get(&customer.id) {
                people.refused.insert(id, why.clone());
                continue;
            }
            let attributes =
                profiles.found.get(&customer.id).map(|person| person.attributes.clone()).unwrap_or_default();
            people.found.insert(id, Person { attributes, identifiers: customer.identifiers });
        }
        Ok(people)
    }

    /// Identifiers as identity knows them, which is ahead of the log and so of profile.
    pub(crate) async fn customers(&self, ids: &[CustomerId]) -> Result<Answers<Known>> {
        let answers = halving(ids, |customer_ids| async move {
            let request = BatchGetCustomersRequest { customer_ids };
            let mut identity = self.identity();
            let answer = rpc::call(identity.batch_get_customers(rpc::request(&self.caller, request))).await?;
            let mut found = Vec::new();
            for customer in answer.customers {
                let known = Known::read(&customer)?;
                for id in customer.aliases.iter().chain([&customer.customer_id]) {
                    found.push((id.parse()?, known.clone()));
                }
            }
            Ok(found)
        });
        let Answers { found, refused } = answers.await?;
        let found = ids.iter().filter_map(|id| Some((*id, found.get(id)?.clone()))).collect();
        Ok(Answers { found, refused })
    }

    /// The customer that an id or identifier leads to.
    pub(crate) async fn customer(&self, customer: get_customer_request::Customer) -> Result<Known> {
        let request = GetCustomerRequest { customer: Some(customer) };
        let answer = rpc::call(self.identity().get_customer(rpc::request(&self.caller, request))).await?;
        Known::read(&answer.customer.ok_or_else(|| Error::internal("identity answered without a customer"))?)
    }

    async fn profiles(&self, ids: &[CustomerId]) -> Result<Answers<Person>> {
        let read = |profile: wire::profile::Profile| {
            let attributes = profile.attributes.map(values::from_struct).unwrap_or_default();
            Ok((
                profile.customer_id.parse()?,
                Person { attributes, identifiers: pairs(&profile.identifiers) },
            ))
        };
        halving(ids, |customer_ids| async move {
            let client = ProfileServiceClient::new(self.rpc.to("profile"));
            let mut client = client.max_decoding_message_size(rpc::MAX_MESSAGE_BYTES);
            let request = BatchGetProfilesRequest { customer_ids };
            let answer = rpc::call(client.batch_get_profiles(rpc::request(&self.caller, request))).await?;
            answer.profiles.into_iter().map(read).collect()
        })
        .await
    }

    fn identity(&self) -> IdentityServiceClient<rpc::Channel> {
        IdentityServiceClient::new(self.rpc.to("identity")).max_decoding_message_size(rpc::MAX_MESSAGE_BYTES)
    }
}

/// Asks for all in one call; when the answer is refused, which is so when it is too large, for each half by itself,
/// down to one customer.
async fn halving<T, F>(ids: &[CustomerId], ask: impl Fn(Vec<String>) -> F) -> Result<Answers<T>>
where
    F: Future<Output = Result<Vec<(CustomerId, T)>>>,
{
    let mut answers = Answers { found: HashMap::new(), refused: HashMap::new() };
    let mut parts = vec![ids];
    while let Some(part) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        match (ask(part.iter().map(CustomerId::to_string).collect()).await, part) {
            (Ok(found), _) => answers.found.extend(found),
            (Err(error), [one]) if error.kind == Kind::Invalid => {
                answers.refused.insert(*one, error.message);
            }
            (Err(error), [_, _, ..]) if matches!(error.kind, Kind::Invalid | Kind::Exhausted) => {
                let (first, second) = part.split_at(part.len() / 2);
                parts.extend([second, first]);
            }
            (Err(error), _) => return Err(error),
        }
    }
    Ok(answers)
}

/// A customer as identity knows them.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) id: CustomerId,
    pub(crate) records: Vec<kernel::RecordId>,
    pub(crate) identifiers: Vec<(String, String)>,
}

impl Known {
    fn read(customer: &Customer) -> Result<Self> {
        Ok(Self {
            id: customer.customer_id.parse()?,
            records: customer.records.iter().map(|record| record.record_id.parse()).collect::<Result<_>>()?,
            identifiers: pairs(&customer.identifiers),
        })
    }
}

fn pairs(identifiers: &[Identifier]) -> Vec<(String, String)> {
    identifiers.iter().map(|one| (one.namespace.clone(), one.value.clone())).collect()
}

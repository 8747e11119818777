//! What profile and identity know of the customers of a batch: attributes for templates, identifiers for addresses.

use std::collections::HashMap;

use chassis::rpc::{self, Rpc};
use chassis::{Caller, values};
use kernel::{CustomerId, Error, Result, Workspace};
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
    pub(crate) async fn load(&self, ids: &[CustomerId]) -> Result<HashMap<CustomerId, Person>> {
        let mut people = self.profiles(ids).await?;
        let missing: Vec<CustomerId> = ids.iter().filter(|id| !people.contains_key(id)).copied().collect();
        if missing.is_empty() {
            return Ok(people);
        }
        // Ids that lead to another customer by now, and customers so new that profile has not heard of them.
        let customers = self.customers(&missing).await?;
        let survivors: Vec<CustomerId> = customers.values().map(|customer| customer.id).collect();
        let profiles = self.profiles(&survivors).await?;
        for (id, customer) in customers {
            let attributes =
                profiles.get(&customer.id).map(|person| person.attributes.clone()).unwrap_or_default();
            people.insert(id, Person { attributes, identifiers: customer.identifiers });
        }
        Ok(people)
    }

    /// Identifiers as identity knows them, which is ahead of the log and so of profile.
    pub(crate) async fn customers(&self, ids: &[CustomerId]) -> Result<HashMap<CustomerId, Known>> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let request =
            BatchGetCustomersRequest { customer_ids: ids.iter().map(CustomerId::to_string).collect() };
        let answer =
            rpc::call(self.identity().batch_get_customers(rpc::request(&self.caller, request))).await?;
        let mut found: HashMap<CustomerId, Known> = HashMap::new();
        for customer in &answer.customers {
            let known = Known::read(customer)?;
            for id in customer.aliases.iter().chain([&customer.customer_id]) {
                found.insert(id.parse()?, known.clone());
            }
        }
        Ok(ids.iter().filter_map(|id| Some((*id, found.get(id)?.clone()))).collect())
    }

    /// The customer that an id or identifier leads to.
    pub(crate) async fn customer(&self, customer: get_customer_request::Customer) -> Result<Known> {
        let request = GetCustomerRequest { customer: Some(customer) };
        let answer = rpc::call(self.identity().get_customer(rpc::request(&self.caller, request))).await?;
        Known::read(&answer.customer.ok_or_else(|| Error::internal("identity answered without a customer"))?)
    }

    async fn profiles(&self, ids: &[CustomerId]) -> Result<HashMap<CustomerId, Person>> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let client = ProfileServiceClient::new(self.rpc.to("profile"));
        let mut client = client.max_decoding_message_size(rpc::MAX_MESSAGE_BYTES);
        let request =
            BatchGetProfilesRequest { customer_ids: ids.iter().map(CustomerId::to_string).collect() };
        let answer = rpc::call(client.batch_get_profiles(rpc::request(&self.caller, request))).await?;
        let read = |profile: wire::profile::Profile| {
            let attributes = profile.attributes.map(values::from_struct).unwrap_or_default();
            Ok((
                profile.customer_id.parse()?,
                Person { attributes, identifiers: pairs(&profile.identifiers) },
            ))
        };
        answer.profiles.into_iter().map(read).collect()
    }

    fn identity(&self) -> IdentityServiceClient<rpc::Channel> {
        IdentityServiceClient::new(self.rpc.to("identity")).max_decoding_message_size(rpc::MAX_MESSAGE_BYTES)
    }
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

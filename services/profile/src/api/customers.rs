//! Who is meant: customers as identity knows them.

use std::collections::BTreeSet;

use chassis::{Caller, rpc};
use kernel::{CustomerId, Error, RecordId, Result};
use wire::event::Identifier;
use wire::identity::identity_service_client::IdentityServiceClient;
use wire::identity::{BatchGetCustomersRequest, Customer, GetCustomerRequest, get_customer_request};
use wire::profile::{get_profile_request, list_timeline_request, update_profile_request};

use crate::Shared;

/// Customers in one call at the most.
pub(crate) const MAX: usize = 1_000;

/// The customer that a request names.
pub(crate) enum Who {
    Id(String),
    Identifier(Identifier),
}

macro_rules! who {
    ($($module:ident)*) => {$(
        impl From<$module::Customer> for Who {
            fn from(given: $module::Customer) -> Self {
                match given {
                    $module::Customer::CustomerId(id) => Self::Id(id),
                    $module::Customer::Identifier(identifier) => Self::Identifier(identifier),
                }
            }
        }
    )*};
}

who! { get_profile_request list_timeline_request update_profile_request }

/// A customer with ids that were read.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: CustomerId,
    /// The first one is the oldest; never empty.
    pub(crate) records: Vec<RecordId>,
    pub(crate) identifiers: Vec<Identifier>,
    aliases: Vec<String>,
}

impl Person {
    /// The record on which people's own changes are kept: the oldest.
    pub(crate) fn first_record(&self) -> RecordId {
        self.records.first().copied().unwrap_or(RecordId(self.id.0))
    }

    /// Whether that id is theirs, or was before a merge.
    pub(crate) fn is(&self, id: &str) -> bool {
        self.id.to_string() == id || self.aliases.iter().any(|alias| alias == id)
    }

    fn read(customer: Customer) -> Result<Self> {
        let records = customer.records.iter().map(|record| record.record_id.parse());
        let mut records = records.collect::<Result<Vec<RecordId>>>()?;
        records.sort_unstable();
        Ok(Self {
            id: customer.customer_id.parse()?,
            records,
            identifiers: customer.identifiers,
            aliases: customer.aliases,
        })
    }
}

/// The one that a request names.
///
/// # Errors
/// What identity says, [`kernel::Kind::NotFound`] above all.
pub(crate) async fn one(shared: &Shared, caller: &Caller, who: Option<impl Into<Who>>) -> Result<Person> {
    let customer = match who.map(Into::into) {
        None => return Err(Error::invalid("customer_id", "name the customer by customer_id or identifier")),
        Some(Who::Id(id)) => get_customer_request::Customer::CustomerId(id),
        Some(Who::Identifier(identifier)) => get_customer_request::Customer::Identifier(identifier),
    };
    let request = GetCustomerRequest { customer: Some(customer) };
    let response = rpc::call(client(shared).get_customer(rpc::request(caller, request))).await?;
    Person::read(response.customer.ok_or_else(|| Error::internal("identity answered without a customer"))?)
}

/// Those of these ids that exist, each once, in the order of the ids.
///
/// # Errors
/// [`kernel::Kind::Invalid`] for more than [`MAX`]; what identity says.
pub(crate) async fn many(shared: &Shared, caller: &Caller, ids: Vec<String>) -> Result<Vec<Person>> {
    if ids.len() > MAX {
        return Err(Error::invalid(
            "customer_ids",
            format!("{} are given; at most {MAX} are taken", ids.len()),
        ));
    }
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let request = BatchGetCustomersRequest { customer_ids: ids.clone() };
    let response = rpc::call(client(shared).batch_get_customers(rpc::request(caller, request))).await?;
    let mut people = response.customers.into_iter().map(Person::read).collect::<Result<Vec<_>>>()?;
    let place = |person: &Person| {
        let id = person.id.to_string();
        ids.iter().position(|given| *given == id || person.aliases.contains(given)).unwrap_or(usize::MAX)
    };
    people.sort_by_cached_key(place);
    let mut met = BTreeSet::new();
    people.retain(|person| met.insert(person.id));
    Ok(people)
}

/// The same, and refuses unknown ones.
///
/// # Errors
/// [`kernel::Kind::NotFound`] that names the first unknown one.
pub(crate) async fn all(shared: &Shared, caller: &Caller, ids: Vec<String>) -> Result<Vec<Person>> {
    let people = many(shared, caller, ids.clone()).await?;
    let known: BTreeSet<String> = people
        .iter()
        .flat_map(|person| std::iter::once(person.id.to_string()).chain(person.aliases.clone()))
        .collect();
    match ids.iter().find(|id| !known.contains(*id)) {
        Some(unknown) => Err(Error::not_found("customer", unknown)),
        None => Ok(people),
    }
}

fn client(shared: &Shared) -> IdentityServiceClient<rpc::Channel> {
    IdentityServiceClient::new(shared.rpc.to("identity")).max_decoding_message_size(rpc::MAX_MESSAGE_BYTES)
}

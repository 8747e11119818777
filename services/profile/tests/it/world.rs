//! A stage with the service and its neighbours, and events as identity and segmentation would publish them.

use std::time::Duration;

use bus::Stream;
use chassis::{Assembly, Layers};
use kernel::{Kind, Time};
use serde_json::{Value, json};
use testkit::{Client, Stage, event, start_time};
use wire::event::{Context, Event};
use wire::profile::profile_service_client::ProfileServiceClient;
use wire::profile::tag_service_client::TagServiceClient;
use wire::profile::*;

use crate::fakes::identity::FakeIdentity;
use crate::fakes::segmentation::FakeSegmentation;

/// Everything a test needs.
pub(crate) struct World {
    pub(crate) stage: Stage,
    next: u64,
}

/// The services of a test.
pub(crate) fn assembly() -> Assembly {
    Assembly::new(Layers::default())
        .with::<FakeIdentity>()
        .with::<FakeSegmentation>()
        .with::<profile::Profile>()
}

/// Id of the n-th customer.
pub(crate) fn customer(n: u32) -> String {
    format!("019a0000-0000-7000-8000-{n:012}")
}

/// Id of the first record of the n-th customer.
pub(crate) fn record(n: u32) -> String {
    format!("019a0000-0000-7000-9000-{n:012}")
}

/// `start_time` and so many seconds.
pub(crate) fn at(seconds: i64) -> Time {
    Time(start_time().0 + seconds * 1_000_000)
}

/// An event of the n-th customer.
pub(crate) fn of(n: u32, id: &str, name: &str, seconds: i64, properties: Value) -> Event {
    let event = event(id, name, at(seconds), &[], properties);
    Event { customer_id: customer(n), record_id: record(n), ..event }
}

/// `identified` by a source of some priority.
pub(crate) fn identified(n: u32, id: &str, seconds: i64, priority: i32, traits: Value) -> Event {
    let context = Some(Context { source_priority: priority, ..Context::default() });
    Event { context, ..of(n, id, "identified", seconds, json!({ "traits": traits })) }
}

/// `customer.created` with the identifier `user_id=u<n>`.
pub(crate) fn created(n: u32) -> Event {
    let identifiers = json!({"identifiers": [{"namespace": "user_id", "value": format!("u{n}")}]});
    of(n, &format!("created-{n}"), "customer.created", 0, identifiers)
}

/// `customer.merged` (`n` joins `survivor`) or `customer.split`, told to the survivor.
pub(crate) fn moved(name: &str, survivor: u32, n: u32, seconds: i64) -> Event {
    let owner = if name == "customer.merged" { customer(survivor) } else { customer(n) };
    let gone = if name == "customer.merged" { "merged" } else { "restored" };
    let properties = json!({
        "merge_id": customer(99), "survivor": customer(survivor), gone: [customer(n)], "side": "survivor",
        "records": [{"record_id": record(survivor), "customer_id": customer(survivor)},
                    {"record_id": record(n), "customer_id": owner}],
    });
    of(survivor, &format!("{name}-{survivor}-{n}-{seconds}"), name, seconds, properties)
}

impl World {
    /// Customers 1 to `customers` exist.
    pub(crate) async fn with(customers: u32) -> Self {
        let mut world = Self { stage: Stage::open(assembly()).await.unwrap(), next: 1 };
        world.play((1..=customers).map(created).collect()).await;
        world
    }

    /// The same data and clock in a new process.
    pub(crate) async fn restarted(self) -> Self {
        Self { stage: self.stage.reopen(assembly()).await.unwrap(), next: self.next }
    }

    /// Appends events and waits until everything has settled.
    pub(crate) async fn play(&mut self, events: Vec<Event>) {
        self.stage.append(Stream::Events, self.next, &events).await.unwrap();
        self.next += events.len() as u64;
        self.stage.settled().await;
    }

    pub(crate) async fn advance(&self, seconds: u64) {
        self.stage.advance(Duration::from_secs(seconds)).await;
    }

    pub(crate) fn profiles(&self) -> ProfileServiceClient<Client> {
        ProfileServiceClient::new(self.stage.client())
    }

    pub(crate) fn tags(&self) -> TagServiceClient<Client> {
        TagServiceClient::new(self.stage.client())
    }

    pub(crate) async fn profile(&self, n: u32) -> Profile {
        let request =
            GetProfileRequest { customer: Some(get_profile_request::Customer::CustomerId(customer(n))) };
        self.profiles().get_profile(request).await.unwrap().into_inner().profile.unwrap()
    }

    pub(crate) async fn attributes(&self, n: u32) -> Value {
        attributes(&self.profile(n).await)
    }

    /// Keys of the tags a customer has.
    pub(crate) async fn tag_keys(&self, n: u32) -> Vec<String> {
        self.profile(n).await.tags.into_iter().map(|tag| tag.key).collect()
    }

    /// Events of a name on the log: customer and properties.
    pub(crate) async fn told(&self, name: &str) -> Vec<(String, Value)> {
        self.stage.settled().await;
        let events = self.stage.events(Stream::Events).await.unwrap();
        let told = events.iter().filter(|event| event.name == name);
        told.map(|event| (event.customer_id.clone(), chassis::fact::properties(event).into())).collect()
    }
}

pub(crate) fn attributes(profile: &Profile) -> Value {
    chassis::values::from_struct(profile.attributes.clone().unwrap()).into()
}

/// Fields of the violations of a refused call.
pub(crate) fn fields<T: std::fmt::Debug>(answer: Result<T, tonic::Status>) -> Vec<String> {
    let error = chassis::status::from_status(&answer.unwrap_err());
    assert_eq!(error.kind, Kind::Invalid, "{error}");
    error.violations.into_iter().map(|violation| violation.field).collect()
}

/// The kind of a refused call.
pub(crate) fn kind<T: std::fmt::Debug>(answer: Result<T, tonic::Status>) -> Kind {
    chassis::status::from_status(&answer.unwrap_err()).kind
}

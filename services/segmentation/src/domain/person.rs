//! What is held of people: records with facts and state, customers as sets of records with what they are in.

use kernel::{Error, Result, Time};
use rules::{Facts, State};
use uuid::Uuid;

use super::facts::RecordFacts;
use super::memberships::Memberships;

/// An identity record: what was said and done on it.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Whom it belongs to now.
    pub(crate) customer: Uuid,
    pub(crate) facts: RecordFacts,
    pub(crate) state: State,
    /// Must be written.
    pub(crate) changed: bool,
}

impl Record {
    pub(crate) fn new(customer: Uuid) -> Self {
        Self { customer, facts: RecordFacts::default(), state: State::new(), changed: true }
    }
}

/// A customer.
#[derive(Clone, Debug)]
pub(crate) struct Customer {
    pub(crate) records: Vec<Uuid>,
    pub(crate) memberships: Memberships,
    /// Not later than the next moment at which an answer changes by itself.
    pub(crate) due: Time,
    /// The fold over the records, until one changes.
    pub(crate) facts: Option<Facts>,
    /// Must be written.
    pub(crate) changed: bool,
    /// Became part of another customer.
    pub(crate) gone: bool,
    /// Came into being and has not been evaluated.
    pub(crate) newborn: bool,
}

impl Customer {
    pub(crate) fn new() -> Self {
        Self {
            records: Vec::new(),
            memberships: Memberships::default(),
            due: Time::MAX,
            facts: None,
            changed: true,
            gone: false,
            newborn: true,
        }
    }
}

/// Record ids as bytes, in the order they came.
pub(crate) fn encode_ids(ids: &[Uuid]) -> Vec<u8> {
    ids.iter().flat_map(|id| *id.as_bytes()).collect()
}

/// The reverse.
pub(crate) fn decode_ids(bytes: &[u8]) -> Result<Vec<Uuid>> {
    let (ids, rest) = bytes.as_chunks::<16>();
    if rest.is_empty() {
        return Ok(ids.iter().map(|id| Uuid::from_bytes(*id)).collect());
    }
    Err(Error::internal("the records of a customer are damaged"))
}

//! Typed ids: UUIDs that sort by the time they were made, each kind its own type.

use std::sync::{Arc, Mutex, PoisonError};

use uuid::{ContextV7, Timestamp, Uuid};

use crate::{Clock, Error};

macro_rules! id {
    ($(#[$doc:meta] $name:ident $what:literal;)*) => {$(
        #[$doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                Uuid::try_parse(text)
                    .map(Self)
                    .map_err(|_| Error::invalid($what, format!("`{text}` is not an id of this kind")))
            }
        }
    )*};
}

id! {
    /// A person: a set of records. Stable; may become an alias of another.
    CustomerId "customer_id";
    /// An immutable identity node; every fact is kept per record.
    RecordId "record_id";
    /// A joining of customers.
    MergeId "merge_id";
    /// One message to one customer.
    MessageId "message_id";
    /// One customer's way through one journey.
    RunId "run_id";
}

/// Makes ids in the order of the clock it was given. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ids {
    clock: Clock,
    context: Arc<Mutex<ContextV7>>,
}

impl Ids {
    /// Ids that carry the time of `clock`.
    pub fn new(clock: Clock) -> Self {
        Self { clock, context: Arc::new(Mutex::new(ContextV7::new())) }
    }

    /// The clock they follow.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// A new `UUIDv7`, greater than all before it from the same maker while time does not run back.
    pub fn next(&self) -> Uuid {
        let now = self.clock.now();
        let seconds = u64::try_from(now.seconds()).unwrap_or(0);
        let nanos = u32::try_from(now.0.rem_euclid(1_000_000) * 1_000).unwrap_or(0);
        let context = self.context.lock().unwrap_or_else(PoisonError::into_inner);
        Uuid::new_v7(Timestamp::from_unix(&*context, seconds, nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Time;

    #[test]
    fn ids_of_one_moment_still_sort_in_the_order_they_were_made() {
        let (clock, _warp) = Clock::warped(Time::from_seconds(1_700_000_000));
        let ids = Ids::new(clock);
        let made: Vec<_> = (0..1_000).map(|_| ids.next()).collect();
        assert!(made.is_sorted());
        assert!("x".parse::<CustomerId>().is_err());
    }
}

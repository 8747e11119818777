//! A condition on a customer, as a run looks at it.

use jiff::tz::TimeZone;
use kernel::Time;
use rules::{Condition, Customer, Facts, Schema};

use crate::domain::problem::Problems;

/// A checked condition on a customer.
#[derive(Clone, Debug)]
pub(crate) struct Test {
    condition: Condition,
    local: bool,
}

impl Test {
    /// Reads one; nothing for an empty text.
    pub(crate) fn read(source: &str, place: &str, problems: &mut Problems) -> Option<Self> {
        if source.trim().is_empty() {
            return None;
        }
        match Condition::customer(source, &Schema::open()) {
            Ok(condition) => Some(Self::new(condition)),
            Err(wrong) => {
                problems.add_condition(place, &wrong);
                None
            }
        }
    }

    /// Of a condition that is checked already.
    pub(crate) fn new(condition: Condition) -> Self {
        let uses = condition.uses();
        let asks = uses.behaviour
            || uses.any_tag
            || !(uses.attributes.is_empty()
                && uses.tags.is_empty()
                && uses.segments.is_empty()
                && uses.scores.is_empty());
        Self { local: !asks, condition }
    }

    /// The text, which is also how answers are found.
    pub(crate) fn source(&self) -> &str {
        self.condition.source()
    }

    /// What it reads.
    pub(crate) fn uses(&self) -> &rules::Uses {
        self.condition.uses()
    }

    /// Its truth where nothing of the customer is needed.
    pub(crate) fn alone(&self, now: Time, zone: &TimeZone) -> Option<bool> {
        let nobody = Customer { facts: &Facts::default(), history: &[], segments: &|_| false };
        self.local.then(|| self.condition.holds(&nobody, now, zone))
    }
}

//! A condition: parsed and checked once, evaluated as often as need be.

use std::fmt;
use std::sync::Arc;

use jiff::tz::TimeZone;
use kernel::Time;
use wire::event::Event;

use crate::check::{Scope, check};
use crate::eval::{eval, matches};
use crate::history::{Customer, Whole};
use crate::problem::Problems;
use crate::schema::Schema;
use crate::tree::Node;
use crate::uses::Uses;

/// A checked condition. Cheap to clone.
#[derive(Clone)]
pub struct Condition {
    inner: Arc<Inner>,
}

struct Inner {
    source: String,
    root: Node,
    uses: Uses,
}

impl Condition {
    fn new(source: &str, schema: &Schema, scope: Scope) -> Result<Self, Problems> {
        let root = check(source, schema, scope)?;
        let uses = Uses::of(&root);
        Ok(Self { inner: Arc::new(Inner { source: source.to_owned(), root, uses }) })
    }

    /// A condition on a customer: segments, tag rules, tiers, branches.
    ///
    /// # Errors
    /// Everything that is wrong with it, with places.
    pub fn customer(source: &str, schema: &Schema) -> Result<Self, Problems> {
        Self::new(source, schema, Scope::Customer)
    }

    /// A condition on one event, called `e` or `event`: filters, scores, auto-replies.
    ///
    /// # Errors
    /// Everything that is wrong with it, with places.
    pub fn event(source: &str, schema: &Schema) -> Result<Self, Problems> {
        Self::new(source, schema, Scope::Event)
    }

    /// A condition on an event (`e` or `event`) and the customer it belongs to: entries of journeys.
    ///
    /// # Errors
    /// Everything that is wrong with it, with places.
    pub fn trigger(source: &str, schema: &Schema) -> Result<Self, Problems> {
        Self::new(source, schema, Scope::Trigger)
    }

    /// The text it was made from.
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// What it reads.
    pub fn uses(&self) -> &Uses {
        &self.inner.uses
    }

    pub(crate) fn root(&self) -> &Node {
        &self.inner.root
    }

    /// Whether it holds for a customer at `now`, from the whole history; days begin at midnight in `zone`.
    pub fn holds(&self, customer: &Customer<'_>, now: Time, zone: &TimeZone) -> bool {
        eval(self.root(), &Whole { customer, event: None, now, zone }).val.is_true()
    }

    /// Whether a condition on one event holds for it. Always false for what a condition on customers would read.
    pub fn matches(&self, event: &Event) -> bool {
        matches(self.root(), event)
    }

    /// Whether a trigger's condition holds for an event and its customer at `now`, from the whole history.
    pub fn holds_for_trigger(
        &self,
        event: &Event,
        customer: &Customer<'_>,
        now: Time,
        zone: &TimeZone,
    ) -> bool {
        eval(self.root(), &Whole { customer, event: Some(event), now, zone }).val.is_true()
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Condition({})", self.inner.root)
    }
}

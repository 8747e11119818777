//! Conditions that somebody asks about now, without being saved. Series that the states hold completely are read from
//! them; the others are computed from history for this one time.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chassis::Caller;
use jiff::tz::TimeZone;
use kernel::{Error, Result, Time};
use rules::{Condition, Plan, PlannedSeries, Schema, State, View};
use uuid::Uuid;

use crate::domain::catalogue::Catalogue;
use crate::domain::facts::of_customer;
use crate::domain::person::{Customer, Record};
use crate::engine::Engine;
use crate::history::{self, Scan};
use crate::jobs::fill;
use crate::store::people;

/// Conditions, ready to be answered for any customer.
pub(super) struct Inquiry {
    plan: Plan,
    conditions: u32,
    catalogue: Arc<Catalogue>,
    /// Series that come from history.
    lacking: BTreeSet<u64>,
    past: HashMap<Uuid, State>,
    zone: TimeZone,
    now: Time,
}

impl Inquiry {
    /// Checks the conditions and reads the history they need, of some customers or of all.
    ///
    /// # Errors
    /// [`kernel::Kind::Invalid`] with the places of mistakes in `field(n)`; what analytics says.
    pub(super) async fn prepare(
        engine: &Engine,
        caller: &Caller,
        conditions: &[String],
        field: impl Fn(usize) -> String,
        customers: &[Uuid],
    ) -> Result<Self> {
        let catalogue = engine.committed(&caller.workspace).await?;
        let schema = Schema { segments: Some(catalogue.segment_keys()), ..Schema::open() };
        let (mut parsed, mut wrong) = (Vec::new(), Vec::new());
        for (at, text) in conditions.iter().enumerate() {
            match Condition::customer(text, &schema) {
                Ok(condition) => parsed.push(condition),
                Err(problems) => wrong.extend(problems.at(&field(at)).violations),
            }
        }
        if !wrong.is_empty() {
            return Err(Error::violations(wrong));
        }
        let plan = Plan::new((0..).zip(&parsed));
        let lacking = catalogue.lacking(&plan);
        let mut inquiry = Self {
            conditions: u32::try_from(parsed.len()).unwrap_or(u32::MAX),
            lacking: lacking.iter().map(|series| series.id).collect(),
            catalogue,
            past: HashMap::new(),
            zone: engine.cx.workspaces.zone(&caller.workspace).clone(),
            now: engine.cx.clock.now(),
            plan,
        };
        if !lacking.is_empty() {
            inquiry.past = inquiry.read_history(engine, caller, &lacking, customers).await?;
        }
        Ok(inquiry)
    }

    async fn read_history(
        &self,
        engine: &Engine,
        caller: &Caller,
        series: &[PlannedSeries],
        customers: &[Uuid],
    ) -> Result<HashMap<Uuid, State>> {
        let positions = fill::positions(engine, engine.cx.db.read()).await?;
        let mut ask = history::request(series, self.now, &positions);
        ask.customer_ids = customers.iter().map(Uuid::to_string).collect();
        Scan::open(engine, caller, self.plan.only(&self.lacking), ask).await?.next(usize::MAX).await
    }

    /// Whether each condition holds for a customer.
    pub(super) fn answer(&self, customer: &Customer, records: &HashMap<Uuid, Record>) -> Vec<bool> {
        let own: Vec<(&Uuid, &Record)> =
            customer.records.iter().filter_map(|id| records.get_key_value(id)).collect();
        let mixed: Vec<State> = if self.lacking.is_empty() {
            Vec::new()
        } else {
            own.iter().map(|(id, record)| self.mixed(id, &record.state)).collect()
        };
        let states: Vec<&State> = if self.lacking.is_empty() {
            own.iter().map(|(_, record)| &record.state).collect()
        } else {
            mixed.iter().collect()
        };
        let facts = of_customer(own.iter().map(|(_, record)| &record.facts));
        let segments =
            |key: &str| self.catalogue.segment(key).is_some_and(|part| customer.memberships.contains(part));
        let view = View { states: &states, facts: &facts, segments: &segments, event: None };
        (0..self.conditions).map(|id| self.plan.evaluate(id, &view, self.now, &self.zone).holds).collect()
    }

    fn mixed(&self, record: &Uuid, state: &State) -> State {
        let mut state = state.clone();
        self.lacking.iter().for_each(|series| state.forget(*series));
        if let Some(past) = self.past.get(record) {
            state.merge(past.clone());
        }
        state
    }

    /// Asks the first condition of every customer, in the order of their ids: those it holds for, and how many were
    /// asked.
    pub(super) async fn everybody(&self, engine: &Engine, caller: &Caller) -> Result<(Vec<Uuid>, i64)> {
        let db = engine.cx.db.read();
        let (mut after, mut matched, mut total) = (None, Vec::new(), 0);
        loop {
            let page = people::page(db, &caller.workspace, after, engine.config.evaluate_batch).await?;
            let Some((last, _)) = page.last() else { return Ok((matched, total)) };
            after = Some(*last);
            total += i64::try_from(page.len()).unwrap_or(0);
            let ids: Vec<Uuid> =
                page.iter().flat_map(|(_, customer)| customer.records.iter().copied()).collect();
            let records = people::records(db, &caller.workspace, &ids).await?.into_iter().collect();
            let holds = |(id, customer): &(Uuid, Customer)| {
                self.answer(customer, &records).first().is_some_and(|holds| *holds).then_some(*id)
            };
            matched.extend(page.iter().filter_map(holds));
        }
    }
}

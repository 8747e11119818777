//! The stream `events`, applied in batches: each table is read and written once per batch.

mod customer_moved;
mod identified;
mod known;
mod rules;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use ::store::{Delivery, Handler, Unit};
use chassis::fact;
use kernel::{CustomerId, RecordId, Result, Time, Workspace};
use uuid::Uuid;

use crate::Shared;
use crate::store::row::timeline as timeline_row;
use crate::store::timeline;
pub(crate) use identified::updated;
use known::Known;
pub(crate) use known::unseen;

/// Says traits of a record.
const IDENTIFIED: &str = "identified";

/// Applies events.
#[derive(Debug)]
pub(crate) struct Events {
    shared: Shared,
    /// Whether the batch being applied made an assignment with an end.
    expiring: AtomicBool,
}

/// An event with what is read of it more than once.
pub(crate) struct Seen<'a> {
    pub(crate) delivery: &'a Delivery,
    pub(crate) customer: CustomerId,
    pub(crate) record: RecordId,
    pub(crate) time: Time,
}

impl Seen<'_> {
    fn name(&self) -> &str {
        &self.delivery.event.name
    }

    fn is_move(&self) -> bool {
        matches!(self.name(), "customer.merged" | "customer.split")
    }

    fn is_rule(&self) -> bool {
        matches!(self.name(), "rule.entered" | "rule.exited")
    }

    /// Whether the customer was there in person.
    fn is_presence(&self) -> bool {
        matches!(self.name(), IDENTIFIED | "grouped" | "aliased" | "customer.created")
            || ::rules::is_behaviour(self.name())
    }

    /// Whether it belongs on the timeline: what only services care about does not.
    fn is_shown(&self) -> bool {
        !self.is_rule() && self.name() != "customer.created"
    }
}

impl Events {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared, expiring: AtomicBool::new(false) }
    }

    async fn apply_part(&self, unit: &mut Unit, workspace: &Workspace, part: &[Seen<'_>]) -> Result<()> {
        let mut ids: Vec<Uuid> =
            part.iter().filter(|seen| seen.name() == IDENTIFIED).map(|seen| seen.record.0).collect();
        let mut moves = Vec::new();
        for seen in part.iter().filter(|seen| seen.is_move()) {
            let moved = customer_moved::assignments(&seen.delivery.event)?;
            ids.extend(moved.iter().map(|(record, _)| record.0));
            moves.push(moved);
        }
        let mut moves = moves.into_iter();
        let mut known = Known::load(unit.db(), workspace, &ids).await?;
        let mut shown = Vec::with_capacity(part.len());
        for seen in part {
            if seen.name() == IDENTIFIED {
                let held = known.record(seen.record, seen.customer);
                identified::apply(&self.shared, unit, workspace, seen, held)?;
            }
            known.pass(seen.record, seen.customer, seen.is_presence().then_some(seen.time));
            if seen.is_move() {
                for (record, customer) in moves.next().unwrap_or_default() {
                    known.record(record, customer).moved(customer, seen.time);
                }
            }
            if seen.is_shown() {
                shown.push(row(workspace, seen));
            }
        }
        known.save(unit.db()).await?;
        timeline::append(unit.db(), shown).await?;
        let by_rule: Vec<&Seen<'_>> = part.iter().filter(|seen| seen.is_rule()).collect();
        if !by_rule.is_empty() && rules::apply(&self.shared, unit, workspace, &by_rule).await? {
            self.expiring.store(true, Ordering::SeqCst);
        }
        Ok(())
    }
}

impl Handler for Events {
    async fn apply(&self, unit: &mut Unit, batch: &[Delivery]) -> Result<()> {
        let mut tenants: BTreeMap<&Workspace, Vec<Seen<'_>>> = BTreeMap::new();
        for delivery in batch {
            let (customer, record) = fact::subject(&delivery.event)?;
            let seen = Seen { delivery, customer, record, time: fact::time(&delivery.event) };
            tenants.entry(&delivery.workspace).or_default().push(seen);
        }
        for (workspace, events) in tenants {
            let mut rest = events.as_slice();
            while !rest.is_empty() {
                let (part, after) = rest.split_at(part(rest));
                self.apply_part(unit, workspace, part).await?;
                rest = after;
            }
        }
        Ok(())
    }

    fn committed(&self) {
        if self.expiring.swap(false, Ordering::SeqCst) {
            self.shared.expiry.ring();
        }
    }

    fn rolled_back(&self) {
        self.expiring.store(false, Ordering::SeqCst);
    }
}

/// How many events may be applied together: rules are applied after everything else of a part, so that no record may
/// change its customer after a rule spoke.
fn part(events: &[Seen<'_>]) -> usize {
    let first_rule = events.iter().position(Seen::is_rule).unwrap_or(events.len());
    let next_move = events.iter().skip(first_rule).position(Seen::is_move);
    next_move.map_or(events.len(), |n| first_rule + n)
}

fn row(workspace: &Workspace, seen: &Seen<'_>) -> timeline_row::Model {
    let partition = i64::from(seen.delivery.partition);
    let position = i64::try_from(seen.delivery.position).unwrap_or(i64::MAX);
    timeline_row::Model {
        workspace: workspace.to_string(),
        record_id: seen.record.0,
        time: seen.time.0,
        arrival: (partition << 48) | position,
        name: seen.delivery.event.name.clone(),
        event: seen.delivery.payload.to_vec(),
    }
}

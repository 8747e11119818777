//! The consumer of events: which matter, loading whom they concern, applying them one after the other.

mod facts;
mod merges;

use std::collections::BTreeMap;
use std::sync::Arc;

use chassis::fact::{self, Cause};
use kernel::{Result, Workspace};
use rules::{Plan, is_behaviour};
use store::{Delivery, Handler, Unit};
use uuid::Uuid;
use wire::event::Event;

use crate::engine::Engine;
use crate::work::{Merge, Why, Work};

/// Applies events.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) engine: Arc<Engine>,
}

/// An event that matters here.
struct Matter<'a> {
    event: &'a Event,
    customer: Uuid,
    record: Uuid,
    merge: Option<Merge>,
}

impl Handler for Consumer {
    async fn apply(&self, unit: &mut Unit, batch: &[Delivery]) -> Result<()> {
        let mut by_workspace: BTreeMap<&Workspace, Vec<&Event>> = BTreeMap::new();
        for delivery in batch {
            by_workspace.entry(&delivery.workspace).or_default().push(&delivery.event);
        }
        for (workspace, events) in by_workspace {
            let mut work = Work::open(&self.engine, unit.db(), workspace).await?;
            let matters = matters(&events, &work.catalogue.plan)?;
            if matters.is_empty() {
                continue;
            }
            let records = matters.iter().flat_map(Matter::records).collect();
            let customers = matters.iter().flat_map(Matter::customers).collect();
            work.load(unit.db(), &records, &customers).await?;
            apply(&mut work, unit, &matters).await?;
            work.flush(unit).await?;
        }
        Ok(())
    }

    fn committed(&self) {
        self.engine.alarms.due.ring();
    }
}

impl Matter<'_> {
    fn records(&self) -> impl Iterator<Item = Uuid> {
        let moved = self.merge.iter().flat_map(|merge| merge.records.iter().map(|(record, _)| *record));
        moved.chain(self.merge.is_none().then_some(self.record))
    }

    fn customers(&self) -> impl Iterator<Item = Uuid> {
        let named = self.merge.as_ref().map(Merge::customers).unwrap_or_default();
        named.into_iter().chain(self.merge.is_none().then_some(self.customer))
    }
}

/// Leaves out what the platform did and no condition looks at.
fn matters<'a>(events: &[&'a Event], plan: &Plan) -> Result<Vec<Matter<'a>>> {
    const OURS: [&str; 9] = [
        "identified",
        "grouped",
        "aliased",
        "customer.created",
        "customer.merged",
        "customer.split",
        "profile.updated",
        "tag.added",
        "tag.removed",
    ];
    let mut matters = Vec::with_capacity(events.len());
    for event in events {
        let name = event.name.as_str();
        if !is_behaviour(name) && !OURS.contains(&name) && !plan.looks_at(name) {
            continue;
        }
        let (customer, record) = fact::subject(event)?;
        let merge = if matches!(name, "customer.merged" | "customer.split") {
            Some(Merge::read(event)?)
        } else {
            None
        };
        matters.push(Matter { event, customer: customer.0, record: record.0, merge });
    }
    Ok(matters)
}

async fn apply(work: &mut Work, unit: &Unit, matters: &[Matter<'_>]) -> Result<()> {
    // A customer that does something in this same batch is evaluated with that: it never was one who did nothing.
    let mut acting: BTreeMap<Uuid, usize> = BTreeMap::new();
    for (at, matter) in matters.iter().enumerate().filter(|(_, matter)| is_behaviour(&matter.event.name)) {
        acting.entry(matter.customer).or_insert(at);
    }
    for (at, matter) in matters.iter().enumerate() {
        let why = Why { cause: Cause::of(matter.event), reason: None, record: Some(matter.record) };
        if let Some(merge) = &matter.merge {
            merges::apply(work, unit, matter.event, merge, why).await?;
            continue;
        }
        let customer = work.subject(matter.record, matter.customer);
        work.catch_up(customer);
        match matter.event.name.as_str() {
            "profile.updated" => facts::profile_updated(work, matter.record, customer, matter.event, &why),
            "tag.added" => facts::tag(work, (matter.record, customer), matter.event, true, &why),
            "tag.removed" => facts::tag(work, (matter.record, customer), matter.event, false, &why),
            _ => {}
        }
        work.behave(matter.record, customer, matter.event, &why);
        if acting.get(&matter.customer).is_none_or(|first| at >= *first) {
            work.welcome(customer, &why);
        }
    }
    for customer in work.newborns() {
        work.welcome(customer, &Why::time());
    }
    Ok(())
}

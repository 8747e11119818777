//! Decides who is let in: the half of the entry condition about the customer, and the rule on re-entry.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use kernel::{Result, Time, Workspace};
use uuid::Uuid;

use crate::Shared;
use crate::domain::entry::ReEntry;
use crate::domain::{Input, Stage};
use crate::jobs::executor::{Fate, Truths, Work, ask};
use crate::store::runs;

/// Lets in or refuses the entering runs of a batch. Of one customer and journey one is decided on per round, so that
/// the next sees what has become of it.
pub(crate) async fn admit(shared: &Shared, batch: &mut [Work], truths: &mut Truths, now: Time) -> Result<()> {
    let mut taken = HashSet::new();
    let mut asks = Vec::new();
    for (n, work) in batch.iter_mut().enumerate().filter(|(_, work)| is_entering(work)) {
        if !taken.insert((work.workspace.clone(), work.row.journey.clone(), work.row.customer_id)) {
            work.fate = Fate::Deferred;
        } else if let Some(test) = &work.definition.entry.condition.customer {
            match test.alone(now, shared.cx.workspaces.zone(&work.workspace)) {
                Some(true) => {}
                Some(false) => work.fate = Fate::Refused,
                None => asks.push((n, vec![test.source().to_owned()])),
            }
        }
    }
    ask::ask(shared, batch, asks, truths, now).await;
    re_enter(shared, batch, now).await?;
    for work in batch.iter_mut().filter(|work| is_entering(work)) {
        let test = work.definition.entry.condition.customer.as_ref();
        let asked = test.and_then(|test| truths.get(&(work.row.customer_id, test.source().to_owned())));
        if asked == Some(&false) {
            work.fate = Fate::Refused;
        } else {
            work.row.entered_at = now.0;
            // Nothing is known yet on purpose: it comes to its first node, and whatever that asks is asked for later.
            work.step(shared, Input::Admit, truths, now);
        }
    }
    Ok(())
}

fn is_entering(work: &Work) -> bool {
    work.is_open() && work.state.stage == Stage::Entering
}

async fn re_enter(shared: &Shared, batch: &mut [Work], now: Time) -> Result<()> {
    let mut wanted: BTreeMap<Workspace, (BTreeSet<Uuid>, BTreeSet<String>)> = BTreeMap::new();
    let ruled = |work: &Work| is_entering(work) && work.definition.entry.re_entry != ReEntry::Always;
    for work in batch.iter().filter(|work| ruled(work)) {
        let (customers, journeys) = wanted.entry(work.workspace.clone()).or_default();
        customers.insert(work.row.customer_id);
        journeys.insert(work.row.journey.clone());
    }
    for (workspace, (customers, journeys)) in wanted {
        let customers: Vec<Uuid> = customers.into_iter().collect();
        let journeys: Vec<String> = journeys.into_iter().collect();
        let past = runs::past(shared.cx.db.read(), &workspace, &customers, &journeys).await?;
        for work in batch.iter_mut().filter(|work| work.workspace == workspace && ruled(work)) {
            let past =
                past.get(&(work.row.customer_id, work.row.journey.clone())).copied().unwrap_or_default();
            if !work.definition.entry.re_entry.allows(past, now) {
                work.fate = Fate::Refused;
            }
        }
    }
    Ok(())
}

//! Any event: starts runs, and is what waiting runs wait for.

use std::collections::{BTreeSet, HashMap, HashSet};

use chassis::fact;
use kernel::{CustomerId, RecordId, Result, Time, Workspace};
use sea_orm::ConnectionTrait;
use uuid::Uuid;
use wire::event::Event;

use crate::Shared;
use crate::domain::engine::hear;
use crate::domain::{RunState, Stage};
use crate::registry::Index;
use crate::store::{journeys, owners, runs};

/// A run that may hear, in memory.
struct Listener {
    row: runs::Run,
    state: RunState,
    /// When the event that started it happened: what happened before is not heard.
    since: Time,
    started_by: String,
    is_new: bool,
    changed: bool,
}

/// Applies events in order; says whether a run has changed.
pub(crate) async fn apply(
    shared: &Shared,
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    index: &Index,
    events: &[&Event],
) -> Result<bool> {
    let now = shared.cx.clock.now();
    let subjects = subjects(db, workspace, events).await?;
    let mut listeners = load(db, workspace, index, events, &subjects).await?;
    let mut started: HashSet<Uuid> = HashSet::new();
    for (event, subject) in events.iter().zip(&subjects) {
        let Some((customer, record)) = *subject else { continue };
        let time = fact::time(event);
        for listener in listeners.get_mut(&customer.0).into_iter().flatten() {
            if time >= listener.since && event.id != listener.started_by {
                listener.listen(index, event, now);
            }
        }
        for (key, known) in index.triggered(&event.name) {
            let Some(entry) = known.current().map(|definition| &definition.entry) else { continue };
            if !entry.takes(event) || entry.is_history(event, now, shared.knobs.max_age) {
                continue;
            }
            let row = runs::new(workspace, (key, known.version), (customer, record), event, now);
            if started.insert(row.run_id) {
                listeners.entry(customer.0).or_default().push(Listener::new(row, event, true)?);
            }
        }
    }
    let (new, heard): (Vec<_>, Vec<_>) =
        listeners.into_values().flatten().filter(|l| l.is_new || l.changed).partition(|l| l.is_new);
    let any = !new.is_empty() || !heard.is_empty();
    runs::insert(db, new.into_iter().map(|l| l.row).collect()).await?;
    runs::save(db, &heard.into_iter().map(|l| l.row).collect::<Vec<_>>()).await?;
    Ok(any)
}

impl Listener {
    fn new(row: runs::Run, trigger: &Event, is_new: bool) -> Result<Self> {
        let state = runs::state(&row)?;
        let (since, started_by) = (fact::time(trigger), trigger.id.clone());
        Ok(Self { row, state, since, started_by, is_new, changed: false })
    }

    fn listen(&mut self, index: &Index, event: &Event, now: Time) {
        let Some(known) = index.journey(&self.row.journey) else { return };
        let Some(definition) = known.definition(self.row.version) else { return };
        let rested = matches!(self.state.stage, Stage::Waiting { .. });
        if hear(definition, &mut self.state, event) {
            // One that was at work keeps its moment, which may be that of another try.
            let at = if rested { now } else { self.row.wakes_at.map_or(now, Time) };
            runs::put(&mut self.row, &self.state, at, known.state == journeys::PAUSED);
            self.changed = true;
        }
    }
}

/// Whose the events are now; nothing for one that does not say.
async fn subjects(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    events: &[&Event],
) -> Result<Vec<Option<(CustomerId, RecordId)>>> {
    let given: Vec<Option<(CustomerId, RecordId)>> =
        events.iter().map(|event| fact::subject(event).ok()).collect();
    let records: BTreeSet<Uuid> = given.iter().flatten().map(|(_, record)| record.0).collect();
    let owners = owners::of(db, workspace, &records.into_iter().collect::<Vec<_>>()).await?;
    let owned = |(customer, record): (CustomerId, RecordId)| {
        (owners.get(&record.0).map_or(customer, |owner| CustomerId(*owner)), record)
    };
    Ok(given.into_iter().map(|subject| subject.map(owned)).collect())
}

/// The runs that may hear these events, by customer.
async fn load(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    index: &Index,
    events: &[&Event],
    subjects: &[Option<(CustomerId, RecordId)>],
) -> Result<HashMap<Uuid, Vec<Listener>>> {
    let (mut customers, mut names) = (BTreeSet::new(), BTreeSet::new());
    for (event, subject) in events.iter().zip(subjects) {
        if let (Some((customer, _)), true) = (subject, index.waited.contains(&event.name)) {
            customers.insert(customer.0);
            names.insert(event.name.as_str());
        }
    }
    let customers: Vec<Uuid> = customers.into_iter().collect();
    let names: Vec<&str> = names.into_iter().collect();
    let mut found: HashMap<Uuid, Vec<Listener>> = HashMap::new();
    for row in runs::listening(db, workspace, &customers, &names).await? {
        // One that is damaged hears nothing, and is ended when it is due.
        let Ok(trigger) = runs::trigger(&row) else { continue };
        let customer = row.customer_id;
        found.entry(customer).or_default().extend(Listener::new(row, &trigger, false).ok());
    }
    Ok(found)
}

//! Takes the runs that are due one round further.
//!
//! A round claims a batch, does what is to be done at the nodes they stand at (outside of any transaction, under keys
//! that make repetitions harmless), takes every run on until it waits, ends or stands at the next thing to do, and
//! commits all of it at once. Decisions are therefore durable before they act: a crash repeats an effect under the
//! same key, and never decides anew in between.

mod act;
mod admit;
mod ask;
mod commit;

use std::collections::HashMap;
use std::sync::Arc;

use chassis::trace;
use kernel::{Error, Result, Time, Workspace, chain};
use uuid::Uuid;
use wire::event::Event;

use crate::Shared;
use crate::domain::{Action, Definition, Input, RunState, Stage, World, step};
use crate::registry::Known;
use crate::store::{journeys, runs};

pub(crate) use commit::Ledger;

/// A claimed run.
pub(crate) struct Work {
    pub(crate) row: runs::Run,
    pub(crate) workspace: Workspace,
    pub(crate) definition: Arc<Definition>,
    pub(crate) trigger: Event,
    pub(crate) state: RunState,
    pub(crate) actions: Vec<Action>,
    pub(crate) fate: Fate,
    /// Whether its journey is paused.
    pub(crate) paused: bool,
    /// What cannot be read of its row. Nothing can be done with it then but to end it.
    pub(crate) damage: Option<Error>,
}

/// What becomes of a claimed run in this round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Is kept as far as it has come.
    Kept,
    /// The same, and goes on after a pause because a call failed.
    Retried,
    /// Is not let in.
    Refused,
    /// Another one of the same customer goes first.
    Deferred,
}

/// Answers by customer and condition.
pub(crate) type Truths = HashMap<(Uuid, String), bool>;

/// One round; says when the next is due.
///
/// # Errors
/// What the database says; nothing has been kept then.
pub(crate) async fn round(shared: &Shared) -> Result<Option<Time>> {
    let (db, now) = (shared.cx.db.read(), shared.cx.clock.now());
    let rows = runs::due(db, now, shared.knobs.run_batch as u64).await?;
    if rows.is_empty() {
        return runs::next_due(db).await;
    }
    let mut batch = Vec::with_capacity(rows.len());
    for row in rows {
        batch.push(claim(shared, row).await?);
    }
    // Events of one customer are let in in the order in which they happened.
    batch.sort_by_key(|work| (work.row.due_at, chassis::fact::time(&work.trigger), work.row.run_id));
    let traces = batch.iter().map(|work| work.trigger.trace_parent.as_str());
    trace::spans("run", "journey", traces).around(Box::pin(take_on(shared, batch, now))).await?;
    Ok(Some(now))
}

async fn take_on(shared: &Shared, mut batch: Vec<Work>, now: Time) -> Result<()> {
    let mut truths = Truths::new();
    admit::admit(shared, &mut batch, &mut truths, now).await?;
    act::act(shared, &mut batch, now).await;
    go_on(shared, &mut batch, &mut truths, now).await;
    commit::commit(shared, batch, now).await
}

async fn claim(shared: &Shared, row: runs::Run) -> Result<Work> {
    let workspace = Workspace::new(row.workspace.as_str());
    let index = shared.registry.index(shared.cx.db.read(), &workspace).await?;
    let known = index.journey(&row.journey);
    let is = |state: &str| known.is_some_and(|known: &Known| known.state == state);
    let definition = known.and_then(|known| known.definition(row.version)).cloned();
    let paused = is(journeys::PAUSED);
    let given = definition.clone().unwrap_or_else(|| Arc::new(Definition::nothing()));
    let mut work = Work { paused, ..Work::of(row, workspace, given) };
    if let Some(damage) = &work.damage {
        let run = &work.row;
        tracing::error!(run = %run.run_id, journey = run.journey, error = %chain(damage), "a run is unreadable and ends");
    }
    let end = if definition.is_none() || work.damage.is_some() {
        Some("error")
    } else if is(journeys::ARCHIVED) {
        Some("archived")
    } else {
        None
    };
    match (&work.state.stage, end) {
        (Stage::Entering, Some(_)) => work.fate = Fate::Refused,
        (Stage::Entering, None) if work.paused => work.fate = Fate::Refused,
        (_, Some(reason)) => {
            let input = Input::Stop { reason: reason.to_owned() };
            work.step(shared, input, &Truths::new(), shared.cx.clock.now());
        }
        _ => {}
    }
    Ok(work)
}

impl Work {
    /// A run as it stands in its row. One that is damaged is no error: it would hold up all others.
    pub(crate) fn of(row: runs::Run, workspace: Workspace, definition: Arc<Definition>) -> Self {
        let mut damage = None;
        let trigger = runs::trigger(&row).unwrap_or_else(|error| {
            damage = Some(error);
            Event::default()
        });
        let state = runs::state(&row).unwrap_or_else(|error| {
            damage = Some(error);
            runs::remains(&row)
        });
        let (actions, fate, paused) = (Vec::new(), Fate::Kept, false);
        Self { row, workspace, definition, trigger, state, actions, fate, paused, damage }
    }

    /// Whether this round goes on with it.
    pub(crate) fn is_open(&self) -> bool {
        self.fate == Fate::Kept && self.state.is_live()
    }

    /// The same in every repetition of this visit, and different for every other.
    pub(crate) fn key(&self) -> String {
        format!("{}:{}:{}", self.row.run_id, self.state.node, self.state.visit)
    }

    /// Takes it one step on; answers with the conditions that it needs to know.
    pub(crate) fn step(&mut self, shared: &Shared, input: Input, truths: &Truths, now: Time) -> Vec<String> {
        let customer = self.row.customer_id;
        let truth = |condition: &str| truths.get(&(customer, condition.to_owned())).copied();
        let world = World { now, zone: shared.cx.workspaces.zone(&self.workspace), truth: &truth };
        let (state, actions) = step(&self.definition, self.state.clone(), input, &world);
        self.state = state;
        let mut asked = Vec::new();
        for action in actions {
            match action {
                Action::Ask(conditions) => asked = conditions,
                other => self.actions.push(other),
            }
        }
        asked
    }
}

/// Takes all on, asking together for what they need to know, until each rests.
async fn go_on(shared: &Shared, batch: &mut [Work], truths: &mut Truths, now: Time) {
    loop {
        let mut asks = Vec::new();
        for (n, work) in batch.iter_mut().enumerate().filter(|(_, work)| work.is_open()) {
            let rests = match work.state.stage {
                // Its wait has ended only if it has not begun in this round.
                Stage::Waiting { until, .. } => until > now || !work.actions.is_empty(),
                Stage::Acting | Stage::Entering | Stage::Exited { .. } => true,
                Stage::Arriving | Stage::Matched { .. } => false,
            };
            if !rests {
                let before = work.state.clone();
                let asked = work.step(shared, Input::Go, truths, now);
                if !asked.is_empty() {
                    asks.push((n, asked));
                } else if work.state == before {
                    // Its node is not of the kind that its row says.
                    work.step(shared, Input::Stop { reason: "error".to_owned() }, truths, now);
                }
            }
        }
        if asks.is_empty() {
            return;
        }
        ask::ask(shared, batch, asks, truths, now).await;
    }
}

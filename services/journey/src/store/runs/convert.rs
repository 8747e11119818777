//! A run as the engine knows it, to and from its row.

use kernel::{CustomerId, Error, RecordId, Result, Time, Workspace};
use prost::Message as _;
use uuid::Uuid;
use wire::event::Event;

use crate::domain::{RunState, Stage};
use crate::store::runs::{ENTERING, EXITED, READY, Run, WAITING};

/// `waits_for` of a run that is at work and holds what comes.
pub(super) const EVERYTHING: &str = "*";

/// Names run ids made from what triggered them.
const NAMESPACE: Uuid = Uuid::from_u128(0x6a6f_7572_6e65_795f_7275_6e5f_6964_7331);

/// A run that an event has triggered. Its id follows from journey and event, so that the same event again is the same
/// run.
pub(crate) fn new(
    workspace: &Workspace,
    (journey, version): (&str, i32),
    (customer, record): (CustomerId, RecordId),
    trigger: &Event,
    now: Time,
) -> Run {
    let name = format!("{workspace}\n{journey}\n{}", trigger.id);
    Run {
        workspace: workspace.to_string(),
        run_id: Uuid::new_v5(&NAMESPACE, name.as_bytes()),
        journey: journey.to_owned(),
        version,
        customer_id: customer.0,
        record_id: record.0,
        state: ENTERING.to_owned(),
        stage: String::new(),
        node: String::new(),
        visit: 0,
        hops: 0,
        wakes_at: Some(now.0),
        due_at: Some(now.0),
        waits_for: Some(EVERYTHING.to_owned()),
        matched: String::new(),
        trigger: trigger.encode_to_vec(),
        held: Vec::new(),
        attempts: 0,
        revision: 0,
        entered_at: now.0,
        exited_at: None,
        reason: String::new(),
    }
}

/// The event that started it.
pub(crate) fn trigger(row: &Run) -> Result<Event> {
    Event::decode(row.trigger.as_slice()).map_err(|cause| damaged(row).caused_by(cause))
}

fn damaged(row: &Run) -> Error {
    Error::internal(format!("run {} is damaged", row.run_id))
}

/// Where it stands.
pub(crate) fn state(row: &Run) -> Result<RunState> {
    let until = || row.wakes_at.map(Time).ok_or_else(|| damaged(row));
    let stage = match (row.state.as_str(), row.stage.as_str()) {
        (ENTERING, _) => Stage::Entering,
        (READY, "acting") => Stage::Acting,
        (READY, "matched") => Stage::Matched { event_id: row.matched.clone() },
        (READY, _) => Stage::Arriving,
        (WAITING, _) => Stage::Waiting { until: until()?, event: row.waits_for.clone() },
        (EXITED, _) => Stage::Exited { reason: row.reason.clone() },
        _ => return Err(damaged(row)),
    };
    let mut held = Vec::new();
    let mut bytes = row.held.as_slice();
    while !bytes.is_empty() {
        held.push(Event::decode_length_delimited(&mut bytes).map_err(|cause| damaged(row).caused_by(cause))?);
    }
    let count = |n: i32| u32::try_from(n).unwrap_or(0);
    Ok(RunState { node: row.node.clone(), visit: count(row.visit), hops: count(row.hops), stage, held })
}

/// Where one stands that cannot be read: enough to end it.
pub(crate) fn remains(row: &Run) -> RunState {
    let stage = if row.state == ENTERING { Stage::Entering } else { Stage::Arriving };
    let count = |n: i32| u32::try_from(n).unwrap_or(0);
    RunState {
        node: row.node.clone(),
        visit: count(row.visit),
        hops: count(row.hops),
        stage,
        held: Vec::new(),
    }
}

/// Puts where it stands into its row. `at` is when a run that is at work goes on, and when one that is over ended;
/// while the journey is paused nothing is due.
pub(crate) fn put(row: &mut Run, state: &RunState, at: Time, paused: bool) {
    let count = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    row.node.clone_from(&state.node);
    row.visit = count(state.visit);
    row.hops = count(state.hops);
    row.held = state.held.iter().flat_map(prost::Message::encode_length_delimited_to_vec).collect();
    row.matched.clear();
    let everything = || Some(EVERYTHING.to_owned());
    let (name, stage, wakes_at, waits_for) = match &state.stage {
        Stage::Entering => (ENTERING, "", Some(at), everything()),
        Stage::Arriving => (READY, "arriving", Some(at), everything()),
        Stage::Acting => (READY, "acting", Some(at), everything()),
        Stage::Matched { event_id } => {
            row.matched.clone_from(event_id);
            (READY, "matched", Some(at), everything())
        }
        Stage::Waiting { until, event } => (WAITING, "", Some(*until), event.clone()),
        Stage::Exited { reason } => {
            row.reason.clone_from(reason);
            row.exited_at = row.exited_at.or(Some(at.0));
            (EXITED, "", None, None)
        }
    };
    name.clone_into(&mut row.state);
    stage.clone_into(&mut row.stage);
    row.wakes_at = wakes_at.map(|time| time.0);
    row.due_at = row.wakes_at.filter(|_| !paused);
    row.waits_for = waits_for;
}

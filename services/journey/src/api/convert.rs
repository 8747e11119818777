//! Runs as the API shows them.

use kernel::{Result, Time};
use wire::journey as proto;

use crate::domain::run::cause_id;
use crate::store::runs::{self, Run, Step};

/// A run and, where wanted, its history.
pub(super) fn run(row: Run, history: Vec<Step>) -> Result<proto::Run> {
    let state = match row.state.as_str() {
        runs::WAITING => proto::RunState::Waiting,
        runs::EXITED => proto::RunState::Exited,
        _ => proto::RunState::Ready,
    };
    let trigger = runs::trigger(&row)?;
    let stamp = |time: i64| Time(time).into();
    Ok(proto::Run {
        run_id: row.run_id.to_string(),
        journey_key: row.journey,
        version: row.version,
        customer_id: row.customer_id.to_string(),
        state: state.into(),
        node: row.node,
        wakes_at: row.wakes_at.map(stamp),
        entered_at: Some(stamp(row.entered_at)),
        exited_at: row.exited_at.map(stamp),
        exit_reason: row.reason,
        cause_id: cause_id(&trigger).to_owned(),
        history: history.into_iter().map(step).collect(),
    })
}

/// One step of a history.
pub(super) fn step(step: Step) -> proto::Step {
    proto::Step {
        node: step.node,
        time: Some(Time(step.time).into()),
        outcome: step.outcome,
        detail: step.detail,
    }
}

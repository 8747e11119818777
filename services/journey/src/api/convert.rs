//! Runs as the API shows them.

use kernel::Time;
use wire::journey as proto;

use crate::domain::run::cause_id;
use crate::store::runs::{self, Run, Step};

/// A run and, where wanted, its history.
pub(super) fn run(row: Run, history: Vec<Step>) -> proto::Run {
    let state = match row.state.as_str() {
        runs::WAITING => proto::RunState::Waiting,
        runs::EXITED => proto::RunState::Exited,
        _ => proto::RunState::Ready,
    };
    // One that is damaged is shown all the same, so that it can be seen and ended.
    let cause_id = runs::trigger(&row).map(|trigger| cause_id(&trigger).to_owned()).unwrap_or_default();
    let stamp = |time: i64| Time(time).into();
    proto::Run {
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
        cause_id,
        history: history.into_iter().map(step).collect(),
    }
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

//! The kinds of nodes, one file each: how it is read and what it does.

pub(crate) mod branch;
pub(crate) mod exit;
pub(crate) mod send;
pub(crate) mod update;
pub(crate) mod wait;
pub(crate) mod wait_for;

use std::time::Duration;

use wire::journey as proto;
use wire::journey::node::Kind;

pub(crate) use branch::Branch;
pub(crate) use exit::Exit;
pub(crate) use send::Send;
pub(crate) use update::Update;
pub(crate) use wait::Wait;
pub(crate) use wait_for::WaitFor;

use crate::domain::problem::Problems;

/// One node.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Wait(Wait),
    WaitFor(WaitFor),
    Branch(Branch),
    Send(Send),
    Update(Update),
    Exit(Exit),
}

impl Node {
    /// Reads the node `id`; nothing when a part is missing or wrong.
    pub(crate) fn read(id: &str, node: &proto::Node, problems: &mut Problems) -> Option<Self> {
        let place = format!("nodes.{id}");
        let next = node.next.clone();
        match &node.kind {
            None => {
                problems.add(
                    place,
                    "missing",
                    "say what it does: wait, wait_for, branch, send, update or exit",
                );
                None
            }
            Some(Kind::Wait(wait)) => Wait::read(wait, next, &place, problems).map(Self::Wait),
            Some(Kind::WaitFor(wait)) => WaitFor::read(wait, &place, problems).map(Self::WaitFor),
            Some(Kind::Branch(branch)) => Branch::read(branch, &place, problems).map(Self::Branch),
            Some(Kind::Send(send)) => Send::read(send, next, &place, problems).map(Self::Send),
            Some(Kind::Update(update)) => Update::read(update, next, &place, problems).map(Self::Update),
            Some(Kind::Exit(exit)) => Some(Self::Exit(Exit::read(exit))),
        }
    }
}

/// A positive length of time.
pub(crate) fn duration(
    given: Option<&prost_types::Duration>,
    place: &str,
    problems: &mut Problems,
) -> Option<Duration> {
    let Some(given) = given else {
        problems.add(place, "missing", "give a length of time such as 30m");
        return None;
    };
    match Duration::try_from(*given) {
        Ok(length) if !length.is_zero() => Some(length),
        _ => {
            problems.add(place, "not_positive", "must be longer than nothing");
            None
        }
    }
}

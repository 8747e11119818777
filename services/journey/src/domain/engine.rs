//! How a run goes on: one pure function from where it stands and what happened to where it stands then.
//!
//! A run moves until it waits, is over, has to act (the caller does what the node says and comes back with what came of
//! it), or has to know whether conditions hold (the caller asks and comes back with the answers).

use jiff::tz::TimeZone;
use kernel::Time;
use wire::event::Event;

use crate::domain::definition::Definition;
use crate::domain::node::{Node, WaitFor};
use crate::domain::run::{RunState, Stage};
use crate::domain::test::Test;

/// Nodes that a run may come to without waiting.
pub(crate) const MAX_HOPS: u32 = 100;

/// What happened.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// It is let in.
    Admit,
    /// It is its turn: a wait has ended, the event came, or answers are there.
    Go,
    /// What the node says was done.
    Done {
        /// How it is called in the history.
        outcome: &'static str,
        /// More about it.
        detail: String,
        /// Whether the run cannot go on after it.
        fatal: bool,
    },
    /// It is ended from outside.
    Stop {
        /// Why.
        reason: String,
    },
}

/// What the caller has to note or to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Came to a node.
    Arrived(String),
    /// Left a node: a line of the history.
    Left { node: String, outcome: &'static str, detail: String },
    /// Needs to know whether these conditions hold for the customer.
    Ask(Vec<String>),
    /// Is over.
    Exited(String),
}

/// What the run can see.
pub(crate) struct World<'a> {
    /// The present moment.
    pub(crate) now: Time,
    /// The workspace's zone.
    pub(crate) zone: &'a TimeZone,
    /// Whether a condition holds for the customer; nothing when it is not known yet.
    pub(crate) truth: &'a dyn Fn(&str) -> Option<bool>,
}

impl World<'_> {
    fn truth(&self, test: &Test) -> Option<bool> {
        test.alone(self.now, self.zone).or_else(|| (self.truth)(test.source()))
    }
}

/// Goes on. Whatever state it answers with can be kept and gone on from later.
pub(crate) fn step(
    definition: &Definition,
    run: RunState,
    input: Input,
    world: &World<'_>,
) -> (RunState, Vec<Action>) {
    let mut walk = Walk { definition, run, actions: Vec::new() };
    walk.take(input);
    while walk.run.stage == Stage::Arriving && walk.look(world) {}
    (walk.run, walk.actions)
}

/// Hears an event while live; says whether that changed the run.
pub(crate) fn hear(definition: &Definition, run: &mut RunState, event: &Event) -> bool {
    match &run.stage {
        Stage::Waiting { event: Some(_), .. } => match definition.nodes.get(&run.node) {
            Some(Node::WaitFor(wait)) if wait.takes(event) => {
                run.stage = Stage::Matched { event_id: event.id.clone() };
                true
            }
            _ => false,
        },
        Stage::Waiting { event: None, .. } | Stage::Exited { .. } => false,
        Stage::Entering | Stage::Arriving | Stage::Acting | Stage::Matched { .. } => {
            let wanted = definition.waited().any(|name| name == event.name);
            if wanted {
                run.held.push(event.clone());
            }
            wanted
        }
    }
}

struct Walk<'a> {
    definition: &'a Definition,
    run: RunState,
    actions: Vec<Action>,
}

impl Walk<'_> {
    fn take(&mut self, input: Input) {
        let node = self.definition.nodes.get(&self.run.node);
        match (input, self.run.stage.clone(), node) {
            (Input::Stop { reason }, stage, _) => match stage {
                Stage::Exited { .. } => {}
                Stage::Entering => self.exit(reason),
                _ => {
                    self.leave("exited", reason.clone());
                    self.exit(reason);
                }
            },
            (Input::Admit, Stage::Entering, _) => self.arrive(&self.definition.start),
            (Input::Go, Stage::Waiting { .. }, Some(Node::Wait(wait))) => {
                self.leave("waited", String::new());
                self.arrive(&wait.next);
            }
            (Input::Go, Stage::Waiting { .. }, Some(Node::WaitFor(wait))) => {
                self.leave("timed_out", String::new());
                self.arrive(&wait.timed_out);
            }
            (Input::Go, Stage::Matched { event_id }, Some(Node::WaitFor(wait))) => {
                self.leave("matched", event_id);
                self.arrive(&wait.matched);
            }
            (
                Input::Done { outcome, detail, fatal },
                Stage::Acting,
                Some(Node::Send(_) | Node::Update(_)),
            ) => {
                self.leave(outcome, detail);
                match node {
                    _ if fatal => self.exit("error".to_owned()),
                    Some(Node::Send(send)) => self.arrive(&send.next),
                    Some(Node::Update(update)) => self.arrive(&update.next),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// Looks at the node it has come to; says whether it moved.
    fn look(&mut self, world: &World<'_>) -> bool {
        let Some(node) = self.definition.nodes.get(&self.run.node) else {
            self.stop("error", "the definition has no such node".to_owned());
            return false;
        };
        if self.run.hops > MAX_HOPS {
            self.stop("loop", format!("{MAX_HOPS} nodes without a wait"));
            return false;
        }
        let cases = if let Node::Branch(branch) = node { branch.cases.as_slice() } else { &[] };
        let needed = self.definition.exit_when.iter().chain(cases.iter().map(|(test, _)| test));
        let unknown: Vec<String> =
            needed.filter(|test| world.truth(test).is_none()).map(|test| test.source().to_owned()).collect();
        if !unknown.is_empty() {
            self.actions.push(Action::Ask(unknown));
            return false;
        }
        if self.definition.exit_when.as_ref().is_some_and(|test| world.truth(test) == Some(true)) {
            self.stop("exit_when", String::new());
            return false;
        }
        self.do_node(node, world)
    }

    fn do_node(&mut self, node: &Node, world: &World<'_>) -> bool {
        match node {
            Node::Wait(wait) => {
                self.run.held.clear();
                let until = wait.ends(world.now, world.zone);
                if until > world.now {
                    return self.rest(until, None);
                }
                self.leave("waited", String::new());
                self.arrive(&wait.next);
                true
            }
            Node::WaitFor(wait) => match self.take_held(wait) {
                Some(event_id) => {
                    self.leave("matched", event_id);
                    self.arrive(&wait.matched);
                    true
                }
                None => self.rest(world.now.plus(wait.timeout), Some(wait.event.clone())),
            },
            Node::Branch(branch) => {
                let (case, next) = branch.choose(|test| world.truth(test));
                self.leave("branched", case.map_or("otherwise".to_owned(), |n| format!("cases[{n}]")));
                self.arrive(next);
                true
            }
            Node::Send(_) | Node::Update(_) => {
                self.run.stage = Stage::Acting;
                false
            }
            Node::Exit(exit) => {
                self.leave("exited", exit.reason.clone());
                self.exit(exit.reason.clone());
                false
            }
        }
    }

    /// The first held event that it waits for; what came before it is gone, as if it had been waited through.
    fn take_held(&mut self, wait: &WaitFor) -> Option<String> {
        let found = self.run.held.iter().position(|event| wait.takes(event));
        let Some(at) = found else {
            self.run.held.clear();
            return None;
        };
        self.run.held.drain(..=at).next_back().map(|event| event.id)
    }

    fn rest(&mut self, until: Time, event: Option<String>) -> bool {
        self.run.hops = 0;
        self.run.stage = Stage::Waiting { until, event };
        false
    }

    fn arrive(&mut self, node: &str) {
        self.run.node = node.to_owned();
        self.run.visit += 1;
        self.run.hops += 1;
        self.run.stage = Stage::Arriving;
        self.actions.push(Action::Arrived(node.to_owned()));
    }

    fn leave(&mut self, outcome: &'static str, detail: String) {
        self.actions.push(Action::Left { node: self.run.node.clone(), outcome, detail });
    }

    fn stop(&mut self, reason: &str, detail: String) {
        let detail = if detail.is_empty() { reason.to_owned() } else { detail };
        self.leave("exited", detail);
        self.exit(reason.to_owned());
    }

    fn exit(&mut self, reason: String) {
        self.run.held.clear();
        self.run.stage = Stage::Exited { reason: reason.clone() };
        self.actions.push(Action::Exited(reason));
    }
}

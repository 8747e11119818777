//! What a condition depends on.

use std::collections::BTreeSet;

use crate::tree::{Literal, Node};

/// What a condition reads, so that it is known when to evaluate it again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// Names of attributes, of a nested one the outermost (`address` for `profile.address.city`).
    pub attributes: BTreeSet<String>,
    /// Keys of single tags.
    pub tags: BTreeSet<String>,
    /// All tags together, as in `size(tags) > 3`.
    pub any_tag: bool,
    /// Keys of segments.
    pub segments: BTreeSet<String>,
    /// Keys of scores.
    pub scores: BTreeSet<String>,
    /// Names of events in `events("…")` and `sequence(…)`.
    pub event_names: BTreeSet<String>,
    /// `events()` without a name: see [`is_behaviour`](crate::is_behaviour).
    pub any_event: bool,
    /// Any `events(…)` or `sequence(…)`.
    pub behaviour: bool,
    /// The one event of a condition on an event: `e` or `event` outside of filters.
    pub event: bool,
    /// `now` itself.
    pub now: bool,
}

impl Uses {
    pub(crate) fn of(root: &Node) -> Self {
        let mut uses = Self::default();
        uses.node(root);
        uses
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::In(left, right) if matches!(**right, Node::Tags) => {
                match &**left {
                    Node::Literal(Literal::Text(key)) => {
                        self.tags.insert(key.clone());
                    }
                    left => {
                        self.any_tag = true;
                        self.node(left);
                    }
                }
                return;
            }
            Node::Tags => self.any_tag = true,
            Node::Now => self.now = true,
            Node::Profile(path) => self.attributes.extend(path.first().cloned()),
            Node::Score(key) => {
                self.scores.insert(key.clone());
            }
            Node::Segment(key) => {
                self.segments.insert(key.clone());
            }
            Node::Event(_) => self.event = true,
            Node::Aggregate(aggregate) => {
                self.behaviour = true;
                self.any_event |= aggregate.selection.name.is_none();
                self.event_names.extend(aggregate.selection.name.clone());
            }
            Node::Sequence(sequence) => {
                self.behaviour = true;
                self.event_names.extend(sequence.names.iter().cloned());
            }
            _ => {}
        }
        node.children().into_iter().for_each(|child| self.node(child));
    }
}

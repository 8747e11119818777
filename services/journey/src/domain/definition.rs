//! A definition, read and checked.

use std::collections::BTreeMap;

use wire::journey as proto;

use crate::domain::entry::{Entry, EntryCondition, ReEntry, Trigger};
use crate::domain::graph;
use crate::domain::node::Node;
use crate::domain::problem::Problems;
use crate::domain::test::Test;

/// A definition in order.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    pub(crate) entry: Entry,
    pub(crate) start: String,
    pub(crate) nodes: BTreeMap<String, Node>,
    pub(crate) exit_when: Option<Test>,
}

impl Definition {
    /// Reads and checks everything that can be checked without asking others.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn read(given: &proto::Definition) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let entry = Entry::read(given.entry.as_ref(), &mut problems);
        let mut nodes = BTreeMap::new();
        // In the order of their ids, so that the same mistakes are always listed alike.
        for (id, node) in given.nodes.iter().collect::<BTreeMap<_, _>>() {
            if let Some(node) = Node::read(id, node, &mut problems) {
                nodes.insert(id.clone(), node);
            }
        }
        let exit_when = Test::read(&given.exit_when, "exit_when", &mut problems);
        graph::check(given, &mut problems);
        match entry {
            Some(entry) if problems.is_empty() => {
                Ok(Self { entry, start: given.start.clone(), nodes, exit_when })
            }
            _ => Err(problems),
        }
    }

    /// In place of a definition that can no longer be read: nobody enters, and runs find no node.
    pub(crate) fn nothing() -> Self {
        let entry = Entry {
            trigger: Trigger::Event(String::new()),
            condition: EntryCondition::default(),
            re_entry: ReEntry::Never,
        };
        Self { entry, start: String::new(), nodes: BTreeMap::new(), exit_when: None }
    }

    /// Names of the events that some node waits for.
    pub(crate) fn waited(&self) -> impl Iterator<Item = &str> {
        self.nodes.values().filter_map(|node| match node {
            Node::WaitFor(wait) => Some(wait.event.as_str()),
            _ => None,
        })
    }

    /// What it names that belongs to other services, with the places.
    pub(crate) fn mentions(&self) -> Mentions {
        let mut found = Mentions::default();
        match &self.entry.trigger {
            Trigger::SegmentEntered(key) => {
                found.segments.push((key.clone(), "entry.segment_entered".to_owned()))
            }
            Trigger::SegmentExited(key) => {
                found.segments.push((key.clone(), "entry.segment_exited".to_owned()))
            }
            Trigger::Event(_) | Trigger::Date(_) => {}
        }
        self.entry.condition.customer.iter().for_each(|test| found.test(test, "entry.condition"));
        self.exit_when.iter().for_each(|test| found.test(test, "exit_when"));
        for (id, node) in &self.nodes {
            found.node(node, &format!("nodes.{id}"));
        }
        found
    }
}

/// Keys of other services' definitions, each with the place that names it.
#[derive(Debug, Default)]
pub(crate) struct Mentions {
    pub(crate) templates: Vec<(String, String)>,
    pub(crate) channels: Vec<(String, String)>,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) segments: Vec<(String, String)>,
}

impl Mentions {
    fn test(&mut self, test: &Test, place: &str) {
        let at = |key: &String| (key.clone(), place.to_owned());
        self.tags.extend(test.uses().tags.iter().map(at));
        self.segments.extend(test.uses().segments.iter().map(at));
    }

    fn node(&mut self, node: &Node, place: &str) {
        match node {
            Node::Send(send) => {
                self.templates.push((send.template.clone(), format!("{place}.send.template")));
                let channel =
                    |(n, key): (usize, &String)| (key.clone(), format!("{place}.send.channels[{n}]"));
                self.channels.extend(send.channels.iter().enumerate().map(channel));
            }
            Node::Update(update) => {
                for (field, keys) in [("add_tags", &update.add_tags), ("remove_tags", &update.remove_tags)] {
                    let tag =
                        |(n, key): (usize, &String)| (key.clone(), format!("{place}.update.{field}[{n}]"));
                    self.tags.extend(keys.iter().enumerate().map(tag));
                }
            }
            Node::Branch(branch) => {
                for (n, (test, _)) in branch.cases.iter().enumerate() {
                    self.test(test, &format!("{place}.branch.cases[{n}].when"));
                }
            }
            Node::Wait(_) | Node::WaitFor(_) | Node::Exit(_) => {}
        }
    }
}

//! The shape of a definition: every way leads somewhere, every node can be reached, no circle without a wait.

use std::collections::{BTreeMap, BTreeSet};

use wire::journey as proto;
use wire::journey::node::Kind;

use crate::domain::key::is_slug;
use crate::domain::problem::Problems;

/// The ways out of a node: the place that names each, and where it leads.
fn ways<'a>(id: &str, node: &'a proto::Node) -> Vec<(String, &'a str)> {
    let place = format!("nodes.{id}");
    match &node.kind {
        None | Some(Kind::Exit(_)) => Vec::new(),
        Some(Kind::Wait(_) | Kind::Send(_) | Kind::Update(_)) => {
            vec![(format!("{place}.next"), node.next.as_str())]
        }
        Some(Kind::WaitFor(wait)) => vec![
            (format!("{place}.wait_for.matched"), wait.matched.as_str()),
            (format!("{place}.wait_for.timed_out"), wait.timed_out.as_str()),
        ],
        Some(Kind::Branch(branch)) => {
            let case = |(n, case): (usize, &'a proto::Case)| {
                (format!("{place}.branch.cases[{n}].next"), case.next.as_str())
            };
            let mut ways: Vec<_> = branch.cases.iter().enumerate().map(case).collect();
            ways.push((format!("{place}.branch.otherwise"), branch.otherwise.as_str()));
            ways
        }
    }
}

/// Looks at the ways between the nodes.
pub(crate) fn check(definition: &proto::Definition, problems: &mut Problems) {
    let nodes: BTreeMap<&str, &proto::Node> =
        definition.nodes.iter().map(|(id, node)| (id.as_str(), node)).collect();
    if nodes.is_empty() {
        problems.add("nodes", "missing", "give at least one node");
    }
    for id in nodes.keys().filter(|id| !is_slug(id)) {
        problems.add(
            format!("nodes.{id}"),
            "bad_id",
            "an id is made of a-z, 0-9, `_`, `.` and `-`, 63 at the most",
        );
    }
    let mut ways_of: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let start = std::iter::once((None, "start".to_owned(), definition.start.as_str()));
    let others =
        nodes.iter().flat_map(|(id, node)| ways(id, node).into_iter().map(|(p, to)| (Some(*id), p, to)));
    for (from, place, to) in start.chain(others) {
        if to.is_empty() {
            problems.add(place, "missing", "say which node comes next; let a way end in an exit node");
        } else if !nodes.contains_key(to) {
            problems.add(place, "unknown_node", format!("there is no node `{to}`"));
        } else if let Some(from) = from {
            ways_of.entry(from).or_default().push(to);
        }
    }
    let reached = reach(&definition.start, &ways_of);
    for id in
        nodes.keys().filter(|id| nodes.contains_key(definition.start.as_str()) && !reached.contains(*id))
    {
        problems.add(
            format!("nodes.{id}"),
            "unreachable",
            "no way leads here from start; connect it or remove it",
        );
    }
    circles(&nodes, &ways_of, problems);
}

fn reach<'a>(start: &'a str, ways: &BTreeMap<&str, Vec<&'a str>>) -> BTreeSet<&'a str> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![start]);
    while let Some(id) = open.pop() {
        if reached.insert(id) {
            open.extend(ways.get(id).into_iter().flatten());
        }
    }
    reached
}

/// Refuses circles in which nothing waits: runs would go round for ever in one moment.
fn circles(nodes: &BTreeMap<&str, &proto::Node>, ways: &BTreeMap<&str, Vec<&str>>, problems: &mut Problems) {
    let rests =
        |id: &str| matches!(nodes.get(id).map(|n| &n.kind), Some(Some(Kind::Wait(_) | Kind::WaitFor(_))));
    let hasty: BTreeMap<&str, Vec<&str>> = ways
        .iter()
        .filter(|(id, _)| !rests(id))
        .map(|(id, to)| (*id, to.iter().copied().filter(|to| !rests(to)).collect()))
        .collect();
    for (id, next) in &hasty {
        if next.iter().any(|next| reach(next, &hasty).contains(id)) {
            let message = "runs would go in a circle here without ever waiting; put a wait into it";
            problems.add(format!("nodes.{id}"), "circle", message);
        }
    }
}

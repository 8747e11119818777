//! Why two records are one customer, or are not.

use std::collections::{HashMap, VecDeque};

use super::{Evidence, Graph, Identifier, Rule, Verdict};

/// One step of an explanation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub a: Identifier,
    pub b: Identifier,
    pub rule: Rule,
    pub evidence: Evidence,
    pub verdict: Verdict,
}

impl Graph {
    /// The shortest chain of links from one record to another of the same customer, in order.
    pub(crate) fn chain(&self, from: usize, to: usize) -> Vec<Step> {
        let mut came_by: HashMap<usize, (usize, usize)> = HashMap::new();
        let mut queue = VecDeque::from([from]);
        while let Some(node) = queue.pop_front() {
            for link in &self.nodes[node].links {
                let (x, y) = self.links[*link].ends;
                let other = if x == node { y } else { x };
                let joined = self.links[*link].verdict == Some(Verdict::Joined);
                if joined && other != from && !came_by.contains_key(&other) {
                    came_by.insert(other, (node, *link));
                    queue.push_back(other);
                }
            }
        }
        let mut steps = Vec::new();
        let mut at = to;
        while at != from {
            let Some((before, link)) = came_by.get(&at) else { return Vec::new() };
            steps.push(self.step(*link, *before));
            at = *before;
        }
        steps.reverse();
        steps
    }

    /// The refused links between the customers of two records.
    pub(crate) fn refusals(&self, x: usize, y: usize) -> Vec<Step> {
        let (Some(first), Some(second)) = (self.nodes[x].component, self.nodes[y].component) else {
            return Vec::new();
        };
        let of_first = self.components[first]
            .iter()
            .flat_map(|node| self.nodes[*node].links.iter().map(move |link| (*node, *link)));
        let crosses = |(node, link): &(usize, usize)| {
            let (a, b) = self.links[*link].ends;
            self.nodes[if a == *node { b } else { a }].component == Some(second)
        };
        of_first.filter(crosses).map(|(node, link)| self.step(link, node)).collect()
    }

    fn step(&self, link: usize, from: usize) -> Step {
        let link = &self.links[link];
        let other = if link.ends.0 == from { link.ends.1 } else { link.ends.0 };
        Step {
            a: self.nodes[from].identifier.clone(),
            b: self.nodes[other].identifier.clone(),
            rule: link.rule,
            evidence: link.evidence.clone(),
            verdict: link.verdict.unwrap_or(Verdict::Joined),
        }
    }
}

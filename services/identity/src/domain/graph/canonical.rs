//! Processing a neighbourhood again from nothing, in canonical order.

use std::collections::HashSet;

use kernel::Time;

use super::{Evidence, Graph, Identifier, Missing, Rule};

/// Where a link stands in canonical order: nothing of it depends on the order of arrival.
pub(super) type Order<'a> = (Time, &'a str, &'a Identifier, &'a Identifier, Rule);

impl Graph {
    pub(super) fn order(&self, link: usize) -> Order<'_> {
        let link = &self.links[link];
        self.order_of(link.ends, link.rule, &link.evidence)
    }

    pub(super) fn order_of<'a>(
        &'a self,
        ends: (usize, usize),
        rule: Rule,
        evidence: &'a Evidence,
    ) -> Order<'a> {
        let (x, y) = (&self.nodes[ends.0].identifier, &self.nodes[ends.1].identifier);
        (evidence.time, &evidence.cause, x.min(y), x.max(y), rule)
    }

    /// Everything that can be reached over links, refused ones included: no decision outside it depends on one inside.
    pub(super) fn neighbourhood(&self, start: &[usize]) -> Result<Vec<usize>, Missing> {
        let mut reached = HashSet::new();
        let mut queue: Vec<usize> = start.iter().copied().filter(|node| reached.insert(*node)).collect();
        let mut next = 0;
        while let Some(node) = queue.get(next).copied() {
            next += 1;
            let fellows =
                self.nodes[node].component.into_iter().flat_map(|set| self.components[set].iter().copied());
            let linked = self.nodes[node].links.iter().flat_map(|link| {
                let (x, y) = self.links[*link].ends;
                [x, y]
            });
            queue.extend(fellows.chain(linked).filter(|other| reached.insert(*other)));
        }
        let missing = self.missing(queue.iter().copied());
        if missing.0.is_empty() { Ok(queue) } else { Err(missing) }
    }

    /// Decides all links of a neighbourhood anew.
    pub(super) fn process_again(&mut self, around: &[usize]) {
        for node in around {
            if let Some(old) = self.nodes[*node].component {
                self.components[old].clear();
            }
        }
        for node in around {
            self.nodes[*node].component = Some(self.components.len());
            self.changed.push(self.components.len());
            self.components.push(vec![*node]);
        }
        let mut links: Vec<usize> =
            around.iter().flat_map(|node| self.nodes[*node].links.iter().copied()).collect();
        links.sort_by(|a, b| self.order(*a).cmp(&self.order(*b)));
        links.dedup();
        for link in links {
            let ((x, y), rule, time) =
                (self.links[link].ends, self.links[link].rule, self.links[link].evidence.time);
            if let (Some(first), Some(second)) = (self.nodes[x].component, self.nodes[y].component) {
                let verdict = self.judge(first, second, rule, time);
                self.decide(link, verdict);
            }
        }
    }
}

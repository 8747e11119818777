//! Taking in one piece of evidence.

use std::collections::BTreeMap;

use kernel::Time;

use super::{Evidence, Graph, Link, Missing, Rule, StoredLink, Verdict};

impl Graph {
    /// Adds a link that is stored; both its records must be here, and one that is here already stays as it is.
    pub(crate) fn insert_link(&mut self, stored: StoredLink) {
        let (Some(x), Some(y)) = (self.find_record(stored.key.a), self.find_record(stored.key.b)) else {
            return;
        };
        if !self.by_pair.contains_key(&(x.min(y), x.max(y), stored.key.rule)) {
            let at = self.push(x, y, stored.key.rule, stored.evidence);
            self.links[at].verdict = Some(stored.verdict);
            self.links[at].dirty = false;
        }
    }

    /// Takes in that `x` and `y` are the same person according to `evidence`. Evidence for what is known since earlier
    /// changes nothing, except that a person's word counts anew where their earlier word was overruled by an undoing.
    ///
    /// # Errors
    /// What has to be loaded first; nothing was changed then.
    pub(crate) fn link(&mut self, x: usize, y: usize, rule: Rule, evidence: Evidence) -> Result<(), Missing> {
        let pair = (x.min(y), x.max(y), rule);
        let known = self.by_pair.get(&pair).copied();
        if x == y || known.is_some_and(|link| self.holds_since(link, &evidence)) {
            return Ok(());
        }
        let (first, second) = self.components_of(x, y)?;
        if self.is_simple(first, second) {
            let link = self.keep(known, pair, evidence);
            self.decide(link, Verdict::Joined);
            return Ok(());
        }
        if known.is_none() && self.is_latest(first, second, pair, &evidence) {
            let verdict = self.judge(first, second, rule, evidence.time);
            let link = self.keep(None, pair, evidence);
            self.decide(link, verdict);
            return Ok(());
        }
        let around = self.neighbourhood(&[x, y])?;
        self.keep(known, pair, evidence);
        self.process_again(&around);
        Ok(())
    }

    /// Whether these sets are joined, or may not be, by evidence of `time`.
    pub(super) fn judge(&self, first: usize, second: usize, rule: Rule, time: Time) -> Verdict {
        if first == second {
            Verdict::Joined
        } else if self.are_apart(first, second, time) {
            Verdict::KeptApart
        } else if rule == Rule::SharedIdentifier && self.exceeded(first, second).is_some() {
            Verdict::LimitExceeded
        } else {
            Verdict::Joined
        }
    }

    /// Notes the verdict and joins the sets if it says so.
    pub(super) fn decide(&mut self, link: usize, verdict: Verdict) {
        if self.links[link].verdict != Some(verdict) {
            let noted = if verdict == Verdict::Joined { &mut self.joined } else { &mut self.refused };
            noted.push(link);
            self.links[link].verdict = Some(verdict);
            self.links[link].dirty = true;
        }
        let (x, y) = self.links[link].ends;
        if let (Verdict::Joined, Some(first), Some(second)) =
            (verdict, self.nodes[x].component, self.nodes[y].component)
        {
            self.unite(first, second);
        }
    }

    /// A namespace of which two sets together would have too many; neither alone is held against them.
    pub(super) fn exceeded(&self, first: usize, second: usize) -> Option<&str> {
        let (few, many) = if self.components[first].len() < self.components[second].len() {
            (first, second)
        } else {
            (second, first)
        };
        let counts = self.counts(few);
        counts.into_iter().find_map(|(namespace, (count, limit))| {
            let same = |node: &&usize| *self.nodes[**node].identifier.namespace == *namespace;
            let others = self.components[many].iter().filter(same).count();
            (others > 0 && count + others > limit).then_some(namespace)
        })
    }

    /// Whether this evidence for a link that is known says nothing new.
    fn holds_since(&self, link: usize, evidence: &Evidence) -> bool {
        let known = &self.links[link];
        let overruled = known.rule == Rule::Manual && known.verdict == Some(Verdict::KeptApart);
        known.evidence <= *evidence && !overruled
    }

    fn components_of(&self, x: usize, y: usize) -> Result<(usize, usize), Missing> {
        match (self.nodes[x].component, self.nodes[y].component) {
            (Some(first), Some(second)) => Ok((first, second)),
            _ => Err(self.missing([x, y])),
        }
    }

    pub(super) fn missing(&self, nodes: impl IntoIterator<Item = usize>) -> Missing {
        let incomplete = |node: &usize| self.nodes[*node].component.is_none();
        Missing(nodes.into_iter().filter(incomplete).filter_map(|node| self.nodes[node].customer).collect())
    }

    /// Whether no order of the links of both sets could have refused any of them.
    fn is_simple(&self, first: usize, second: usize) -> bool {
        let joined = |node: &usize| {
            self.nodes[*node].links.iter().all(|link| self.links[*link].verdict == Some(Verdict::Joined))
        };
        self.members(first, second).all(joined)
            && self.is_within_limits(first, second)
            && !self.has_apart(first, second)
    }

    fn is_within_limits(&self, first: usize, second: usize) -> bool {
        let mut counts = self.counts(first);
        if first != second {
            for (namespace, (count, limit)) in self.counts(second) {
                counts.entry(namespace).or_insert((0, limit)).0 += count;
            }
        }
        counts.values().all(|(count, limit)| count <= limit)
    }

    /// Whether every link of both sets comes before this one.
    fn is_latest(
        &self,
        first: usize,
        second: usize,
        pair: (usize, usize, Rule),
        evidence: &Evidence,
    ) -> bool {
        let this = self.order_of((pair.0, pair.1), pair.2, evidence);
        let before = |node: &usize| self.nodes[*node].links.iter().all(|link| self.order(*link) < this);
        self.members(first, second).all(before)
    }

    fn counts(&self, component: usize) -> BTreeMap<&str, (usize, usize)> {
        let mut counts = BTreeMap::new();
        for node in &self.components[component] {
            let node = &self.nodes[*node];
            counts.entry(&*node.identifier.namespace).or_insert((0, node.limit)).0 += 1;
        }
        counts
    }

    fn are_apart(&self, first: usize, second: usize, time: Time) -> bool {
        let meets =
            |record| self.find_record(record).is_some_and(|node| self.nodes[node].component == Some(second));
        !self.apart.is_empty()
            && self.components[first]
                .iter()
                .any(|node| self.apart.of(self.nodes[*node].record, time).any(meets))
    }

    /// Whether anything within both sets was ever set apart.
    fn has_apart(&self, first: usize, second: usize) -> bool {
        [(first, first), (first, second), (second, second)]
            .into_iter()
            .any(|(a, b)| self.are_apart(a, b, Time::MIN))
    }

    fn members(&self, first: usize, second: usize) -> impl Iterator<Item = &usize> {
        let others = self.components.get(second).filter(|_| first != second);
        self.components[first].iter().chain(others.into_iter().flatten())
    }

    /// Stores evidence: a new link, or an earlier date of one that is known.
    pub(super) fn keep(
        &mut self,
        known: Option<usize>,
        (x, y, rule): (usize, usize, Rule),
        evidence: Evidence,
    ) -> usize {
        let Some(link) = known else { return self.push(x, y, rule, evidence) };
        self.links[link].evidence = evidence;
        self.links[link].dirty = true;
        link
    }

    fn push(&mut self, x: usize, y: usize, rule: Rule, evidence: Evidence) -> usize {
        let (at, ends) = (self.links.len(), (x.min(y), x.max(y)));
        self.links.push(Link { ends, rule, evidence, verdict: None, dirty: true });
        self.by_pair.insert((ends.0, ends.1, rule), at);
        self.nodes[x].links.push(at);
        self.nodes[y].links.push(at);
        at
    }

    fn unite(&mut self, first: usize, second: usize) {
        if first == second {
            return;
        }
        let (few, many) = if self.components[first].len() < self.components[second].len() {
            (first, second)
        } else {
            (second, first)
        };
        let moved = std::mem::take(&mut self.components[few]);
        for node in &moved {
            self.nodes[*node].component = Some(many);
        }
        self.components[many].extend(moved);
        self.changed.push(many);
    }
}

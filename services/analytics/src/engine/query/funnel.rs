//! Funnels over all customers: hits are gathered per customer, [`crate::domain::funnel`] says how far each came.

mod hits;

use std::collections::BTreeMap;
use std::sync::Arc;

use hits::Hits;
use kernel::{Result, Time};

use super::Filter;
use super::view::{Groups, Needs, Snapshot, View, is_meant, load};
use crate::domain::funnel::{Matcher, Order, Rule, Step, Tally};
use crate::engine::cache::Cache;
use crate::engine::walk::{self, Span};

/// A question for a funnel.
#[derive(Clone, Debug)]
pub struct FunnelQuery {
    /// 1 to 20: event name (empty: whatever the customer did) and further condition.
    pub steps: Vec<(String, Option<Filter>)>,
    /// From the first step to the last, µs.
    pub window: i64,
    /// How steps follow each other.
    pub order: Order,
    /// Path of the breakdown, read at the first step.
    pub breakdown: Option<String>,
    /// First steps from here.
    pub from: Time,
    /// First steps before here.
    pub to: Time,
    /// Events received later do not count.
    pub as_of: Option<Time>,
    /// The moment at which windows are still open or not.
    pub now: Time,
}

/// A funnel's figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Funnel {
    /// Of all customers.
    pub steps: Vec<Step>,
    /// By value of the breakdown, most customers first, equal ones by key; empty without a breakdown.
    pub groups: Vec<(String, Vec<Step>)>,
}

pub(crate) fn run(snapshot: &Snapshot, cache: &Cache, threads: usize, query: &FunnelQuery) -> Result<Funnel> {
    let filtered: Vec<usize> = (0..query.steps.len()).filter(|step| query.steps[*step].1.is_some()).collect();
    let needs = Needs {
        breakdown: query.breakdown.as_deref(),
        numbers: None,
        received: query.as_of.is_some(),
        filters: query
            .steps
            .iter()
            .filter_map(|(name, filter)| Some((name.as_str(), filter.as_ref()?)))
            .collect(),
    };
    let last = query.to.0.saturating_add(query.window);
    let views = load(snapshot, cache, threads, (query.from.0, last), &needs)?;
    let plan = Plan {
        rule: Rule {
            order: query.order,
            steps: query.steps.len(),
            window: query.window,
            from: query.from.0,
            to: query.to.0,
        },
        last,
        steps_of: snapshot.names.table(|name| {
            let meant =
                |(step, (wanted, _)): (usize, &(String, _))| u32::from(is_meant(wanted, name)) << step;
            query.steps.iter().enumerate().map(meant).sum()
        }),
        filtered_steps: filtered.iter().map(|step| 1 << step).sum(),
        filtered,
        as_of: query.as_of.map_or(i64::MAX, |as_of| as_of.0),
        now: query.now.0,
    };
    let hots: Vec<_> = views.iter().map(|view| view.hot.clone()).collect();
    let make = || Worker {
        plan: &plan,
        views: &views,
        matcher: Matcher::new(plan.rule),
        hits: Hits::default(),
        groups: Groups::new(&views),
        tallies: Vec::new(),
    };
    let workers = walk::customers(threads, &hots, &snapshot.people, make, Worker::customer)?;
    let parts = workers.into_iter().flat_map(|worker| worker.groups.keys.into_iter().zip(worker.tallies));
    Ok(finish(&plan, query.breakdown.is_some(), parts))
}

struct Plan {
    rule: Rule,
    /// The last moment that matters.
    last: i64,
    /// By number of the name: the steps it may satisfy.
    steps_of: Vec<u32>,
    /// Steps with a filter, in the order of [`View::matches`].
    filtered: Vec<usize>,
    filtered_steps: u32,
    as_of: i64,
    now: i64,
}

struct Worker<'a> {
    plan: &'a Plan,
    views: &'a [View],
    matcher: Matcher,
    hits: Hits,
    groups: Groups,
    tallies: Vec<Tally>,
}

impl Worker<'_> {
    fn customer(&mut self, spans: &[Span]) -> Result<()> {
        let (plan, views) = (self.plan, self.views);
        self.hits.clear();
        let mut seen = 0;
        for span in spans {
            seen |= self.hits.gather(plan, &views[span.run], *span);
        }
        let first = if plan.rule.order == Order::Any { u32::MAX } else { 1 };
        if seen & first == 0 {
            return Ok(());
        }
        let reach = self.matcher.run(self.hits.in_order(plan, views));
        if reach.depth > 0 {
            let (run, row) = hits::place(reach.first);
            let (group, new) = self.groups.of(views, run, row)?;
            if new {
                self.tallies.push(Tally::new(plan.rule.steps));
            }
            self.tallies[group].add(&plan.rule, reach, plan.now);
        }
        Ok(())
    }
}

fn finish(plan: &Plan, grouped: bool, parts: impl Iterator<Item = (Arc<str>, Tally)>) -> Funnel {
    let mut total = Tally::new(plan.rule.steps);
    let mut groups: BTreeMap<Arc<str>, Tally> = BTreeMap::new();
    for (key, tally) in parts {
        total.merge(&tally);
        groups.entry(key).and_modify(|known| known.merge(&tally)).or_insert(tally);
    }
    let mut groups: Vec<_> = groups.into_iter().filter(|_| grouped).collect();
    groups.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.entered()));
    let groups = groups.into_iter().map(|(key, tally)| (key.to_string(), tally.finish())).collect();
    Funnel { steps: total.finish(), groups }
}

//! Building a plan: the same series is found once, however many conditions ask for it.

use std::collections::BTreeMap;

use super::{Group, Plan, Planned};
use crate::behaviour::{Selection, Window};
use crate::condition::Condition;
use crate::series::Series;
use crate::tree::Node;

pub(super) fn plan(conditions: BTreeMap<u32, Condition>) -> Plan {
    let mut plan = Plan::default();
    let mut groups = BTreeMap::new();
    for (id, condition) in &conditions {
        condition.root().walk(&mut |node| match node {
            Node::Aggregate(aggregate) => {
                want(&mut plan, &mut groups, *id, &aggregate.selection, &aggregate.series, aggregate.window);
            }
            Node::Sequence(sequence) => {
                for (name, series) in sequence.names.iter().zip(&sequence.series) {
                    let selection = Selection { name: Some(name.clone()), filter: None };
                    want(&mut plan, &mut groups, *id, &selection, series, sequence.window);
                }
            }
            _ => {}
        });
        depend(&mut plan, *id, condition);
    }
    plan.conditions = conditions;
    plan
}

fn want(
    plan: &mut Plan,
    groups: &mut BTreeMap<String, usize>,
    condition: u32,
    selection: &Selection,
    series: &Series,
    window: Option<Window>,
) {
    let window = if series.keep.forgets() { window } else { None };
    if let Some(planned) = plan.by_id.get(&series.id).and_then(|at| plan.series.get_mut(*at)) {
        planned.conditions.insert(condition);
        planned.window = planned.window.zip(window).map(|(one, other)| one.max(other));
        return;
    }
    let at = plan.series.len();
    plan.by_id.insert(series.id, at);
    plan.series.push(Planned {
        series: series.clone(),
        window,
        name: selection.name.clone(),
        conditions: [condition].into(),
    });
    let group = *groups.entry(selection.to_string()).or_insert_with(|| {
        let group = plan.groups.len();
        plan.groups.push(Group { selection: selection.clone(), series: Vec::new() });
        match &selection.name {
            Some(name) => plan.by_name.entry(name.clone()).or_default().push(group),
            None => plan.any_event.push(group),
        }
        group
    });
    if let Some(group) = plan.groups.get_mut(group) {
        group.series.push(at);
    }
}

fn depend(plan: &mut Plan, id: u32, condition: &Condition) {
    let uses = condition.uses();
    let dependents = &mut plan.dependents;
    let pairs = [
        (&mut dependents.attributes, &uses.attributes),
        (&mut dependents.tags, &uses.tags),
        (&mut dependents.scores, &uses.scores),
        (&mut dependents.segments, &uses.segments),
    ];
    for (by, names) in pairs {
        for name in names {
            by.entry(name.clone()).or_default().insert(id);
        }
    }
    if uses.any_tag {
        dependents.any_tag.insert(id);
    }
}

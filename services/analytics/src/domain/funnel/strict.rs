//! Chains of hits that follow each other directly.

use super::{Hit, Reach, Rule};

pub(super) fn run(rule: &Rule, hits: &[Hit], reach: &mut Reach) {
    for (at, first) in hits.iter().enumerate() {
        if first.steps & 1 == 0 || !rule.starts(first) {
            continue;
        }
        let follows =
            |(step, hit): &(usize, &Hit)| hit.steps >> step & 1 == 1 && rule.in_window(first.time, hit.time);
        let chain = hits[at..].iter().take(rule.steps).enumerate().take_while(follows).map(|(_, hit)| hit);
        let depth = chain.clone().count();
        if depth > reach.depth {
            reach.depth = depth;
            reach.first = first.at;
            reach.times.clear();
            reach.times.extend(chain.map(|hit| hit.time));
        }
        if depth == reach.depth {
            reach.latest_start = first.time;
        }
        if depth == rule.steps {
            return;
        }
    }
}

//! Funnels by example, and against definitions written down literally.

use proptest::prelude::*;

use super::*;

fn rule(order: Order, steps: usize, window: i64) -> Rule {
    Rule { order, steps, window, from: 0, to: 1_000 }
}

/// Hits from pairs of time and steps, written as the digits of the steps.
fn hits(list: &[(i64, &str)]) -> Vec<Hit> {
    let bits = |steps: &str| steps.bytes().fold(0, |set, digit| set | 1 << (digit - b'1'));
    let mut hits: Vec<_> =
        (0..).zip(list).map(|(at, (time, steps))| Hit { time: *time, steps: bits(steps), at }).collect();
    hits.sort();
    hits
}

fn depth(order: Order, steps: usize, window: i64, list: &[(i64, &str)]) -> (usize, Vec<i64>) {
    let mut matcher = Matcher::new(rule(order, steps, window));
    let reach = matcher.run(&hits(list));
    (reach.depth, reach.times.clone())
}

#[test]
fn orders_differ_as_they_should() {
    // Looks, looks again, fills the cart, buys.
    let list = [(1, "1"), (2, "1"), (5, "2"), (9, "3")];
    assert_eq!(depth(Order::Ordered, 3, 7, &list), (3, vec![2, 5, 9]));
    assert_eq!(depth(Order::Ordered, 3, 6, &list), (2, vec![2, 5]));
    assert_eq!(depth(Order::Strict, 3, 7, &list), (3, vec![2, 5, 9]));
    // A look between cart and purchase ends the strict chain only.
    let disturbed = [(1, "1"), (5, "2"), (7, "1"), (9, "3")];
    assert_eq!(depth(Order::Strict, 3, 10, &disturbed), (2, vec![1, 5]));
    assert_eq!(depth(Order::Ordered, 3, 10, &disturbed), (3, vec![1, 5, 9]));
    let backwards = [(1, "3"), (4, "2"), (6, "1")];
    assert_eq!(depth(Order::Any, 3, 5, &backwards), (3, vec![1, 4, 6]));
    assert_eq!(depth(Order::Any, 3, 4, &backwards), (2, vec![1, 4]));
    assert_eq!(depth(Order::Ordered, 3, 9, &backwards), (1, vec![6]));
}

#[test]
fn one_event_takes_one_step_of_a_chain() {
    assert_eq!(depth(Order::Ordered, 2, 9, &[(1, "12")]).0, 1);
    assert_eq!(depth(Order::Ordered, 2, 9, &[(1, "12"), (1, "12")]).0, 2);
    assert_eq!(depth(Order::Any, 2, 9, &[(1, "12")]).0, 2);
    assert_eq!(depth(Order::Ordered, 2, 9, &[(1, "2"), (1, "1")]).0, 2);
}

#[test]
fn first_steps_outside_the_range_do_not_count() {
    let mut matcher = Matcher::new(Rule { from: 10, to: 20, ..rule(Order::Ordered, 2, 50) });
    assert_eq!(matcher.run(&hits(&[(9, "1"), (12, "2"), (20, "1"), (21, "2")])).depth, 0);
    assert_eq!(matcher.run(&hits(&[(19, "1"), (69, "2")])).depth, 2);
}

#[test]
fn figures_add_up() {
    let rule = rule(Order::Ordered, 2, 10);
    let mut tally = Tally::new(2);
    for list in [&[(1, "1"), (3, "2")][..], &[(1, "1"), (6, "2")], &[(4, "1")], &[(95, "1")], &[(4, "2")]] {
        let mut matcher = Matcher::new(rule);
        tally.add(&rule, matcher.run(&hits(list)), 100);
    }
    let steps = tally.finish();
    assert_eq!(
        (steps[0].customers, steps[0].conversion, steps[0].median, steps[0].immature),
        (4, 1.0, None, 1)
    );
    assert_eq!(
        (steps[1].customers, steps[1].conversion, steps[1].median, steps[1].immature),
        (2, 0.5, Some(3), 0)
    );
}

/// Every start, each followed as far as it goes by the earliest next hit: (depth, times, first).
fn follow(rule: &Rule, hits: &[Hit], at: usize) -> Vec<usize> {
    let mut chain = vec![at];
    while chain.len() < rule.steps {
        let last = chain[chain.len() - 1];
        let next = (last + 1..hits.len()).find(|next| {
            hits[*next].steps >> chain.len() & 1 == 1 && hits[*next].time - hits[at].time <= rule.window
        });
        match next {
            Some(next) if rule.order == Order::Ordered || next == last + 1 => chain.push(next),
            _ => break,
        }
    }
    chain
}

/// The definition, literally.
fn literally(rule: &Rule, hits: &[Hit]) -> (usize, Option<u64>, Vec<i64>, i64) {
    let starts = (0..hits.len()).filter(|at| rule.starts(&hits[*at]));
    if rule.order == Order::Any {
        let mut best = (0, None, vec![], i64::MIN);
        for at in starts {
            let inside = hits[at..].iter().filter(|hit| hit.time - hits[at].time <= rule.window);
            let mut times = Vec::new();
            for step in 0..rule.steps {
                times.extend(
                    inside.clone().filter(|hit| hit.steps >> step & 1 == 1).map(|hit| hit.time).min(),
                );
            }
            times.sort_unstable();
            if times.len() > best.0 {
                best = (times.len(), Some(hits[at].at), times.clone(), hits[at].time);
            }
            if times.len() == best.0 {
                best.3 = hits[at].time;
            }
        }
        return best;
    }
    let chains: Vec<_> =
        starts.filter(|at| hits[*at].steps & 1 == 1).map(|at| follow(rule, hits, at)).collect();
    let depth = chains.iter().map(Vec::len).max().unwrap_or(0);
    let deepest = || chains.iter().filter(|chain| chain.len() == depth && depth > 0);
    // First to end; then last to start; then first in order.
    let chosen = deepest().min_by_key(|chain| (chain[depth - 1], -hits[chain[0]].time, chain[0]));
    let times = chosen.iter().flat_map(|chain| chain.iter().map(|at| hits[*at].time)).collect();
    let latest = deepest().map(|chain| hits[chain[0]].time).max().unwrap_or(i64::MIN);
    (depth, chosen.map(|chain| hits[chain[0]].at), times, latest)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn every_order_is_what_its_definition_says(
        list in proptest::collection::vec((0i64..60, 1u32..16), 0..14),
        window in 0i64..40, steps in 1usize..5, from in 0i64..30, length in 1i64..60,
    ) {
        for order in [Order::Ordered, Order::Strict, Order::Any] {
            let rule = Rule { order, steps, window, from, to: from + length };
            let all = (1u32 << steps) - 1;
            let mut hits: Vec<_> = (0..).zip(&list)
                .map(|(at, (time, bits))| Hit { time: *time, steps: bits & all, at })
                .filter(|hit| hit.steps != 0 && hit.time >= from && hit.time <= rule.to + window)
                .collect();
            hits.sort();
            let mut matcher = Matcher::new(rule);
            let reach = matcher.run(&hits);
            let (depth, first, times, latest) = literally(&rule, &hits);
            prop_assert_eq!(reach.depth, depth, "{:?} {:?}", order, hits);
            prop_assert_eq!(&reach.times, &times, "{:?} {:?}", order, hits);
            if depth > 0 {
                prop_assert_eq!(Some(reach.first), first, "{:?} {:?}", order, hits);
                // At full depth nobody asks for the latest start.
                prop_assert!(depth == steps || reach.latest_start == latest, "{:?} {:?}", order, hits);
            }
        }
    }
}

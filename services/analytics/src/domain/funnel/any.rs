//! Different steps within a window that slides over the hits.

use super::{Hit, MAX_STEPS, Reach, Rule};

pub(super) fn run(rule: &Rule, hits: &[Hit], reach: &mut Reach) {
    let mut window = Window::default();
    let mut end = 0;
    for (at, first) in hits.iter().enumerate() {
        while hits.get(end).is_some_and(|hit| rule.in_window(first.time, hit.time)) {
            window.change(hits[end].steps, 1);
            end += 1;
        }
        if rule.starts(first) {
            if window.different > reach.depth {
                reach.depth = window.different;
                reach.first = first.at;
                times(&hits[at..end], &mut reach.times);
            }
            if window.different == reach.depth {
                reach.latest_start = first.time;
            }
            if reach.depth == rule.steps {
                return;
            }
        }
        window.change(first.steps, -1);
    }
}

/// When each further step was first done.
fn times(hits: &[Hit], times: &mut Vec<i64>) {
    times.clear();
    let mut seen = 0;
    for hit in hits {
        let new = (hit.steps & !seen).count_ones() as usize;
        times.extend(std::iter::repeat_n(hit.time, new));
        seen |= hit.steps;
    }
}

/// How often each step occurs in the window.
#[derive(Default)]
struct Window {
    counts: [i64; MAX_STEPS],
    different: usize,
}

impl Window {
    fn change(&mut self, mut steps: u32, by: i64) {
        while steps != 0 {
            let step = steps.trailing_zeros() as usize;
            steps &= steps - 1;
            self.counts[step] += by;
            match (by, self.counts[step]) {
                (1, 1) => self.different += 1,
                (-1, 0) => self.different -= 1,
                _ => {}
            }
        }
    }
}

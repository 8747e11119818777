//! The plain implementation: all events in a list, looked through for every question.

use super::*;
use crate::domain::funnel::{Hit, Matcher, Rule, Tally};
use crate::domain::scalar::value_at;
use crate::engine::query::funnel::Funnel;
use crate::engine::query::trend::Series;

#[derive(Default)]
pub(super) struct Oracle {
    /// With partition and position.
    events: Vec<(Event, u32, u64)>,
    owner: HashMap<String, (String, Time)>,
}

impl Oracle {
    pub(super) fn happen(&mut self, happening: &Happening) {
        match happening {
            Happening::Event(event) => {
                let position = self.events.len() as u64;
                self.owner.entry(event.record_id.clone()).or_insert((event.customer_id.clone(), Time::MIN));
                self.events.push((Event::clone(event), (position % 3) as u32, position));
            }
            Happening::Moved(record, customer, at) => {
                let owner = self.owner.entry(record.to_string()).or_insert((customer.to_string(), Time::MIN));
                if owner.1 <= *at {
                    *owner = (customer.to_string(), *at);
                }
            }
        }
    }

    fn customer(&self, event: &Event) -> &str {
        &self.owner[&event.record_id].0
    }

    pub(super) fn trend(&self, query: &TrendQuery) -> Vec<Series> {
        let starts = starts(query);
        let mut keys: BTreeSet<String> = BTreeSet::new();
        let mut inside: Vec<(String, Time, Time, &str, f64)> = Vec::new();
        for (event, _, _) in &self.events {
            let time = time(event);
            let number = match value_at(event, &query.property) {
                Some(crate::domain::Scalar::Number(n)) => Some(n),
                _ => None,
            };
            let numeric = matches!(query.measure, Measure::Sum | Measure::Average);
            let meant = meant(&query.event, event) && query.filter.as_ref().is_none_or(|f| (f.test)(event));
            if !meant || time < query.from || time >= query.to || (numeric && number.is_none()) {
                continue;
            }
            let key = key(event, query.breakdown.as_deref());
            keys.insert(key.clone());
            let start = starts.iter().copied().rfind(|start| *start <= time).unwrap();
            inside.push((key, start, time, self.customer(event), number.unwrap_or(0.0)));
        }
        if query.breakdown.is_none() {
            keys.insert(String::new());
        }
        let measure = |key: &str, start: Option<Time>| {
            let of = || inside.iter().filter(|e| e.0 == key && start.is_none_or(|start| e.1 == start));
            let sum: f64 = of().map(|e| e.4).sum();
            match query.measure {
                Measure::Count => of().count() as f64,
                Measure::Unique => of().map(|e| e.3).collect::<BTreeSet<_>>().len() as f64,
                Measure::Sum => sum,
                Measure::Average => {
                    if of().count() == 0 {
                        0.0
                    } else {
                        sum / of().count() as f64
                    }
                }
                Measure::CustomerDays => {
                    of().map(|e| (e.3, e.2.day(&query.zone))).collect::<BTreeSet<_>>().len() as f64
                }
            }
        };
        let mut series: Vec<Series> = keys
            .iter()
            .map(|key| Series {
                key: key.clone(),
                points: starts.iter().map(|start| (*start, measure(key, Some(*start)))).collect(),
                total: measure(key, None),
            })
            .collect();
        series.sort_by(|a, b| b.total.total_cmp(&a.total).then_with(|| a.key.cmp(&b.key)));
        series
    }

    pub(super) fn funnel(&self, query: &FunnelQuery) -> Funnel {
        let rule = Rule {
            order: query.order,
            steps: query.steps.len(),
            window: query.window,
            from: query.from.0,
            to: query.to.0,
        };
        let mut customers: BTreeMap<&str, Vec<(i64, u32, String)>> = BTreeMap::new();
        for (event, _, _) in &self.events {
            let time = time(event);
            let received: Time = event.received_at.as_ref().unwrap().into();
            let mut steps = 0u32;
            for (step, (name, filter)) in query.steps.iter().enumerate() {
                if meant(name, event) && filter.as_ref().is_none_or(|f| (f.test)(event)) {
                    steps |= 1 << step;
                }
            }
            let in_range = time >= query.from && time.0 <= query.to.0 + query.window;
            if steps != 0 && in_range && query.as_of.is_none_or(|as_of| received <= as_of) {
                let hit = (time.0, steps, key(event, query.breakdown.as_deref()));
                customers.entry(self.customer(event)).or_default().push(hit);
            }
        }
        let mut total = Tally::new(rule.steps);
        let mut groups: BTreeMap<String, Tally> = BTreeMap::new();
        for hits in customers.values_mut() {
            hits.sort();
            let plain: Vec<_> = (0..)
                .zip(hits.iter())
                .map(|(at, (time, steps, _))| Hit { time: *time, steps: *steps, at })
                .collect();
            let mut matcher = Matcher::new(rule);
            let reach = matcher.run(&plain);
            if reach.depth > 0 {
                total.add(&rule, reach, query.now.0);
                let key = hits[reach.first as usize].2.clone();
                groups.entry(key).or_insert_with(|| Tally::new(rule.steps)).add(&rule, reach, query.now.0);
            }
        }
        let mut groups: Vec<_> = groups.into_iter().filter(|_| query.breakdown.is_some()).collect();
        groups.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.entered()));
        let groups = groups.into_iter().map(|(key, tally)| (key, tally.finish())).collect();
        Funnel { steps: total.finish(), groups }
    }

    /// The same events, each with today's customer, and per record in the order of time.
    pub(super) fn check_scan(&self, query: &ScanQuery, events: &[Event]) {
        let mut expected: Vec<Event> = Vec::new();
        for (event, partition, position) in &self.events {
            let customer = self.customer(event).to_owned();
            let who =
                query.customers.as_ref().is_none_or(|list| list.iter().any(|c| c.to_string() == customer));
            let named = query.names.is_empty() || query.names.contains(&event.name);
            let lets = query.filter.as_ref().is_none_or(|f| (f.test)(event));
            let before = query.up_to.get(partition).is_none_or(|limit| position < limit);
            if who && named && lets && before && (query.from..query.to).contains(&time(event)) {
                expected.push(Event { customer_id: customer, ..event.clone() });
            }
        }
        let order = |event: &Event| (event.record_id.clone(), time(event), format!("{event:?}"));
        let mut sorted = events.to_vec();
        sorted.sort_by_key(order);
        expected.sort_by_key(order);
        assert_eq!(sorted, expected, "{query:?}");
        let mut latest: HashMap<&str, Time> = HashMap::new();
        for event in events {
            let before = latest.insert(&event.record_id, time(event));
            assert!(before.is_none_or(|before| before <= time(event)), "the order of a record's events");
        }
    }
}

fn time(event: &Event) -> Time {
    event.time.as_ref().unwrap().into()
}

fn meant(wanted: &str, event: &Event) -> bool {
    if wanted.is_empty() { rules::is_behaviour(&event.name) } else { event.name == wanted }
}

fn key(event: &Event, path: Option<&str>) -> String {
    path.and_then(|path| value_at(event, path)).map(|value| value.key()).unwrap_or_default()
}

/// Starts of intervals, found hour by hour: Shanghai's days, weeks and months all start on the hour.
fn starts(query: &TrendQuery) -> Vec<Time> {
    if query.interval == Interval::Whole {
        return vec![query.from];
    }
    let is_start = |hour: i64| {
        let local = Time(hour * HOUR).to_jiff().to_zoned(query.zone.clone());
        let midnight = local.hour() == 0;
        match query.interval {
            Interval::Whole | Interval::Hour => true,
            Interval::Day => midnight,
            Interval::Week => midnight && local.weekday() == jiff::civil::Weekday::Monday,
            Interval::Month => midnight && local.day() == 1,
        }
    };
    let last = (query.to.0 - 1).div_euclid(HOUR);
    let first = query.from.0.div_euclid(HOUR);
    let start = (first - 24 * 31..=first).rev().find(|hour| is_start(*hour)).unwrap();
    (start..=last).filter(|hour| is_start(*hour)).map(|hour| Time(hour * HOUR)).collect()
}

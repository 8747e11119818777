//! Trends: how much of an event there was, interval by interval and group by group.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use kernel::{Error, Result, Time};

use super::Filter;
use super::view::{Groups, Needs, Snapshot, View, is_meant, load};
use crate::domain::{ExactSum, Grid, Interval};
use crate::engine::cache::Cache;
use crate::engine::walk::{self, Span};

/// Points of all series together, at the most.
const MAX_CELLS: usize = 1_000_000;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Events.
    Count,
    /// Different customers.
    Unique,
    /// Sum of a property's numbers, exact whatever their order; events without a number do not count.
    Sum,
    /// Mean of a property's numbers; events without a number do not count.
    Average,
    /// Different pairs of customer and calendar day.
    CustomerDays,
}

/// A question for a trend.
#[derive(Clone, Debug)]
pub struct TrendQuery {
    /// Name; empty: whatever the customer did.
    pub event: String,
    /// Further condition.
    pub filter: Option<Filter>,
    /// What is measured.
    pub measure: Measure,
    /// Path of the number, for [`Measure::Sum`] and [`Measure::Average`].
    pub property: String,
    /// Length of an interval.
    pub interval: Interval,
    /// Path of the breakdown.
    pub breakdown: Option<String>,
    /// Events from here.
    pub from: Time,
    /// Events before here.
    pub to: Time,
    /// The calendar.
    pub zone: TimeZone,
}

/// One line of a trend.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Value of the breakdown.
    pub key: String,
    /// Every interval of the range with its value.
    pub points: Vec<(Time, f64)>,
    /// Over the whole range.
    pub total: f64,
}

/// The answer: the largest total first, equal ones by key. Without a breakdown always one series, else those with an
/// event that counts.
pub(crate) fn run(
    snapshot: &Snapshot,
    cache: &Cache,
    threads: usize,
    query: &TrendQuery,
) -> Result<Vec<Series>> {
    let plan = Plan {
        grid: Grid::new(query.interval, query.from, query.to, &query.zone)?,
        days: match query.measure {
            Measure::CustomerDays => Some(Grid::new(Interval::Day, query.from, query.to, &query.zone)?),
            _ => None,
        },
        measure: query.measure,
        hourly: query.interval == Interval::Hour,
    };
    let needs = Needs {
        breakdown: query.breakdown.as_deref(),
        numbers: matches!(query.measure, Measure::Sum | Measure::Average).then_some(query.property.as_str()),
        received: false,
        filters: query.filter.iter().map(|filter| (query.event.as_str(), filter)).collect(),
    };
    let views = load(snapshot, cache, threads, (query.from.0, query.to.0), &needs)?;
    let wanted = snapshot.names.table(|name| is_meant(&query.event, name));
    let hots: Vec<_> = views.iter().map(|view| view.hot.clone()).collect();
    let make = || Worker {
        plan: &plan,
        views: &views,
        wanted: &wanted,
        groups: Groups::new(&views),
        sums: Vec::new(),
        customer: 0,
        rows: Vec::new(),
    };
    let workers = walk::customers(threads, &hots, &snapshot.people, make, Worker::customer)?;
    let parts = workers.into_iter().map(|worker| (worker.groups.keys, worker.sums)).collect();
    Ok(finish(&plan, query.breakdown.is_none(), parts))
}

struct Plan {
    grid: Grid,
    /// For customer days.
    days: Option<Grid>,
    measure: Measure,
    hourly: bool,
}

/// A group's figures while they are counted.
#[derive(Clone)]
struct Sums {
    points: Vec<Cell>,
    total: Cell,
    /// By day: the last customer counted.
    days: Vec<u32>,
}

#[derive(Clone, Default)]
struct Cell {
    count: u64,
    /// The last customer counted here; customers come one after the other.
    customer: u32,
    sum: ExactSum,
}

impl Cell {
    #[inline]
    fn count_once(&mut self, customer: u32) {
        if self.customer != customer {
            self.customer = customer;
            self.count += 1;
        }
    }
}

struct Worker<'a> {
    plan: &'a Plan,
    views: &'a [View],
    wanted: &'a [bool],
    groups: Groups,
    sums: Vec<Sums>,
    /// Number of the present customer, from 1.
    customer: u32,
    /// Rows of a span that may count, and room.
    rows: Vec<usize>,
}

impl Worker<'_> {
    fn customer(&mut self, spans: &[Span]) -> Result<()> {
        self.customer += 1;
        let views = self.views;
        for span in spans {
            let view = &views[span.run];
            let matching = view.matches.first();
            for at in 0..self.pick(view, *span) {
                let row = self.rows[at];
                if matching.is_some_and(|bits| !bits.contains(row)) {
                    continue;
                }
                let time = view.hot.times[row];
                if let Some(point) = self.plan.grid.find(time) {
                    self.take(span.run, row, point, time)?;
                }
            }
        }
        Ok(())
    }

    /// Notes the rows with a wanted name and says how many they are: each is written, and kept by counting it, since
    /// no processor can foresee which.
    #[inline]
    fn pick(&mut self, view: &View, span: Span) -> usize {
        let names = &view.hot.names[span.from..span.to];
        if self.rows.len() < names.len() {
            self.rows.resize(names.len(), 0);
        }
        let mut count = 0;
        for (row, name) in (span.from..).zip(names) {
            self.rows[count] = row;
            count += usize::from(self.wanted[*name as usize]);
        }
        count
    }

    #[inline]
    fn take(&mut self, run: usize, row: usize, point: usize, time: i64) -> Result<()> {
        let number = self.views[run].numbers.as_ref().map_or(0.0, |numbers| numbers.0[row]);
        if number.is_nan() {
            return Ok(());
        }
        let (group, new) = self.groups.of(self.views, run, row)?;
        if new {
            self.open()?;
        }
        let sums = &mut self.sums[group];
        let cell = &mut sums.points[point];
        match self.plan.measure {
            Measure::Count => cell.count += 1,
            Measure::Unique => {
                cell.count_once(self.customer);
                sums.total.count_once(self.customer);
            }
            Measure::Sum | Measure::Average => {
                cell.count += 1;
                cell.sum.add(number);
            }
            Measure::CustomerDays => {
                if self.plan.hourly {
                    cell.count_once(self.customer);
                }
                let day = self.plan.days.as_ref().and_then(|days| days.find(time)).unwrap_or(0);
                if sums.days[day] != self.customer {
                    sums.days[day] = self.customer;
                    sums.total.count += 1;
                    cell.count += u64::from(!self.plan.hourly);
                }
            }
        }
        Ok(())
    }

    fn open(&mut self) -> Result<()> {
        let points = self.plan.grid.points();
        if self.sums.len() * points >= MAX_CELLS {
            return Err(Error::invalid(
                "breakdown",
                format!(
                    "more than {MAX_CELLS} points in all; break down by a property with fewer values, or take a longer interval"
                ),
            ));
        }
        self.sums.push(self.plan.empty());
        Ok(())
    }
}

impl Plan {
    fn empty(&self) -> Sums {
        Sums {
            points: vec![Cell::default(); self.grid.points()],
            total: Cell::default(),
            days: vec![0; self.days.as_ref().map_or(0, Grid::points)],
        }
    }

    fn value(&self, cell: &Cell) -> f64 {
        match self.measure {
            Measure::Count | Measure::Unique | Measure::CustomerDays => cell.count as f64,
            Measure::Sum => cell.sum.value(),
            Measure::Average if cell.count == 0 => 0.0,
            Measure::Average => cell.sum.value() / cell.count as f64,
        }
    }

    fn series(&self, key: &str, sums: &Sums) -> Series {
        let mut total = sums.total.clone();
        if matches!(self.measure, Measure::Count | Measure::Sum | Measure::Average) {
            sums.points.iter().for_each(|cell| total.add(cell));
        }
        let points =
            self.grid.starts().zip(&sums.points).map(|(start, cell)| (start, self.value(cell))).collect();
        Series { key: key.to_owned(), points, total: self.value(&total) }
    }
}

impl Cell {
    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum.merge(&other.sum);
    }
}

type Part = (Vec<Arc<str>>, Vec<Sums>);

/// Every customer was seen by one worker only, so that figures of customers add up too.
fn finish(plan: &Plan, single: bool, parts: Vec<Part>) -> Vec<Series> {
    let mut all: BTreeMap<Arc<str>, Sums> = BTreeMap::new();
    if single {
        all.insert("".into(), plan.empty());
    }
    for (key, sums) in parts.into_iter().flat_map(|(keys, sums)| keys.into_iter().zip(sums)) {
        match all.get_mut(&key) {
            None => {
                all.insert(key, sums);
            }
            Some(known) => {
                known.total.add(&sums.total);
                known.points.iter_mut().zip(&sums.points).for_each(|(cell, other)| cell.add(other));
            }
        }
    }
    let mut series: Vec<_> = all.iter().map(|(key, sums)| plan.series(key, sums)).collect();
    series.sort_by(|a, b| b.total.total_cmp(&a.total).then_with(|| a.key.cmp(&b.key)));
    series
}

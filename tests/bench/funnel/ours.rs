//! Our side: the engine of the analytics service on segments that are made once and kept in `.cache/bench`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use analytics::domain::Interval;
use analytics::domain::funnel::Order;
use analytics::engine::people::Placement;
use analytics::engine::query::funnel::FunnelQuery;
use analytics::engine::query::trend::{Measure, TrendQuery};
use analytics::engine::segment::SegmentMeta;
use analytics::engine::{Engine, Options, Registered};
use anyhow::Result;
use jiff::tz::TimeZone;
use kernel::{Clock, CustomerId, Ids, RecordId, Time, Workspace};
use prost::Message as _;
use serde_json::json;
use uuid::Uuid;
use wire::event::Event;

use super::formula::{self, CATEGORIES, DAY, DAYS, EVENTS, FROM, STEPS, WINDOW};
use super::{Made, Question, Rows, THREADS};
use crate::host;

/// The file of the register, beside the segments.
const REGISTER: &str = "register.json";

/// What the service keeps in its database.
#[derive(Debug, Default, serde::Deserialize, serde::Serialize)]
struct Register {
    /// File, rows, first and last moment.
    segments: Vec<(String, u64, Time, Time)>,
    /// Number, record (which is the customer's id as well) and when it was moved.
    people: Vec<(u32, Uuid, Time)>,
}

/// The engine with all events.
#[derive(Debug)]
pub(super) struct Ours {
    engine: Engine,
    workspace: Workspace,
}

impl Ours {
    /// Opens the kept data; makes them first when they are not there or cannot be read any more.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn open() -> Result<(Self, Made)> {
        let folder = host::scratch()?.join(format!("engine-{}", formula::checksum()));
        if let Ok(ours) = Self::kept(&folder) {
            return Ok((ours, None));
        }
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        let begin = Instant::now();
        make(&folder)?;
        let made = begin.elapsed();
        Ok((Self::kept(&folder)?, Some(made)))
    }

    fn kept(folder: &Path) -> Result<Self> {
        let register: Register = serde_json::from_slice(&std::fs::read(folder.join(REGISTER))?)?;
        let segment =
            |(file, rows, first, last)| SegmentMeta { workspace: workspace(), file, rows, first, last };
        let placement = |(number, person, moved)| Placement {
            number,
            record: RecordId(person),
            customer: CustomerId(person),
            moved,
        };
        let registered = Registered {
            segments: register.segments.into_iter().map(segment).collect(),
            placements: BTreeMap::from([(workspace(), register.people.into_iter().map(placement).collect())]),
        };
        let engine = Engine::open(options(folder), Ids::new(Clock::system()), &registered)?;
        Ok(Self { engine, workspace: workspace() })
    }

    /// Answers.
    ///
    /// # Errors
    /// When a segment cannot be read.
    pub(super) fn ask(&self, question: Question) -> Result<Rows> {
        let (from, to) = (Time(FROM), Time(FROM + DAYS * DAY));
        if matches!(question, Question::Funnel) {
            let query = FunnelQuery {
                steps: STEPS.map(|name| (name.to_owned(), None)).to_vec(),
                window: WINDOW,
                order: Order::Ordered,
                breakdown: None,
                from,
                to,
                as_of: None,
                now: to,
            };
            let funnel = self.engine.funnel(&self.workspace, &query)?;
            return Ok(vec![funnel.steps.iter().map(|step| step.customers).collect()]);
        }
        let grouped = matches!(question, Question::Breakdown);
        let query = TrendQuery {
            event: STEPS[0].to_owned(),
            filter: None,
            measure: Measure::Unique,
            property: String::new(),
            interval: Interval::Day,
            breakdown: grouped.then(|| "properties.category".to_owned()),
            from,
            to,
            zone: TimeZone::UTC,
        };
        let mut rows = Rows::new();
        for series in self.engine.trend(&self.workspace, &query)? {
            let group = CATEGORIES.iter().position(|category| *category == series.key).unwrap_or(0);
            for (at, value) in &series.points {
                rows.push(vec![u64::try_from(group)?, u64::try_from((at.0 - FROM) / DAY)?, whole(*value)]);
            }
        }
        rows.sort_unstable();
        Ok(rows)
    }
}

fn whole(count: f64) -> u64 {
    count as u64
}

fn workspace() -> Workspace {
    Workspace::new("demo")
}

fn options(folder: &Path) -> Options {
    Options {
        folder: folder.to_owned(),
        cache_bytes: 512 << 20,
        threads: THREADS,
        flush_rows: 100_000,
        segment_rows: 4_000_000,
        fan_in: 8,
        kept: Duration::ZERO,
    }
}

fn make(folder: &Path) -> Result<()> {
    let engine = Engine::open(options(folder), Ids::new(Clock::system()), &Registered::default())?;
    let mut register = Register::default();
    for n in 0..EVENTS {
        let event = event(n);
        engine.append(&workspace(), &event, (0, n), event.encode_to_vec().into())?;
        if engine.wants_flush() || n + 1 == EVENTS {
            flush(&engine, &mut register)?;
        }
    }
    register.people.sort_unstable();
    Ok(std::fs::write(folder.join(REGISTER), serde_json::to_vec(&register)?)?)
}

/// Writes what is in memory, and large segments of small ones, as the service does.
fn flush(engine: &Engine, register: &mut Register) -> Result<()> {
    let line = |meta: SegmentMeta| (meta.file, meta.rows, meta.first, meta.last);
    let flush = engine.prepare()?;
    engine.install(&flush);
    register.segments.extend(flush.segments().cloned().map(line));
    let people = flush.placements.values().flatten();
    register.people.extend(people.map(|place| (place.number, place.record.0, place.moved)));
    while let Some(plan) = engine.plan_compaction() {
        let compacted = engine.compact(&plan)?;
        engine.install_compacted(&compacted);
        register.segments.retain(|(file, ..)| !compacted.removed.contains(file));
        register.segments.push(line(compacted.added().clone()));
    }
    Ok(())
}

fn event(n: u64) -> Event {
    let row = formula::row(n);
    let id = person(u64::from(row.customer)).to_string();
    let properties = match json!({"category": row.category}) {
        serde_json::Value::Object(object) => Some(chassis::values::to_struct(object)),
        _ => None,
    };
    Event {
        id: format!("{n:08}"),
        name: row.name.to_owned(),
        time: Some(Time(row.time).into()),
        received_at: Some(Time(row.time).into()),
        customer_id: id.clone(),
        record_id: id,
        properties,
        ..Event::default()
    }
}

fn person(customer: u64) -> Uuid {
    Uuid::from_u128(u128::from(customer) + 1)
}

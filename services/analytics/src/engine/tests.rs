//! The engine against a plain implementation that holds all events in a list: every answer must be equal, to the bit,
//! however the events lie in tail, segments and compacted segments, and whatever was merged since.

mod oracle;
mod recovery;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::tz::TimeZone;
use kernel::{Clock, CustomerId, Ids, RecordId, Time, Workspace};
use proptest::prelude::*;
use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use uuid::Uuid;
use wire::event::{Context, Event};

use super::files::Files;
use super::query::Filter;
use super::query::funnel::FunnelQuery;
use super::query::trend::{Measure, TrendQuery};
use super::scan::ScanQuery;
use super::{Engine, Flush, Options, Registered};
use crate::domain::Interval;
use crate::domain::funnel::Order;
use oracle::Oracle;

const HOUR: i64 = 3_600_000_000;
/// 2026-11-01T00:00:00+08:00.
const START: i64 = 1_793_462_400_000_000;

fn workspace() -> Workspace {
    Workspace::new("demo")
}

fn record(n: u128) -> RecordId {
    RecordId(Uuid::from_u128(0x1000 + n))
}

fn customer(n: u128) -> CustomerId {
    CustomerId(Uuid::from_u128(0x2000 + n))
}

/// An engine with the register that a database would keep.
struct Rig {
    folder: tempfile::TempDir,
    engine: Engine,
    registered: Registered,
    position: u64,
    /// What a crash loses and the log gives again: events and moves since the last flush.
    since: Vec<Happening>,
}

#[derive(Clone, Debug)]
enum Happening {
    Event(Box<Event>),
    Moved(RecordId, CustomerId, Time),
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let registered = Registered::default();
        let engine = open(&folder, &registered);
        Self { folder, engine, registered, position: 0, since: Vec::new() }
    }

    fn happen(&mut self, happening: &Happening) {
        match happening {
            Happening::Event(event) => {
                let place = ((self.position % 3) as u32, self.position);
                self.engine.append(&workspace(), event, place, event.encode_to_vec().into()).unwrap();
                self.position += 1;
            }
            Happening::Moved(record, customer, at) => {
                self.engine.place(&workspace(), *record, *customer, *at)
            }
        }
        self.since.push(happening.clone());
    }

    fn flush(&mut self) {
        let flush = self.engine.prepare().unwrap();
        self.register(&flush);
        self.engine.install(&flush);
        self.since.clear();
    }

    /// What the transaction does.
    fn register(&mut self, flush: &Flush) {
        self.registered.segments.extend(flush.segments().cloned());
        for (workspace, placements) in &flush.placements {
            let kept = self.registered.placements.entry(workspace.clone()).or_default();
            for place in placements {
                match kept.iter_mut().find(|known| known.number == place.number) {
                    Some(known) => *known = *place,
                    None => kept.push(*place),
                }
            }
        }
    }

    fn compact(&mut self) {
        while let Some(plan) = self.engine.plan_compaction() {
            let compacted = self.engine.compact(&plan).unwrap();
            self.registered.segments.retain(|meta| !compacted.removed.contains(&meta.file));
            self.registered.segments.push(compacted.added().clone());
            self.engine.install_compacted(&compacted);
        }
    }

    /// A crash and a start: memory is gone, the log is read again.
    fn restart(&mut self) {
        let files = Files::found(self.folder.path()).unwrap();
        self.engine = open(&self.folder, &self.registered);
        self.engine.add_unneeded(files.leftovers(&self.registered));
        self.engine.remove_unneeded();
        let events =
            self.since.iter().filter(|happening| matches!(happening, Happening::Event(_))).count() as u64;
        self.position -= events;
        for happening in std::mem::take(&mut self.since) {
            self.happen(&happening);
        }
    }

    fn files(&self) -> usize {
        std::fs::read_dir(self.folder.path()).unwrap().count()
    }
}

fn open(folder: &tempfile::TempDir, registered: &Registered) -> Engine {
    let options = Options {
        folder: folder.path().to_owned(),
        cache_bytes: 4_000,
        threads: 2,
        flush_rows: 8,
        segment_rows: 200,
        fan_in: 2,
        kept: std::time::Duration::ZERO,
    };
    Engine::open(options, Ids::new(Clock::system()), registered).unwrap()
}

fn happening() -> impl Strategy<Value = Happening> {
    let text = |text: &str| Kind::StringValue(text.to_owned());
    let value = prop_oneof![
        3 => (0i32..8).prop_map(|n| Kind::NumberValue(f64::from(n) * 0.25 - 1.0)),
        1 => Just(text("1")),
        1 => Just(Kind::BoolValue(true)),
        1 => Just(Kind::StructValue(Struct { fields: [("a".to_owned(), Value { kind: Some(text("内")) })].into() })),
    ];
    let event = (0usize..4, 0u128..7, 0i64..24 * 40, 0i64..40, proptest::option::of(value), 0usize..4);
    let event = event.prop_map(move |(name, who, hours, delay, value, category)| {
        let name = ["product_viewed", "cart_added", "order_completed", "segment.entered"][name];
        let mut fields = BTreeMap::new();
        if let Some(value) = value {
            fields.insert("total".to_owned(), Value { kind: Some(value) });
        }
        if category > 0 {
            fields.insert(
                "category".to_owned(),
                Value { kind: Some(text(["", "美妆", "旅行", "图书"][category])) },
            );
        }
        let time = Time(START + hours * HOUR / 2);
        Event {
            id: format!("{name}-{who}-{hours}"),
            name: name.to_owned(),
            time: Some(time.into()),
            received_at: Some(Time(time.0 + delay * HOUR).into()),
            customer_id: customer(who).to_string(),
            record_id: record(who).to_string(),
            properties: Some(Struct { fields }),
            context: (category > 1).then(|| Context { channel: "wechat".to_owned(), ..Context::default() }),
            ..Event::default()
        }
    });
    let moved = (0u128..7, 0u128..7, 0i64..1_000)
        .prop_map(|(r, c, at)| Happening::Moved(record(r), customer(c), Time(at)));
    prop_oneof![9 => event.prop_map(|event| Happening::Event(Box::new(event))), 1 => moved]
}

fn has_total() -> Filter {
    let test = |event: &Event| {
        let total = event.properties.as_ref().and_then(|properties| properties.fields.get("total"));
        matches!(total.and_then(|value| value.kind.as_ref()), Some(Kind::NumberValue(n)) if *n >= 0.0)
    };
    Filter { source: "total >= 0".to_owned(), test: Arc::new(test) }
}

fn trends() -> Vec<TrendQuery> {
    let mut queries = Vec::new();
    let measures = [Measure::Count, Measure::Unique, Measure::Sum, Measure::Average, Measure::CustomerDays];
    let intervals = [Interval::Whole, Interval::Hour, Interval::Day, Interval::Week, Interval::Month];
    let breakdowns = [
        None,
        Some("properties.category"),
        Some("properties.total"),
        Some("context.channel"),
        Some("properties.total.a"),
    ];
    for (m, measure) in measures.into_iter().enumerate() {
        for (i, interval) in intervals.into_iter().enumerate() {
            // All pairs of measure and interval; the rest in turn.
            let n = m * 3 + i;
            queries.push(TrendQuery {
                event: ["product_viewed", "", "order_completed"][n % 3].to_owned(),
                filter: n.is_multiple_of(2).then(has_total),
                measure,
                property: "properties.total".to_owned(),
                interval,
                breakdown: breakdowns[n % 5].map(str::to_owned),
                from: Time(START + 20 * HOUR + 1),
                to: Time(START + (24 * 20 - 3) * HOUR),
                zone: TimeZone::get("Asia/Shanghai").unwrap(),
            });
        }
    }
    queries
}

fn funnels() -> Vec<FunnelQuery> {
    let step = |name: &str, filtered: bool| (name.to_owned(), filtered.then(has_total));
    let lists = [
        vec![step("product_viewed", false), step("cart_added", false), step("order_completed", false)],
        vec![step("product_viewed", true), step("product_viewed", false), step("", false)],
        vec![step("cart_added", false), step("order_completed", true)],
    ];
    let mut queries = Vec::new();
    for (n, order) in [Order::Ordered, Order::Strict, Order::Any].into_iter().cycle().take(9).enumerate() {
        queries.push(FunnelQuery {
            steps: lists[n / 3].clone(),
            window: 60 * HOUR,
            order,
            breakdown: [Some("properties.category"), None, Some("properties.total")][n % 2 + n / 6]
                .map(str::to_owned),
            from: Time(START + 10 * HOUR),
            to: Time(START + 300 * HOUR),
            as_of: (n % 2 == 1).then_some(Time(START + 250 * HOUR)),
            now: Time(START + 250 * HOUR),
        });
    }
    queries
}

fn compare(rig: &Rig, oracle: &Oracle) {
    for query in trends() {
        assert_eq!(rig.engine.trend(&workspace(), &query).unwrap(), oracle.trend(&query), "{query:?}");
    }
    for query in funnels() {
        assert_eq!(rig.engine.funnel(&workspace(), &query).unwrap(), oracle.funnel(&query), "{query:?}");
    }
    let all = ScanQuery {
        names: BTreeSet::new(),
        filter: None,
        from: Time::MIN,
        to: Time::MAX,
        customers: None,
        up_to: BTreeMap::new(),
    };
    let some = ScanQuery {
        names: ["product_viewed".to_owned(), "cart_added".to_owned()].into(),
        filter: Some(has_total()),
        from: Time(START + 50 * HOUR),
        to: Time(START + 400 * HOUR),
        customers: Some(vec![customer(1), customer(2), customer(99)]),
        up_to: [(0, 9), (1, 40)].into(),
    };
    for query in [all, some] {
        let scan = rig.engine.scan(&workspace(), query.clone()).unwrap();
        let events: Vec<Event> = scan.flat_map(|chunk| chunk.unwrap()).collect();
        oracle.check_scan(&query, &events);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn every_answer_equals_the_plain_one(
        happenings in proptest::collection::vec(happening(), 0..150),
        turns in proptest::collection::vec(0u8..30, 150),
    ) {
        let (mut rig, mut oracle) = (Rig::new(), Oracle::default());
        for (happening, turn) in happenings.iter().zip(turns) {
            rig.happen(happening);
            oracle.happen(happening);
            match turn {
                0..=3 => rig.flush(),
                4 => rig.compact(),
                5 => rig.restart(),
                6 => compare(&rig, &oracle),
                _ => {}
            }
        }
        compare(&rig, &oracle);
        rig.flush();
        rig.compact();
        compare(&rig, &oracle);
        rig.restart();
        compare(&rig, &oracle);
        prop_assert_eq!(rig.files(), rig.registered.segments.len());
    }
}

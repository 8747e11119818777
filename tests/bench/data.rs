//! What is sent: the same events in every run, but for their ids, which begin with the run's label.

use prost::Message as _;
use serde_json::json;
use wire::event::{Event, Identifier};
use wire::ingest::IngestEventsRequest;

/// One in so many events is an order.
pub(crate) const ORDER_EVERY: u64 = 20;

const CATEGORIES: [&str; 8] = ["旅行", "美妆", "数码", "母婴", "服饰", "食品", "家居", "图书"];
const CITIES: [&str; 5] = ["上海", "北京", "广州", "深圳", "成都"];
const NAMES: [&str; 4] = ["product_viewed", "page_viewed", "cart_added", "product_viewed"];

/// An endless row of events of so many customers.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    label: String,
    customers: u64,
    /// Cloned for every event, as an SDK would keep its context.
    patterns: Vec<Event>,
}

impl Events {
    /// Events whose ids begin with `label`.
    pub(crate) fn new(label: impl Into<String>, customers: u64) -> Self {
        Self { label: label.into(), customers, patterns: (0..ORDER_EVERY * 8).map(pattern).collect() }
    }

    /// Event `n`, with six properties.
    pub(crate) fn event(&self, n: u64) -> Event {
        let at = usize::try_from(n).unwrap_or(0) % self.patterns.len();
        let mut event = self.patterns[at].clone();
        event.id = format!("{}-{n:09}", self.label);
        event.identifiers = vec![user(self.customer(n))];
        event
    }

    /// Number of the customer of event `n`.
    fn customer(&self, n: u64) -> u64 {
        mix(n) % self.customers
    }

    /// A request with the events from `first` on.
    pub(crate) fn request(&self, first: u64, count: u64) -> IngestEventsRequest {
        IngestEventsRequest {
            events: (first..first + count).map(|n| self.event(n)).collect(),
            source_key: String::new(),
        }
    }

    /// The number of an event with such an id; absent for others.
    pub(crate) fn number(&self, id: &str) -> Option<u64> {
        id.strip_prefix(self.label.as_str())?.strip_prefix('-')?.parse().ok()
    }
}

/// A well-mixed 64-bit number of `n`, by multiplications and shifts that SQL knows as well.
pub(crate) fn mix(n: u64) -> u64 {
    let a = n.wrapping_mul(11_400_714_819_323_198_485);
    let b = (a ^ (a >> 29)).wrapping_mul(13_787_848_793_156_543_929);
    b ^ (b >> 32)
}

/// Whether event `n` is an order.
pub(crate) fn is_order(n: u64) -> bool {
    n.is_multiple_of(ORDER_EVERY)
}

/// What customer `n` goes by.
pub(crate) fn user(n: u64) -> Identifier {
    Identifier { namespace: "user_id".to_owned(), value: format!("u{n:07}") }
}

fn pattern(n: u64) -> Event {
    let at = usize::try_from(n).unwrap_or(0);
    let name = if is_order(n) { "order_completed" } else { NAMES[at % NAMES.len()] };
    let amount = 19 + n * 37 % 480;
    let properties = json!({
        "product_id": format!("sku-{:05}", n * 131 % 10_000),
        "category": CATEGORIES[at / 3 % CATEGORIES.len()],
        "price": amount,
        "quantity": 1 + n % 3,
        "total": amount * (1 + n % 3),
        "url": format!("https://shop.example.cn/p/{n}"),
    });
    Event { name: name.to_owned(), properties: object(properties), ..Event::default() }
}

/// `identified` of customer `n`, by which it becomes known.
pub(crate) fn introduction(n: u64) -> Event {
    let at = usize::try_from(n).unwrap_or(0);
    let traits =
        json!({"traits": {"city": CITIES[at % CITIES.len()], "level": n % 10, "name": format!("客户{n}")}});
    Event {
        id: format!("intro-{n}"),
        name: "identified".to_owned(),
        identifiers: vec![user(n)],
        properties: object(traits),
        ..Event::default()
    }
}

fn object(json: serde_json::Value) -> Option<prost_types::Struct> {
    match json {
        serde_json::Value::Object(object) => Some(chassis::values::to_struct(object)),
        _ => None,
    }
}

/// CRC-32 of the first `count` events under the label `input`, and their mean size in bytes.
pub(crate) fn checksum(customers: u64, count: u32) -> (String, usize) {
    let events = Events::new("input", customers);
    let (mut hasher, mut bytes) = (crc32fast::Hasher::new(), 0);
    for n in 0..u64::from(count) {
        let encoded = events.event(n).encode_to_vec();
        bytes += encoded.len();
        hasher.update(&encoded);
    }
    (format!("{:08x}", hasher.finalize()), bytes / usize::try_from(count.max(1)).unwrap_or(1))
}

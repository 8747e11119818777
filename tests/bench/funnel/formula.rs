//! The data by formula: event `n` from `n` alone, in Rust and in SQL.

use crate::data::mix;

/// Events.
pub(super) const EVENTS: u64 = 10_000_000;
/// Customers.
pub(super) const CUSTOMERS: u64 = 200_000;
/// 2026-08-01T00:00:00Z in µs.
pub(super) const FROM: i64 = 1_785_542_400_000_000;
/// Days.
pub(super) const DAYS: i64 = 90;
/// A day in µs.
pub(super) const DAY: i64 = 86_400_000_000;
/// The funnel's window in µs.
pub(super) const WINDOW: i64 = 7 * DAY;
/// Steps of the funnel.
pub(super) const STEPS: [&str; 4] = ["product_viewed", "cart_added", "checkout_started", "order_completed"];
/// Names, each with the first of a hundred numbers that no longer means it.
pub(super) const NAMES: [(&str, u64); 6] = [
    ("product_viewed", 40),
    ("page_viewed", 65),
    ("cart_added", 80),
    ("checkout_started", 88),
    ("order_completed", 93),
    ("coupon_viewed", 100),
];
/// Values of the breakdown.
pub(super) const CATEGORIES: [&str; 8] = ["旅行", "美妆", "数码", "母婴", "服饰", "食品", "家居", "图书"];
/// Moments come from numbers this much further on.
const TIMES: u64 = 1 << 40;

/// An event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) customer: u32,
    /// µs.
    pub(super) time: i64,
    pub(super) name: &'static str,
    pub(super) category: &'static str,
}

/// Event `n`.
pub(super) fn row(n: u64) -> Row {
    let (h, t) = (mix(n), mix(n + TIMES));
    let at = (h >> 32) % 100;
    Row {
        customer: (h % CUSTOMERS) as u32,
        time: FROM + (t % (DAYS * DAY) as u64) as i64,
        name: NAMES.iter().find(|(_, end)| at < *end).map_or("", |(name, _)| name),
        category: CATEGORIES[((h >> 24) % 8) as usize],
    }
}

/// The same in `ClickHouse`'s SQL: a query of `customer`, `t`, `name`, `category`.
pub(super) fn sql() -> String {
    let mixed = |n: &str, into: &str| {
        format!(
            "({n}) * toUInt64(11400714819323198485) AS {into}a, \
             bitXor({into}a, bitShiftRight({into}a, 29)) * toUInt64(13787848793156543929) AS {into}b, \
             bitXor({into}b, bitShiftRight({into}b, 32)) AS {into}"
        )
    };
    let names: Vec<String> =
        NAMES.iter().map(|(name, end)| format!("bitShiftRight(h, 32) % 100 < {end}, '{name}'")).collect();
    let categories: Vec<String> = CATEGORIES.iter().map(|category| format!("'{category}'")).collect();
    format!(
        "WITH {}, {} SELECT toUInt32(h % {CUSTOMERS}) AS customer, toUInt64({FROM} + tt % {}) AS t, \
         multiIf({}, '') AS name, arrayElement([{}], toUInt32(bitShiftRight(h, 24) % 8) + 1) AS category \
         FROM numbers({EVENTS})",
        mixed("number", "h"),
        mixed(&format!("number + toUInt64({TIMES})"), "tt"),
        DAYS * DAY,
        names.join(", "),
        categories.join(", ")
    )
}

/// CRC-32 of the first 100,000 events.
pub(super) fn checksum() -> String {
    let mut hasher = crc32fast::Hasher::new();
    for n in 0..100_000 {
        let row = row(n);
        hasher.update(format!("{} {} {} {}\n", row.customer, row.time, row.name, row.category).as_bytes());
    }
    format!("{:08x}", hasher.finalize())
}

/// CRC-32 of an answer.
pub(super) fn sum(rows: &super::Rows) -> String {
    let lines: Vec<String> =
        rows.iter().map(|row| row.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")).collect();
    format!("{:08x}", crc32fast::hash(lines.join("\n").as_bytes()))
}

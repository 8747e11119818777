//! A state as bytes: varints, and times as distances from the one before.
//!
//! Layout: version, number of series, then for each its id (8 bytes, little-endian), its sort and its contents. A number
//! takes the varint of its hundredths when it has no more than two decimals, which prices and counts have.

use std::collections::{BTreeMap, BTreeSet};

use super::{Kept, Number, Points};

const VERSION: u8 = 1;

pub(super) fn encode(all: &BTreeMap<u64, Kept>) -> Vec<u8> {
    let mut out = Writer(vec![VERSION]);
    out.length(all.len());
    for (id, kept) in all {
        out.fixed(*id);
        match kept {
            Kept::Times(points) => out.points(1, points, |_, ()| {}),
            Kept::Numbers(points) => out.points(2, points, Writer::number),
            Kept::Values(points) => out.points(3, points, Writer::fixed),
            Kept::Total { count, first, last } => {
                out.0.push(4);
                out.varint(*count);
                let mut before = 0;
                out.time(*first, &mut before);
                out.time(*last, &mut before);
            }
            Kept::TotalNumbers { count, sum, min, max } => {
                out.0.push(5);
                out.varint(*count);
                out.0.extend(sum.to_le_bytes());
                out.number(*min);
                out.number(*max);
            }
            Kept::TotalValues(values) => {
                out.0.push(6);
                out.length(values.len());
                values.iter().for_each(|value| out.fixed(*value));
            }
            Kept::Days(days) => {
                out.0.push(7);
                out.length(days.len());
                let mut before = 0;
                for day in days {
                    out.time(i64::from(*day), &mut before);
                }
            }
        }
    }
    out.0
}

/// `None` when the bytes are damaged.
pub(super) fn decode(bytes: &[u8]) -> Option<BTreeMap<u64, Kept>> {
    let mut all = BTreeMap::new();
    let mut bytes = Reader(bytes);
    if bytes.byte()? != VERSION {
        return None;
    }
    for _ in 0..bytes.varint()? {
        let id = bytes.fixed()?;
        let kept = match bytes.byte()? {
            1 => Kept::Times(bytes.points(|_| Some(()))?),
            2 => Kept::Numbers(bytes.points(Reader::number)?),
            3 => Kept::Values(bytes.points(Reader::fixed)?),
            4 => {
                let (count, mut before) = (bytes.varint()?, 0);
                Kept::Total { count, first: bytes.time(&mut before)?, last: bytes.time(&mut before)? }
            }
            5 => Kept::TotalNumbers {
                count: bytes.varint()?,
                sum: i128::from_le_bytes(*bytes.chunk()?),
                min: bytes.number()?,
                max: bytes.number()?,
            },
            6 => Kept::TotalValues(
                (0..bytes.varint()?).map(|_| bytes.fixed()).collect::<Option<BTreeSet<u64>>>()?,
            ),
            7 => {
                let (count, mut before) = (bytes.varint()?, 0);
                let day = |_| i32::try_from(bytes.time(&mut before)?).ok();
                Kept::Days((0..count).map(day).collect::<Option<BTreeSet<i32>>>()?)
            }
            _ => return None,
        };
        all.insert(id, kept);
    }
    bytes.0.is_empty().then_some(all)
}

struct Writer(Vec<u8>);

impl Writer {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn length(&mut self, length: usize) {
        self.varint(length as u64);
    }

    /// Small numbers of either sign take few bytes.
    fn signed(&mut self, value: i64) {
        self.varint(((value << 1) ^ (value >> 63)) as u64);
    }

    /// A time by its distance from the one before; distances may wrap.
    fn time(&mut self, time: i64, before: &mut i64) {
        self.signed(time.wrapping_sub(*before));
        *before = time;
    }

    fn fixed(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }

    fn number(&mut self, number: Number) {
        match hundredths(number.get()) {
            Some(hundredths) => self.varint((((hundredths << 1) ^ (hundredths >> 63)) as u64) << 1),
            None => {
                self.varint(1);
                self.fixed(number.get().to_bits());
            }
        }
    }

    fn points<T: Copy + Ord>(&mut self, sort: u8, points: &Points<T>, value: impl Fn(&mut Self, T)) {
        self.0.push(sort);
        self.length(points.all().len());
        let mut before = 0;
        for (time, number) in points.all() {
            self.time(*time, &mut before);
            value(self, *number);
        }
    }
}

/// Whole hundredths, when nothing is lost by that.
fn hundredths(number: f64) -> Option<i64> {
    let hundredths = (number * 100.0).round();
    (hundredths.abs() < 1e15 && hundredths / 100.0 == number).then_some(hundredths as i64)
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn chunk<const N: usize>(&mut self) -> Option<&[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(chunk)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn time(&mut self, before: &mut i64) -> Option<i64> {
        *before = before.wrapping_add(self.signed()?);
        Some(*before)
    }

    fn fixed(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(*self.chunk()?))
    }

    fn number(&mut self) -> Option<Number> {
        let value = self.varint()?;
        if value == 1 {
            let number = f64::from_bits(self.fixed()?);
            return number.is_finite().then(|| Number::new(number));
        }
        let hundredths = (value >> 2) as i64 ^ -((value >> 1 & 1) as i64);
        (value & 1 == 0).then(|| Number::new(hundredths as f64 / 100.0))
    }

    fn points<T: Copy + Ord>(&mut self, value: impl Fn(&mut Self) -> Option<T>) -> Option<Points<T>> {
        let (count, mut before) = (self.varint()?, 0);
        // Each point takes a byte at least, so damaged bytes cannot ask for much.
        let mut points = Vec::with_capacity(usize::try_from(count).ok()?.min(self.0.len()));
        for _ in 0..count {
            points.push((self.time(&mut before)?, value(self)?));
        }
        Points::new(points)
    }
}

//! What one JetStream message holds: many records of one partition, so that a batch costs one message.
//!
//! All numbers are little-endian.
//!
//! ```text
//! message  version u8 = 1 · crc u32 (of everything behind it) · count u16 · records
//! record   sequence u64 · workspace u16 · producer u16 · key u32 · payload u32 (lengths) · workspace, producer, key, payload
//! ```
//!
//! A record's position is its message's number times 4,096, plus its place among the 4,096 places of the message; records
//! take the last places. So the end of a partition follows from the number of its last message alone.

use bytes::Bytes;
use kernel::Workspace;

use crate::names::Names;
use crate::size::weight;
use crate::{Entry, Record};

/// A message takes no more records than this.
pub(super) const RECORDS: usize = 1 << SHIFT;
/// A message takes no further record beyond so many bytes.
pub(super) const BYTES: usize = 256 << 10;
/// No message is longer: a record of the greatest size with the longest names.
pub(super) const MAX_BYTES: usize = 2 << 20;
/// What helps a server that takes no message so long.
pub(super) const MORE_PAYLOAD: &str = "write `max_payload: 4MB` into the server's configuration";

const SHIFT: u32 = 12;
const VERSION: u8 = 1;
/// Version, checksum, count.
const HEAD: usize = 7;
/// Fixed part of a record.
const FIXED: usize = 20;

/// The first position of the message of that number.
pub(super) const fn first_position(number: u64) -> u64 {
    number.saturating_mul(1 << SHIFT)
}

/// The position behind the last record of the message of that number.
pub(super) const fn behind(number: u64) -> u64 {
    first_position(number.saturating_add(1))
}

/// The number of the message in which the record of that position stands.
pub(super) const fn number_of(position: u64) -> u64 {
    position >> SHIFT
}

/// Whether a message that holds `records` of so many bytes takes `more` with `more_bytes`.
pub(super) const fn has_room(records: usize, bytes: usize, more: usize, more_bytes: usize) -> bool {
    records + more <= RECORDS && bytes + more_bytes <= BYTES
}

/// Cuts records of one partition into what one message takes.
pub(super) fn cut(records: Vec<Record>) -> Vec<Vec<Record>> {
    let mut parts = Vec::new();
    let (mut part, mut bytes) = (Vec::new(), 0);
    for record in records {
        let more = weight(&record);
        if !part.is_empty() && !has_room(part.len(), bytes, 1, more) {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes += more;
        part.push(record);
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// The message of these records; at most [`RECORDS`], their lengths checked by [`crate::size::check`].
pub(super) fn encode<'a>(records: impl Iterator<Item = &'a Record> + Clone) -> Bytes {
    let length: usize = records.clone().map(length).sum();
    let mut out = Vec::with_capacity(HEAD + length);
    out.push(VERSION);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&u16::try_from(records.clone().count()).unwrap_or(u16::MAX).to_le_bytes());
    for record in records {
        let (workspace, producer) = (record.workspace.as_str().as_bytes(), record.producer.as_bytes());
        out.extend_from_slice(&record.sequence.to_le_bytes());
        out.extend_from_slice(&u16::try_from(workspace.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(&u16::try_from(producer.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(&u32::try_from(record.key.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(&u32::try_from(record.payload.len()).unwrap_or(u32::MAX).to_le_bytes());
        for part in [workspace, producer, &record.key, &record.payload] {
            out.extend_from_slice(part);
        }
    }
    let crc = crc32fast::hash(out.get(5..).unwrap_or_default());
    if let Some(place) = out.get_mut(1..5) {
        place.copy_from_slice(&crc.to_le_bytes());
    }
    out.into()
}

/// The entries of the message of that number; what is wrong with it otherwise. Keys and payloads are not copied.
pub(super) fn decode(number: u64, message: &Bytes, names: &mut Names) -> Result<Vec<Entry>, &'static str> {
    let mut fields = Fields { message, at: 0 };
    if fields.take::<1>() != Some([VERSION]) {
        return Err("it is not of this format");
    }
    let crc = fields.take().map(u32::from_le_bytes);
    if crc != Some(crc32fast::hash(message.get(5..).unwrap_or_default())) {
        return Err("its checksum differs");
    }
    fields.entries(number, names).ok_or("it contradicts itself")
}

fn length(record: &Record) -> usize {
    let names = record.workspace.as_str().len() + record.producer.len();
    FIXED + names + record.key.len() + record.payload.len()
}

/// Takes from the front.
struct Fields<'a> {
    message: &'a Bytes,
    at: usize,
}

impl Fields<'_> {
    fn entries(&mut self, number: u64, names: &mut Names) -> Option<Vec<Entry>> {
        let count = usize::from(u16::from_le_bytes(self.take()?));
        let unused = RECORDS.checked_sub(count)? as u64;
        let mut entries = Vec::with_capacity(count);
        for position in (first_position(number) + unused..).take(count) {
            entries.push(Entry { position, record: self.record(names)? });
        }
        (self.at == self.message.len()).then_some(entries)
    }

    fn record(&mut self, names: &mut Names) -> Option<Record> {
        let sequence = u64::from_le_bytes(self.take()?);
        let workspace = usize::from(u16::from_le_bytes(self.take()?));
        let producer = usize::from(u16::from_le_bytes(self.take()?));
        let key = u32::from_le_bytes(self.take()?) as usize;
        let payload = u32::from_le_bytes(self.take()?) as usize;
        Some(Record {
            workspace: Workspace::new(names.name(&self.bytes(workspace)?)?),
            producer: names.name(&self.bytes(producer)?)?,
            key: self.bytes(key)?,
            sequence,
            payload: self.bytes(payload)?,
        })
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let taken = *self.message.get(self.at..)?.first_chunk::<N>()?;
        self.at += N;
        Some(taken)
    }

    fn bytes(&mut self, length: usize) -> Option<Bytes> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.message.len())?;
        let taken = self.message.slice(self.at..end);
        self.at = end;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record() -> impl Strategy<Value = Record> {
        ("[a-z海店]{0,8}", "[a-z]{0,8}", any::<Vec<u8>>(), any::<u64>(), any::<Vec<u8>>()).prop_map(
            |(workspace, producer, key, sequence, payload)| Record {
                workspace: Workspace::new(workspace),
                key: key.into(),
                producer: producer.into(),
                sequence,
                payload: payload.into(),
            },
        )
    }

    proptest! {
        #[test]
        fn records_come_back_at_the_end_of_their_message_and_no_changed_byte_goes_unseen(
            records in prop::collection::vec(record(), 1..20), number in 0_u64..1 << 40,
            at: prop::sample::Index, change in 1_u8..,
        ) {
            let message = encode(records.iter());
            let entries = decode(number, &message, &mut Names::default()).unwrap();
            prop_assert!(entries.iter().map(|entry| &entry.record).eq(&records));
            prop_assert!(entries.iter().all(|entry| number_of(entry.position) == number));
            prop_assert!(entries.iter().map(|entry| entry.position).eq(behind(number) - records.len() as u64..behind(number)));
            let mut damaged = message.to_vec();
            let at = at.index(damaged.len());
            damaged[at] ^= change;
            prop_assert!(decode(number, &damaged.into(), &mut Names::default()).is_err(), "byte {}", at);
            prop_assert!(decode(number, &message.slice(..at), &mut Names::default()).is_err(), "cut at {}", at);
        }

        #[test]
        fn cutting_keeps_order_and_fills_messages(sizes in prop::collection::vec(0_usize..100_000, 0..40)) {
            let record = |(n, size): (usize, &usize)| Record {
                workspace: Workspace::new("demo"), key: "张伟".into(), producer: "ingest".into(),
                sequence: n as u64, payload: vec![0; *size].into(),
            };
            let parts = cut(sizes.iter().enumerate().map(record).collect());
            prop_assert!(parts.iter().flatten().map(|record| record.sequence).eq(0..sizes.len() as u64));
            let bytes = |part: &Vec<Record>| part.iter().map(weight).sum::<usize>();
            prop_assert!(parts.iter().all(|part| bytes(part) <= BYTES || part.len() == 1));
            prop_assert!(parts.windows(2).all(|two| bytes(&two[0]) + weight(&two[1][0]) > BYTES), "a message was left half empty");
        }
    }

    #[test]
    fn a_message_takes_as_many_records_as_it_has_places_and_the_longest_fits() {
        let record = |names: usize, payload: usize| Record {
            workspace: Workspace::new("店".repeat(names)),
            key: Bytes::new(),
            producer: "p".repeat(names * 3).into(),
            sequence: 7,
            payload: vec![0; payload].into(),
        };
        let many = cut(vec![record(0, 0); 2 * RECORDS]);
        assert!(many.iter().all(|part| part.len() <= RECORDS));
        let full: Vec<_> = vec![record(0, 0); RECORDS];
        let entries = decode(1, &encode(full.iter()), &mut Names::default()).unwrap();
        assert_eq!(entries.first().map(|entry| entry.position), Some(first_position(1)));
        assert!(encode([record(21_845, crate::MAX_RECORD_BYTES)].iter()).len() <= MAX_BYTES);
    }
}

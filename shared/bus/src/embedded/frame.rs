//! What stands in a file: frames of length, CRC-32 and body; one batch frame, then the records of that batch.
//!
//! All numbers are little-endian.
//!
//! ```text
//! frame   length u32 (of body) · crc u32 (of length and body) · body
//! batch   kind u8 = 0 · offset u64 (of this frame in the whole log) · bytes u32 (of its records) · count u32 · time i64 (µs)
//! record  kind u8 = 1 raw, 2 events · partition u32 · position u64 · sequence u64
//!         · workspace u16 · producer u16 · key u32 (lengths) · workspace, producer, key, payload
//! ```
//!
//! A batch frame knows its own offset, so that nothing but a batch that was written at that place is taken for one.

use bytes::Bytes;
use kernel::{Time, Workspace};

use crate::names::Names;
use crate::{Record, Stream};

/// Length and CRC.
pub(super) const HEAD: usize = 8;
/// Body of a batch frame.
const BATCH_BODY: usize = 25;
/// A whole batch frame.
pub(super) const BATCH_FRAME: usize = HEAD + BATCH_BODY;
/// Fixed part of a record's body.
const RECORD_FIXED: usize = 29;
/// No body is longer: a record of the greatest size with the longest names.
const MAX_BODY: usize = RECORD_FIXED + crate::MAX_RECORD_BYTES + 2 * u16::MAX as usize;

/// What one group commit begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// Where its frame begins, counted over all files.
    pub(super) offset: u64,
    /// Length of its records' frames together.
    pub(super) bytes: u32,
    /// How many records follow.
    pub(super) count: u32,
    /// When it was written.
    pub(super) time: Time,
}

/// A record whose names have not been looked at yet, so that passing over it costs nothing.
#[derive(Clone, Debug)]
pub(super) struct RawRecord {
    pub(super) stream: Stream,
    pub(super) partition: u32,
    pub(super) position: u64,
    body: Bytes,
}

/// Either frame.
#[derive(Clone, Debug)]
pub(super) enum Frame {
    Batch(Batch),
    Record(RawRecord),
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The length is impossible.
    Length,
    /// The checksum differs.
    Checksum,
    /// The body contradicts itself.
    Body,
    /// The file ends within it.
    Partial,
    /// It is no frame that may stand here.
    Order,
}

impl Flaw {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Length => "impossible length",
            Self::Checksum => "checksum differs",
            Self::Body => "contradictory record",
            Self::Partial => "file ends within a record",
            Self::Order => "record out of order",
        }
    }
}

/// Appends a batch frame with `batch`'s numbers; written again by [`seal_batch`] when they are known.
pub(super) fn put_batch(out: &mut Vec<u8>, batch: Batch) {
    let begin = open(out);
    out.push(0);
    out.extend_from_slice(&batch.offset.to_le_bytes());
    out.extend_from_slice(&batch.bytes.to_le_bytes());
    out.extend_from_slice(&batch.count.to_le_bytes());
    out.extend_from_slice(&batch.time.0.to_le_bytes());
    close(out, begin);
}

/// Puts the final numbers into the batch frame that `out` begins with.
pub(super) fn seal_batch(out: &mut [u8], batch: Batch) {
    let mut frame = Vec::with_capacity(BATCH_FRAME);
    put_batch(&mut frame, batch);
    if let Some(begin) = out.get_mut(..frame.len()) {
        begin.copy_from_slice(&frame);
    }
}

/// Appends a record's frame. Lengths have been checked by [`crate::size::check`].
pub(super) fn put_record(out: &mut Vec<u8>, stream: Stream, partition: u32, position: u64, record: &Record) {
    let workspace = record.workspace.as_str().as_bytes();
    let producer = record.producer.as_bytes();
    let begin = open(out);
    out.push(match stream {
        Stream::Raw => 1,
        Stream::Events => 2,
    });
    out.extend_from_slice(&partition.to_le_bytes());
    out.extend_from_slice(&position.to_le_bytes());
    out.extend_from_slice(&record.sequence.to_le_bytes());
    out.extend_from_slice(&u16::try_from(workspace.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(&u16::try_from(producer.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(&u32::try_from(record.key.len()).unwrap_or(u32::MAX).to_le_bytes());
    for part in [workspace, producer, &record.key, &record.payload] {
        out.extend_from_slice(part);
    }
    close(out, begin);
}

/// Length of the whole frame that `bytes` begins with; `None` when even its head is not whole.
pub(super) fn frame_length(bytes: &[u8]) -> Option<Result<usize, Flaw>> {
    let length = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    (bytes.len() >= HEAD).then_some(if (BATCH_BODY..=MAX_BODY).contains(&length) {
        Ok(HEAD + length)
    } else {
        Err(Flaw::Length)
    })
}

/// Reads one whole frame, checksum included.
pub(super) fn decode(frame: &Bytes) -> Result<Frame, Flaw> {
    let expected = frame.get(4..HEAD).and_then(|crc| crc.first_chunk()).copied().map(u32::from_le_bytes);
    let body = frame.slice(HEAD.min(frame.len())..);
    if expected != Some(checksum(frame.get(..4).unwrap_or_default(), &body)) {
        return Err(Flaw::Checksum);
    }
    let mut fields = Fields(&body);
    match fields.take::<1>().ok_or(Flaw::Body)? {
        [0] if body.len() == BATCH_BODY => batch(&mut fields).map(Frame::Batch).ok_or(Flaw::Body),
        [1] => raw(Stream::Raw, &body).map(Frame::Record).ok_or(Flaw::Body),
        [2] => raw(Stream::Events, &body).map(Frame::Record).ok_or(Flaw::Body),
        _ => Err(Flaw::Body),
    }
}

/// Whether a batch begins somewhere in `bytes`, the first of which stands at `offset` of the whole log.
pub(super) fn holds_batch(bytes: &Bytes, offset: u64) -> bool {
    let length = (BATCH_BODY as u32).to_le_bytes();
    (0..bytes.len().saturating_sub(BATCH_FRAME - 1)).any(|at| {
        bytes.get(at..).is_some_and(|rest| rest.starts_with(&length))
            && matches!(decode(&bytes.slice(at..at + BATCH_FRAME)),
                Ok(Frame::Batch(batch)) if batch.offset == offset + at as u64)
    })
}

impl RawRecord {
    /// The record; `names` saves an allocation for names seen before.
    pub(super) fn record(&self, names: &mut Names) -> Result<Record, Flaw> {
        self.parts(names).ok_or(Flaw::Body)
    }

    fn parts(&self, names: &mut Names) -> Option<Record> {
        let mut fields = Fields(self.body.get(13..)?);
        let sequence = u64::from_le_bytes(fields.take()?);
        let workspace = usize::from(u16::from_le_bytes(fields.take()?));
        let producer = usize::from(u16::from_le_bytes(fields.take()?));
        let key = u32::from_le_bytes(fields.take()?) as usize;
        let producer_at = RECORD_FIXED + workspace;
        let key_at = producer_at + producer;
        let payload_at = key_at.checked_add(key).filter(|at| *at <= self.body.len())?;
        Some(Record {
            workspace: Workspace::new(names.name(self.body.get(RECORD_FIXED..producer_at)?)?),
            key: self.body.slice(key_at..payload_at),
            producer: names.name(self.body.get(producer_at..key_at)?)?,
            sequence,
            payload: self.body.slice(payload_at..),
        })
    }
}

fn batch(fields: &mut Fields<'_>) -> Option<Batch> {
    Some(Batch {
        offset: u64::from_le_bytes(fields.take()?),
        bytes: u32::from_le_bytes(fields.take()?),
        count: u32::from_le_bytes(fields.take()?),
        time: Time(i64::from_le_bytes(fields.take()?)),
    })
}

fn raw(stream: Stream, body: &Bytes) -> Option<RawRecord> {
    let mut fields = Fields(body.get(1..)?);
    let partition = u32::from_le_bytes(fields.take()?);
    let position = u64::from_le_bytes(fields.take()?);
    Some(RawRecord { stream, partition, position, body: body.clone() })
}

/// Takes numbers from the front.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }
}

fn checksum(length: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(length);
    hasher.update(body);
    hasher.finalize()
}

/// Leaves room for a frame's head.
fn open(out: &mut Vec<u8>) -> usize {
    let begin = out.len();
    out.extend_from_slice(&[0; HEAD]);
    begin
}

/// Fills in the head of the frame that began at `begin`.
fn close(out: &mut [u8], begin: usize) {
    let Some((head, body)) = out.get_mut(begin..).and_then(|frame| frame.split_at_mut_checked(HEAD)) else {
        return;
    };
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    let (length_at, crc_at) = head.split_at_mut(4);
    length_at.copy_from_slice(&length);
    crc_at.copy_from_slice(&checksum(&length, body).to_le_bytes());
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
        fn a_record_comes_back_and_no_changed_byte_goes_unseen(
            record in record(), position: u64, at: prop::sample::Index, change in 1_u8..,
        ) {
            let mut frame = Vec::new();
            put_record(&mut frame, Stream::Events, 7, position, &record);
            prop_assert_eq!(frame_length(&frame), Some(Ok(frame.len())));
            let Ok(Frame::Record(raw)) = decode(&frame.clone().into()) else { panic!("no record") };
            prop_assert_eq!((raw.stream, raw.partition, raw.position), (Stream::Events, 7, position));
            prop_assert_eq!(raw.record(&mut Names::default()).unwrap(), record);
            let at = at.index(frame.len());
            frame[at] ^= change;
            prop_assert!(decode(&frame.into()).is_err(), "byte {} of the frame", at);
        }
    }

    #[test]
    fn a_batch_is_known_only_at_its_own_place() {
        let batch = Batch { offset: 1_003, bytes: 0, count: 0, time: Time(5) };
        let mut bytes = vec![0, 0, 0];
        put_batch(&mut bytes, batch);
        bytes.push(9);
        let bytes = Bytes::from(bytes);
        assert!(holds_batch(&bytes, 1_000));
        assert!(!holds_batch(&bytes, 1_001));
        assert!(!holds_batch(&bytes.slice(..bytes.len() - 2), 1_000));
    }
}

//! Where in a segment file the records of a slot stand: the first one, and one in every 64 KiB.
//!
//! A sealed file's index is kept beside it, so that opening need not read the whole log. It is only a copy of what
//! the file says: missing or damaged, it is made again.

use std::io;
use std::path::Path;

use kernel::Time;

use super::layout::write_whole;

const EVERY: u64 = 64 << 10;
const MAGIC: &[u8; 8] = b"GXIDX\0\0\x01";

/// What is known of one segment file without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Index {
    /// The file's sound length.
    pub(super) length: u64,
    /// When its newest batch was written; [`Time::MIN`] without any.
    pub(super) newest: Time,
    /// Per slot: position and offset in the file, both growing.
    marks: Vec<Vec<(u64, u64)>>,
}

impl Index {
    /// Of a file that has only its head.
    pub(super) fn new(slots: usize, length: u64) -> Self {
        Self { length, newest: Time::MIN, marks: vec![Vec::new(); slots] }
    }

    /// Takes note of a record.
    pub(super) fn note(&mut self, slot: usize, position: u64, offset: u64) {
        if let Some(marks) = self.marks.get_mut(slot)
            && marks.last().is_none_or(|(_, last)| last + EVERY <= offset)
        {
            marks.push((position, offset));
        }
    }

    /// Where to begin reading to find `position`, or the slot's first record when that lies behind; `None` when the
    /// file has no records of the slot.
    pub(super) fn seek(&self, slot: usize, position: u64) -> Option<u64> {
        let marks = self.marks.get(slot)?;
        let after = marks.partition_point(|(marked, _)| *marked <= position);
        marks.get(after.saturating_sub(1)).map(|(_, offset)| *offset)
    }

    /// Writes the index of the sealed file `log` beside it.
    pub(super) fn save(&self, log: &Path) -> io::Result<()> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&self.length.to_le_bytes());
        out.extend_from_slice(&self.newest.0.to_le_bytes());
        for marks in &self.marks {
            out.extend_from_slice(&(marks.len() as u64).to_le_bytes());
            for (position, offset) in marks {
                out.extend_from_slice(&position.to_le_bytes());
                out.extend_from_slice(&offset.to_le_bytes());
            }
        }
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        write_whole(&log.with_extension("index"), &out, false)
    }

    /// The index beside `log`, when it is sound and belongs to a file of that length.
    pub(super) fn load(log: &Path, slots: usize, length: u64) -> Option<Self> {
        let bytes = std::fs::read(log.with_extension("index")).ok()?;
        let (covered, crc) = bytes.split_last_chunk::<4>()?;
        let mut numbers =
            covered.strip_prefix(MAGIC)?.as_chunks::<8>().0.iter().map(|b| u64::from_le_bytes(*b));
        if crc32fast::hash(covered) != u32::from_le_bytes(*crc) || numbers.next()? != length {
            return None;
        }
        let newest = Time(numbers.next()?.cast_signed());
        let marks = (0..slots).map(|_| {
            let count = numbers.next()?;
            (0..count).map(|_| Some((numbers.next()?, numbers.next()?))).collect()
        });
        let marks = marks.collect::<Option<Vec<_>>>()?;
        Some(Self { length, newest, marks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        let mut index = Index::new(2, 500_000);
        index.newest = Time(77);
        for record in 0..100_u64 {
            index.note(1, 40 + record, 100 + record * 4_000);
        }
        index
    }

    #[test]
    fn reading_begins_at_or_before_the_position_and_never_far_before() {
        let index = index();
        assert_eq!(index.seek(0, 40), None);
        assert_eq!(index.seek(1, 0), Some(100));
        for record in 0..100_u64 {
            let at = 100 + record * 4_000;
            let begin = index.seek(1, 40 + record).unwrap();
            assert!(begin <= at && at - begin < EVERY + 4_000);
        }
    }

    #[test]
    fn it_comes_back_from_disk_unless_changed_or_of_another_length() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.log");
        index().save(&log).unwrap();
        assert_eq!(Index::load(&log, 2, 500_000), Some(index()));
        assert_eq!(Index::load(&log, 2, 500_001), None);
        let path = log.with_extension("index");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[30] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(Index::load(&log, 2, 500_000), None);
    }
}

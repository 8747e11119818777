//! The newest entries, in memory: consumers read right behind the writer, and need no file or server for that.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError, RwLock, RwLockWriteGuard};

use crate::Entry;
use crate::size::weight;

/// Bytes of records that are kept. Payloads are shared with whoever appended them, not copied.
const KEPT: usize = 32 << 20;

/// Newest entries of all slots; the oldest of them give way first, whatever their slot.
pub(crate) struct Tail {
    slots: Vec<RwLock<Kept>>,
    order: Mutex<Order>,
}

/// Of one slot.
#[derive(Default)]
struct Kept {
    /// Every entry from this position on is here; `None` when nothing is known.
    from: Option<u64>,
    entries: VecDeque<Entry>,
}

#[derive(Default)]
struct Order {
    slots: VecDeque<usize>,
    bytes: usize,
}

impl Tail {
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots: (0..slots).map(|_| RwLock::default()).collect(), order: Mutex::default() }
    }

    /// Adds durable entries with their slots, each behind those added before. Only one task adds to a slot.
    pub(crate) fn extend(&self, entries: impl Iterator<Item = (usize, Entry)>) {
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        for (slot, entry) in entries {
            let Some(mut kept) = self.kept(slot) else { continue };
            order.slots.push_back(slot);
            order.bytes += weight(&entry.record);
            kept.from.get_or_insert(entry.position);
            kept.entries.push_back(entry);
        }
        while order.bytes > KEPT {
            let Some(mut kept) = order.slots.pop_front().and_then(|slot| self.kept(slot)) else { break };
            let Some(oldest) = kept.entries.pop_front() else { continue };
            kept.from = Some(oldest.position + 1);
            order.bytes -= weight(&oldest.record);
        }
    }

    /// Forgets what is kept of a slot. With `from`, every entry at or behind it is going to be added.
    pub(crate) fn begin(&self, slot: usize, from: Option<u64>) {
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut kept) = self.kept(slot) else { return };
        let forgotten = std::mem::replace(&mut *kept, Kept { from, entries: VecDeque::new() });
        order.bytes -= forgotten.entries.iter().map(|entry| weight(&entry.record)).sum::<usize>();
        order.slots.retain(|of| *of != slot);
    }

    /// Entries at or behind `from`, before `end`, as long as `take` says so; `None` when `from` is older than what is
    /// kept.
    pub(crate) fn read(
        &self,
        slot: usize,
        from: u64,
        end: u64,
        mut take: impl FnMut(&Entry) -> bool,
    ) -> Option<Vec<Entry>> {
        let kept = self.slots.get(slot)?.read().unwrap_or_else(PoisonError::into_inner);
        kept.from.filter(|first| *first <= from)?;
        let wanted = kept.entries.range(kept.entries.partition_point(|entry| entry.position < from)..);
        Some(wanted.take_while(|entry| entry.position < end && take(entry)).cloned().collect())
    }

    fn kept(&self, slot: usize) -> Option<RwLockWriteGuard<'_, Kept>> {
        self.slots.get(slot).map(|kept| kept.write().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Record;

    fn entry(position: u64, bytes: usize) -> Entry {
        let record = Record {
            workspace: kernel::Workspace::new("demo"),
            key: "张伟".into(),
            producer: "ingest".into(),
            sequence: 0,
            payload: vec![0; bytes].into(),
        };
        Entry { position, record }
    }

    fn positions(tail: &Tail, slot: usize, from: u64) -> Option<Vec<u64>> {
        let entries = tail.read(slot, from, u64::MAX, |_| true)?;
        Some(entries.iter().map(|entry| entry.position).collect())
    }

    #[test]
    fn the_oldest_give_way_and_what_is_kept_has_no_gap() {
        const RECORD: usize = 1 << 20;
        let tail = Tail::new(2);
        tail.extend((0..100).map(|position| (1, entry(position, RECORD))));
        let first = (0..100).find(|from| tail.read(1, *from, 100, |_| true).is_some()).unwrap();
        assert_eq!(100 - first, (KEPT / weight(&entry(0, RECORD).record)) as u64);
        let kept = tail.read(1, first, 99, |_| true).unwrap();
        assert!(kept.iter().map(|entry| entry.position).eq(first..99));
        assert!(tail.read(0, 0, 100, |_| true).is_none(), "nothing is known of the other slot");
    }

    #[test]
    fn gaps_between_positions_are_no_gaps_in_what_is_kept() {
        let tail = Tail::new(2);
        tail.begin(0, Some(5));
        assert_eq!(positions(&tail, 0, 5), Some(vec![]));
        tail.extend([10, 12, 20].map(|position| (0, entry(position, 1))).into_iter());
        tail.extend([(1, entry(7, 1))].into_iter());
        assert_eq!(positions(&tail, 0, 4), None, "what stands at 4 is not known");
        assert_eq!(positions(&tail, 0, 5), Some(vec![10, 12, 20]));
        assert_eq!(positions(&tail, 0, 11), Some(vec![12, 20]));
        tail.begin(0, None);
        assert_eq!(positions(&tail, 0, 20), None);
        assert_eq!(positions(&tail, 1, 7), Some(vec![7]), "the other slot stays");
    }
}

//! The newest entries, in memory: consumers read right behind the writer, and need no file for that.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError, RwLock};

use crate::Entry;

/// Bytes of records that are kept. Payloads are shared with whoever appended them, not copied.
const KEPT: usize = 32 << 20;
/// What an entry takes besides key and payload, roughly.
const OVERHEAD: usize = 160;

/// Newest entries of all slots; the oldest of them give way first, whatever their slot.
pub(super) struct Tail {
    slots: Vec<RwLock<VecDeque<Entry>>>,
    order: Mutex<Order>,
}

#[derive(Default)]
struct Order {
    slots: VecDeque<usize>,
    bytes: usize,
}

impl Tail {
    pub(super) fn new(slots: usize) -> Self {
        Self { slots: (0..slots).map(|_| RwLock::default()).collect(), order: Mutex::default() }
    }

    /// Adds durable entries with their slots. Only the writer calls it.
    pub(super) fn extend(&self, entries: impl Iterator<Item = (usize, Entry)>) {
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        for (slot, entry) in entries {
            let Some(kept) = self.slots.get(slot) else { continue };
            order.slots.push_back(slot);
            order.bytes += weight(&entry);
            kept.write().unwrap_or_else(PoisonError::into_inner).push_back(entry);
        }
        while order.bytes > KEPT {
            let Some(kept) = order.slots.pop_front().and_then(|slot| self.slots.get(slot)) else { break };
            let oldest = kept.write().unwrap_or_else(PoisonError::into_inner).pop_front();
            order.bytes -= oldest.as_ref().map_or(0, weight);
        }
    }

    /// Entries from exactly `from` on, before `end`, as long as `take` says so; `None` when `from` is older than what
    /// is kept.
    pub(super) fn read(
        &self,
        slot: usize,
        from: u64,
        end: u64,
        mut take: impl FnMut(&Entry) -> bool,
    ) -> Option<Vec<Entry>> {
        let kept = self.slots.get(slot)?.read().unwrap_or_else(PoisonError::into_inner);
        // Positions of a slot have no gaps here.
        let skipped = usize::try_from(from.checked_sub(kept.front()?.position)?).ok()?;
        let wanted = kept.range(skipped.min(kept.len())..);
        Some(wanted.take_while(|entry| entry.position < end && take(entry)).cloned().collect())
    }
}

fn weight(entry: &Entry) -> usize {
    OVERHEAD + entry.record.key.len() + entry.record.payload.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Record;

    #[test]
    fn the_oldest_give_way_and_what_is_kept_has_no_gap() {
        const RECORD: usize = 1 << 20;
        let record = Record {
            workspace: kernel::Workspace::new("demo"),
            key: "张伟".into(),
            producer: "ingest".into(),
            sequence: 0,
            payload: vec![0; RECORD].into(),
        };
        let tail = Tail::new(2);
        tail.extend((0..100).map(|position| (1, Entry { position, record: record.clone() })));
        let first = (0..100).find(|from| tail.read(1, *from, 100, |_| true).is_some()).unwrap();
        assert_eq!(100 - first, (KEPT / weight(&Entry { position: 0, record })) as u64);
        let kept = tail.read(1, first, 99, |_| true).unwrap();
        assert!(kept.iter().map(|entry| entry.position).eq(first..99));
        assert!(tail.read(0, 0, 100, |_| true).is_none(), "nothing is known of the other slot");
    }
}

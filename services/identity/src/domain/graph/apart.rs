//! Pairs of records that a person set apart.

use std::collections::{BTreeSet, HashMap};

use kernel::{RecordId, Time};

/// Two records that must not meet in one customer by evidence earlier than `lifted`, or at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Separation {
    pub a: RecordId,
    pub b: RecordId,
    /// When a person joined the two again.
    pub lifted: Option<Time>,
}

/// All of a workspace; there are few, since only people make them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Apart {
    by_record: HashMap<RecordId, Vec<(RecordId, Option<Time>)>>,
}

impl Apart {
    pub(crate) fn new(separations: impl IntoIterator<Item = Separation>) -> Self {
        let mut apart = Self::default();
        for separation in separations {
            apart.add(separation);
        }
        apart
    }

    pub(super) fn add(&mut self, Separation { a, b, lifted }: Separation) {
        self.by_record.entry(a).or_default().push((b, lifted));
        self.by_record.entry(b).or_default().push((a, lifted));
    }

    /// Lifts what keeps `a` and `b` apart; says whether anything did.
    pub(super) fn lift(&mut self, a: RecordId, b: RecordId, at: Time) -> bool {
        let mut lifted = false;
        for (from, to) in [(a, b), (b, a)] {
            for (other, until) in self.by_record.get_mut(&from).into_iter().flatten() {
                if *other == to && until.is_none() {
                    *until = Some(at);
                    lifted = true;
                }
            }
        }
        lifted
    }

    /// With what a record must not meet by evidence of `time`.
    pub(super) fn of(&self, record: RecordId, time: Time) -> impl Iterator<Item = RecordId> {
        let held = move |(_, lifted): &&(RecordId, Option<Time>)| lifted.is_none_or(|lifted| time < lifted);
        self.by_record.get(&record).into_iter().flatten().filter(held).map(|(other, _)| *other)
    }

    /// The earliest time at which evidence may join `a` with any of `others` again, of what was lifted so far.
    pub(super) fn lifted(&self, a: RecordId, others: &BTreeSet<RecordId>) -> Option<Time> {
        let pairs = self.by_record.get(&a).into_iter().flatten();
        pairs.filter(|(other, _)| others.contains(other)).filter_map(|(_, lifted)| *lifted).max()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_record.is_empty()
    }
}

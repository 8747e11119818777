//! Who is who today: records by number, and the customer each belongs to.
//!
//! Segments store records only, so that a merge or a split rewrites nothing: it changes a few numbers here.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use kernel::{CustomerId, Error, RecordId, Result, Time};
use uuid::Uuid;

use crate::domain::Bits;

/// A record's place, as it is kept in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Number of the record in its workspace; segments refer to it.
    pub number: u32,
    /// The record.
    pub record: RecordId,
    /// The customer it belongs to.
    pub customer: CustomerId,
    /// When a merge or split put it there; [`Time::MIN`] when none did.
    pub moved: Time,
}

/// All records of a workspace.
#[derive(Debug, Default)]
pub(crate) struct People {
    numbers: HashMap<Uuid, u32>,
    records: Vec<Uuid>,
    moved: Vec<Time>,
    customer_numbers: HashMap<Uuid, u32>,
    customers: Vec<Uuid>,
    customer_of: Vec<u32>,
    /// Records whose place is not yet in the database.
    unsaved: BTreeSet<u32>,
    grouping: Option<Arc<Grouping>>,
}

/// Who is who, as one query sees it.
#[derive(Debug)]
pub(crate) struct Grouping {
    /// Customer number by record number.
    pub(crate) customer_of: Vec<u32>,
    /// Customers by number.
    pub(crate) customers: Vec<Uuid>,
    /// Records that share their customer with others.
    pub(crate) shared: Bits,
    /// The records of each customer who has several.
    pub(crate) groups: Vec<Vec<u32>>,
}

impl People {
    /// As kept in the database, in the order of the numbers.
    ///
    /// # Errors
    /// When numbers are missing: segments would mean other records by theirs.
    pub(crate) fn restore(&mut self, placements: &[Placement]) -> Result<()> {
        for place in placements {
            let number = self.number(place.record, place.customer);
            if number != place.number {
                return Err(Error::internal(format!(
                    "record {number} is missing in the table `record`; restore the database from a backup"
                )));
            }
            if let Some(moved) = self.moved.get_mut(number as usize) {
                *moved = place.moved;
            }
        }
        self.unsaved.clear();
        Ok(())
    }

    /// The record's number. A record seen for the first time belongs to `customer`; one known stays where it is, for
    /// its place may have changed after the event was resolved.
    pub(crate) fn number(&mut self, record: RecordId, customer: CustomerId) -> u32 {
        if let Some(number) = self.numbers.get(&record.0) {
            return *number;
        }
        let customer = self.customer_number(customer);
        let number = u32::try_from(self.records.len()).unwrap_or(u32::MAX);
        self.numbers.insert(record.0, number);
        self.records.push(record.0);
        self.moved.push(Time::MIN);
        self.customer_of.push(customer);
        self.unsaved.insert(number);
        self.grouping = None;
        number
    }

    /// Puts a record with a customer. Of several such facts the latest counts, in whatever order they are read.
    pub(crate) fn place(&mut self, record: RecordId, customer: CustomerId, at: Time) {
        let number = self.number(record, customer);
        let customer = self.customer_number(customer);
        let (Some(moved), Some(of)) =
            (self.moved.get_mut(number as usize), self.customer_of.get_mut(number as usize))
        else {
            return;
        };
        if *moved <= at {
            *moved = at;
            *of = customer;
            self.unsaved.insert(number);
            self.grouping = None;
        }
    }

    /// What must be saved with the next flush, by number.
    pub(crate) fn unsaved(&self) -> Vec<Placement> {
        self.unsaved.iter().filter_map(|number| self.placement(*number)).collect()
    }

    /// These places are in the database now.
    pub(crate) fn saved(&mut self, places: &[Placement]) {
        for place in places {
            if self.placement(place.number).as_ref() == Some(place) {
                self.unsaved.remove(&place.number);
            }
        }
    }

    fn placement(&self, number: u32) -> Option<Placement> {
        let at = number as usize;
        let customer = self.customers.get(*self.customer_of.get(at)? as usize)?;
        Some(Placement {
            number,
            record: RecordId(*self.records.get(at)?),
            customer: CustomerId(*customer),
            moved: *self.moved.get(at)?,
        })
    }

    /// The present state, shared until it changes.
    pub(crate) fn grouping(&mut self) -> Arc<Grouping> {
        let made = self.grouping.take().unwrap_or_else(|| Arc::new(self.group()));
        self.grouping = Some(made.clone());
        made
    }

    fn group(&self) -> Grouping {
        let mut counts = vec![0u32; self.customers.len()];
        self.customer_of.iter().for_each(|customer| counts[*customer as usize] += 1);
        let mut shared = Bits::none(self.records.len());
        let mut groups: HashMap<u32, Vec<u32>> = HashMap::new();
        for (record, customer) in (0u32..).zip(&self.customer_of) {
            if counts[*customer as usize] > 1 {
                shared.insert(record as usize);
                groups.entry(*customer).or_default().push(record);
            }
        }
        Grouping {
            customer_of: self.customer_of.clone(),
            customers: self.customers.clone(),
            shared,
            groups: groups.into_values().collect(),
        }
    }

    fn customer_number(&mut self, customer: CustomerId) -> u32 {
        let next = u32::try_from(self.customers.len()).unwrap_or(u32::MAX);
        *self.customer_numbers.entry(customer.0).or_insert_with(|| {
            self.customers.push(customer.0);
            next
        })
    }
}

impl Grouping {
    /// The records of these customers, ascending.
    pub(crate) fn records_of(&self, customers: &[CustomerId]) -> Vec<u32> {
        let wanted: std::collections::HashSet<Uuid> = customers.iter().map(|customer| customer.0).collect();
        let numbers: std::collections::HashSet<u32> = (0u32..)
            .zip(&self.customers)
            .filter(|(_, id)| wanted.contains(id))
            .map(|(number, _)| number)
            .collect();
        (0u32..)
            .zip(&self.customer_of)
            .filter(|(_, of)| numbers.contains(of))
            .map(|(record, _)| record)
            .collect()
    }

    /// The customer of a record.
    pub(crate) fn customer(&self, record: u32) -> Option<CustomerId> {
        self.customers.get(*self.customer_of.get(record as usize)? as usize).map(|id| CustomerId(*id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    #[test]
    fn the_latest_move_counts_in_whatever_order_it_is_read() {
        let merge = (RecordId(id(1)), CustomerId(id(12)), Time(10));
        let split = (RecordId(id(1)), CustomerId(id(11)), Time(20));
        for order in
            [[merge, split, merge, split], [split, merge, merge, split], [merge, merge, split, merge]]
        {
            let mut people = People::default();
            people.number(RecordId(id(2)), CustomerId(id(12)));
            order.iter().for_each(|(record, customer, at)| people.place(*record, *customer, *at));
            // An event resolved before the merge arrives late.
            people.number(RecordId(id(1)), CustomerId(id(99)));
            let grouping = people.grouping();
            assert_eq!(grouping.customer(1), Some(CustomerId(id(11))));
            assert!(grouping.groups.is_empty());
            assert_eq!(grouping.records_of(&[CustomerId(id(12))]), [0]);
        }
    }

    #[test]
    fn what_was_saved_comes_back() {
        let mut people = People::default();
        people.number(RecordId(id(1)), CustomerId(id(11)));
        people.number(RecordId(id(2)), CustomerId(id(12)));
        people.place(RecordId(id(2)), CustomerId(id(11)), Time(5));
        let saved = people.unsaved();
        assert_eq!(saved.len(), 2);
        people.place(RecordId(id(2)), CustomerId(id(12)), Time(3));
        people.saved(&saved);
        assert!(people.unsaved().is_empty(), "an older move changes nothing");
        let mut again = People::default();
        assert!(People::default().restore(&saved[1..]).is_err());
        again.restore(&saved).unwrap();
        assert!(again.unsaved().is_empty());
        assert_eq!(again.grouping().groups, vec![vec![0, 1]]);
        again.place(RecordId(id(2)), CustomerId(id(12)), Time(4));
        assert_eq!(again.grouping().groups, vec![vec![0, 1]]);
    }
}

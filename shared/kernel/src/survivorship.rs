//! Which value of an attribute wins when several records of one customer state it.
//!
//! A customer's attributes are the fold of its records' attributes, so that taking a merge back restores both sides.
//! The fold is commutative and associative: the order in which records are read does not matter.

use std::collections::BTreeMap;

use crate::Time;

/// Who said what, and when. `value` is `None` when it was removed.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Stated<V> {
    /// The value; `None`: taken away at that time.
    pub value: Option<V>,
    /// Event time.
    pub time: Time,
    /// Of the source; the higher wins at equal times.
    pub priority: i32,
    /// Breaks the last tie the same way everywhere: the id of the event that stated it.
    pub by: String,
}

impl<V> Stated<V> {
    /// Whether this statement beats `other`: later first, then higher priority, then the greater event id.
    pub fn beats(&self, other: &Self) -> bool {
        (self.time, self.priority, &self.by) > (other.time, other.priority, &other.by)
    }
}

/// Attributes with their evidence, by name.
pub type Attributes<V> = BTreeMap<String, Stated<V>>;

/// Takes one statement in; says whether it changed the visible value.
pub fn state<V: PartialEq>(attributes: &mut Attributes<V>, name: &str, statement: Stated<V>) -> bool {
    match attributes.get_mut(name) {
        Some(current) if !statement.beats(current) => false,
        Some(current) => {
            let changed = current.value != statement.value;
            *current = statement;
            changed
        }
        None => {
            let changed = statement.value.is_some();
            attributes.insert(name.to_owned(), statement);
            changed
        }
    }
}

/// The attributes of a customer: per name, the statement that beats all others; removed ones are left out.
pub fn fold<'a, V: Clone + 'a>(records: impl IntoIterator<Item = &'a Attributes<V>>) -> BTreeMap<String, V> {
    let mut winners: BTreeMap<&str, &Stated<V>> = BTreeMap::new();
    for (name, statement) in records.into_iter().flatten() {
        winners
            .entry(name)
            .and_modify(|winner| {
                if statement.beats(winner) {
                    *winner = statement;
                }
            })
            .or_insert(statement);
    }
    winners.into_iter().filter_map(|(name, s)| Some((name.to_owned(), s.value.clone()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(value: Option<&str>, time: i64, priority: i32, by: &str) -> Stated<String> {
        Stated { value: value.map(str::to_owned), time: Time(time), priority, by: by.to_owned() }
    }

    #[test]
    fn the_order_of_statements_does_not_matter() {
        let statements = [
            said(Some("a"), 1, 0, "1"),
            said(Some("b"), 3, 0, "2"),
            said(None, 3, 1, "3"),
            said(Some("c"), 2, 9, "4"),
        ];
        for rotation in 0..statements.len() {
            let mut attributes = Attributes::new();
            for n in 0..statements.len() {
                state(&mut attributes, "city", statements[(n + rotation) % statements.len()].clone());
            }
            assert_eq!(attributes["city"], statements[2]);
            assert!(fold([&attributes]).is_empty());
        }
    }
}

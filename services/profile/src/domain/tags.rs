//! Tags: which definitions exclude each other, what adding one changes, what a customer shows.

use std::collections::BTreeMap;

use kernel::Time;
use uuid::Uuid;

use crate::store::row::assignment::Model as Assignment;
use crate::store::row::tag::Model as Tag;

/// State of a definition whose condition is being set up; only its rule may assign it.
pub(crate) const PENDING: &str = "pending";
/// State of a definition in use.
pub(crate) const LIVE: &str = "live";
/// State of a definition whose assignments are being removed.
pub(crate) const DELETED: &str = "deleted";
/// Source of assignments by condition.
pub(crate) const RULE: &str = "rule";
/// Sources a caller may name.
pub(crate) const SOURCES: [&str; 3] = ["manual", "journey", "import"];

/// Whether a customer cannot have both.
pub(crate) fn exclude(a: &Tag, b: &Tag) -> bool {
    a.key != b.key && a.exclusive && b.exclusive && a.family == b.family
}

/// Who gives a tag to which record, when and why.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grant<'a> {
    pub(crate) record: Uuid,
    pub(crate) source: &'a str,
    pub(crate) reason: &'a str,
    pub(crate) cause: &'a str,
    pub(crate) now: Time,
}

/// What is to be changed.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Changes {
    pub(crate) added: Vec<Assignment>,
    /// Kept under another source; nobody needs to be told.
    pub(crate) adopted: Vec<Assignment>,
    /// With the reason.
    pub(crate) removed: Vec<(Assignment, &'static str)>,
}

impl Changes {
    /// Gives `tag` to a customer who has `held` (on all records) and not this tag: others of its exclusive group go.
    pub(crate) fn add(
        &mut self,
        held: &[&Assignment],
        tag: &Tag,
        tags: &BTreeMap<String, Tag>,
        grant: Grant<'_>,
    ) {
        let excluded =
            held.iter().filter(|other| tags.get(&other.tag).is_some_and(|other| exclude(tag, other)));
        self.removed.extend(excluded.map(|other| ((*other).clone(), "exclusive")));
        self.added.push(Assignment {
            workspace: tag.workspace.clone(),
            record_id: grant.record,
            tag: tag.key.clone(),
            source: grant.source.to_owned(),
            assigned_at: grant.now.0,
            expires_at: (tag.ttl > 0).then(|| grant.now.0.saturating_add(tag.ttl)),
            reason: grant.reason.to_owned(),
            cause: grant.cause.to_owned(),
        });
    }

    /// The tag's condition began to hold for a customer. An assignment that the record has from elsewhere becomes
    /// the rule's.
    pub(crate) fn rule_entered(
        &mut self,
        held: &[&Assignment],
        tag: &Tag,
        tags: &BTreeMap<String, Tag>,
        grant: Grant<'_>,
    ) {
        match held.iter().find(|a| a.record_id == grant.record && a.tag == tag.key) {
            None => self.add(held, tag, tags, grant),
            Some(has) if has.source == RULE => {}
            Some(has) => self.adopted.push(Assignment { source: RULE.to_owned(), ..(*has).clone() }),
        }
    }
}

/// The assignments a customer shows, by key: of a tag on several records the newest; of an exclusive group, which a
/// merge may have brought together, the newest.
pub(crate) fn shown<'a>(
    held: impl IntoIterator<Item = &'a Assignment>,
    tags: &BTreeMap<String, Tag>,
) -> Vec<&'a Assignment> {
    let newer = |a: &Assignment, b: &Assignment| (a.assigned_at, a.record_id) > (b.assigned_at, b.record_id);
    let mut by_key: BTreeMap<&str, &Assignment> = BTreeMap::new();
    for assignment in held {
        by_key
            .entry(&assignment.tag)
            .and_modify(|shown| {
                if newer(assignment, shown) {
                    *shown = assignment;
                }
            })
            .or_insert(assignment);
    }
    let beaten = |assignment: &Assignment| {
        let Some(tag) = tags.get(&assignment.tag).filter(|tag| tag.exclusive) else { return false };
        let rank = |a: &Assignment| (a.assigned_at, a.record_id, a.tag.clone());
        by_key.values().any(|other| {
            tags.get(&other.tag).is_some_and(|other| exclude(tag, other)) && rank(other) > rank(assignment)
        })
    };
    by_key.values().copied().filter(|assignment| !beaten(assignment)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str, family: &str, exclusive: bool) -> Tag {
        Tag {
            workspace: "demo".to_owned(),
            key: key.to_owned(),
            name: key.to_owned(),
            family: family.to_owned(),
            exclusive,
            ttl: 10,
            owner: String::new(),
            condition: String::new(),
            state: LIVE.to_owned(),
            sweeping: false,
            created_at: 0,
            updated_at: 0,
        }
    }

    fn tags() -> BTreeMap<String, Tag> {
        [
            tag("gold", "等级", true),
            tag("silver", "等级", true),
            tag("vip", "等级", false),
            tag("tour", "", false),
        ]
        .into_iter()
        .map(|tag| (tag.key.clone(), tag))
        .collect()
    }

    fn given(record: u128, key: &str, time: i64) -> Assignment {
        let grant = Grant {
            record: Uuid::from_u128(record),
            source: "manual",
            reason: "",
            cause: "",
            now: Time(time),
        };
        let mut changes = Changes::default();
        changes.add(&[], &tags()[key], &tags(), grant);
        changes.added.remove(0)
    }

    #[test]
    fn the_newest_of_an_exclusive_group_stays() {
        let (silver, vip) = (given(1, "silver", 1), given(2, "vip", 1));
        let grant =
            Grant { record: Uuid::from_u128(2), source: "manual", reason: "", cause: "", now: Time(5) };
        let mut changes = Changes::default();
        changes.add(&[&silver, &vip], &tags()["gold"], &tags(), grant);
        assert_eq!(changes.removed, [(silver, "exclusive")]);
        assert_eq!(changes.added[0].expires_at, Some(15));
    }

    #[test]
    fn a_customer_shows_each_tag_once_and_of_a_group_the_newest() {
        let held = [given(1, "silver", 9), given(2, "gold", 3), given(1, "tour", 1), given(2, "tour", 2)];
        let shown: Vec<_> =
            shown(&held, &tags()).into_iter().map(|a| (a.tag.as_str(), a.assigned_at)).collect();
        assert_eq!(shown, [("silver", 9), ("tour", 2)]);
    }

    #[test]
    fn a_rule_adopts_what_was_given_by_hand() {
        let vip = given(1, "vip", 1);
        let grant = Grant { record: Uuid::from_u128(1), source: RULE, reason: "", cause: "", now: Time(5) };
        let mut changes = Changes::default();
        changes.rule_entered(&[&vip], &tags()["vip"], &tags(), grant);
        assert_eq!((changes.added.len(), changes.adopted[0].source.as_str()), (0, RULE));
        let adopted = changes.adopted.remove(0);
        changes.rule_entered(&[&adopted], &tags()["vip"], &tags(), grant);
        assert_eq!(changes, Changes::default());
    }
}

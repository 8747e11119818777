//! Laws of the graph, against an oracle that processes everything from nothing.

mod oracle;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use kernel::{CustomerId, RecordId};
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::Changes;
use oracle::{plain_union, process_everything};
use world::{Seen, World};

/// Identifiers that meet often: few people, fewer devices.
fn universe() -> Vec<(&'static str, &'static str)> {
    vec![
        ("user_id", "王芳"),
        ("user_id", "李雷"),
        ("user_id", "韩梅梅"),
        ("phone", "+8613800138000"),
        ("phone", "+8613900139000"),
        ("email", "wang@x.cn"),
        ("email", "li@x.cn"),
        ("email", "han@x.cn"),
        ("device_id", "ipad"),
        ("device_id", "huawei"),
        ("anonymous_id", "a1"),
        ("anonymous_id", "a2"),
        ("anonymous_id", "a3"),
    ]
}

fn sightings(most: usize) -> impl Strategy<Value = Vec<Seen>> {
    let one = (subsequence(universe(), 1..=3), 0..6_i64);
    prop::collection::vec(one, 1..most).prop_map(|all| {
        let numbered = all.into_iter().enumerate();
        numbered.map(|(n, (identifiers, time))| Seen::new(&format!("e{n}"), time, &identifiers)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 100, max_global_rejects: 100_000, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn the_order_of_arrival_does_not_matter(
        all in sightings(16),
        shuffles in prop::collection::vec(any::<prop::sample::Index>(), 20 * 16),
    ) {
        let expected = process_everything(&World::strict().policy, &all);
        for swaps in shuffles.chunks(16) {
            let mut arrived = all.clone();
            for (n, swap) in (0..arrived.len()).zip(swaps) {
                let other = swap.index(arrived.len());
                arrived.swap(n, other);
            }
            let mut world = World::strict();
            for seen in &arrived {
                world.see(seen);
            }
            prop_assert_eq!(world.partition(), expected.clone(), "{:?}", arrived);
        }
    }

    #[test]
    fn without_limits_it_is_plain_union(all in sightings(24)) {
        let mut world = World::generous();
        for seen in &all {
            world.see(seen);
        }
        prop_assert_eq!(world.partition(), plain_union(&all));
    }

    #[test]
    fn the_same_again_changes_nothing(all in sightings(16)) {
        let mut world = World::strict();
        for seen in &all {
            world.see(seen);
        }
        let before = world.clone();
        for seen in &all {
            let (_, _, changes) = world.see(seen);
            prop_assert_eq!(changes, Changes::default());
        }
        prop_assert_eq!(world, before);
    }

    #[test]
    fn published_ids_stay_resolvable_and_facts_tell_every_owner(all in sightings(24)) {
        let mut world = World::strict();
        let (mut published, mut owners) = (BTreeSet::new(), BTreeMap::new());
        for seen in &all {
            let (record, customer, changes) = world.see(seen);
            follow(&mut owners, &changes);
            owners.entry(record).or_insert(customer);
            published.insert(customer);
            published.extend(changes.created.iter().map(|(id, _)| *id));
            for id in &published {
                let live = world.live(*id);
                prop_assert_eq!(live, world.live(live), "an id must lead to a live customer");
            }
            for (record, customer) in &owners {
                prop_assert_eq!(*customer, world.owner(*record));
            }
        }
    }

    #[test]
    fn a_merge_by_hand_and_its_undoing_restore_everything(
        all in sightings(16), later in sightings(6), picks in any::<[prop::sample::Index; 2]>(),
    ) {
        let mut world = World::strict();
        all.iter().for_each(|seen| { world.see(seen); });
        let live: Vec<CustomerId> = world.owners().into_values().collect::<BTreeSet<_>>().into_iter().collect();
        let (a, b) = (live[picks[0].index(live.len())], live[picks[1].index(live.len())]);
        prop_assume!(a != b);
        let before = world.clone();
        let merged = world.join("m1", &[a, b]);
        prop_assert_eq!((merged.survivor, &merged.absorbed), (a.min(b), &vec![a.max(b)]));
        prop_assert_eq!(world.live(a.max(b)), a.min(b));
        // What happens in between on known records stays with them.
        for seen in later.iter().map(Seen::strongest_only).filter(|seen| before.knows(seen)) {
            let (record, customer, changes) = world.see(&seen);
            prop_assert_eq!((customer, changes), (world.owner(record), Changes::default()));
        }
        world.undo(&merged);
        prop_assert_eq!(world.owners(), before.owners());
        prop_assert_eq!(world.founders(), before.founders());
        prop_assert_eq!(world.links(), before.links());
    }

    #[test]
    fn whatever_people_do_in_between_all_of_it_processed_anew_gives_the_same(
        all in sightings(24), decisions in prop::collection::vec((any::<[prop::sample::Index; 2]>(), any::<bool>()), 24),
    ) {
        let (mut world, mut merges) = (World::strict(), Vec::new());
        for ((n, seen), (picks, undo)) in all.iter().enumerate().zip(decisions) {
            merges.extend(world.see(seen).2.merged);
            let live: Vec<CustomerId> = world.owners().into_values().collect::<BTreeSet<_>>().into_iter().collect();
            let (a, b) = (live[picks[0].index(live.len())], live[picks[1].index(live.len())]);
            if undo && !merges.is_empty() {
                world.undo(&merges.remove(picks[0].index(merges.len())));
            } else if n % 3 == 0 && a != b {
                merges.push(world.join(&format!("m{n}"), &[a, b]));
            }
            prop_assert_eq!(world.partition(), world.processed_anew());
        }
    }

    #[test]
    fn an_automatic_merge_and_its_undoing_restore_everything_and_it_is_not_repeated(
        all in sightings(16), pair in subsequence(universe(), 2), time in 0..6_i64,
    ) {
        let mut world = World::strict();
        all.iter().for_each(|seen| { world.see(seen); });
        let before = world.clone();
        let seen = Seen::new("joins", time, &pair);
        prop_assume!(before.knows(&seen));
        let (_, _, changes) = world.see(&seen);
        prop_assume!(changes.merged.len() == 1 && changes.split.is_empty());
        world.undo(&changes.merged[0]);
        prop_assert_eq!(world.owners(), before.owners());
        prop_assert_eq!(world.founders(), before.founders());
        let (_, _, changes) = world.see(&Seen { id: "again".to_owned(), ..seen });
        prop_assert!(changes.merged.is_empty(), "kept apart");
        prop_assert_eq!(world.owners(), before.owners());
    }
}

/// What every other service does with the facts.
fn follow(owners: &mut BTreeMap<RecordId, CustomerId>, changes: &Changes) {
    for (record, customer) in changes.split.iter().flat_map(|split| &split.records) {
        owners.insert(*record, *customer);
    }
    for merged in &changes.merged {
        owners.extend(merged.records.iter().map(|record| (*record, merged.survivor)));
    }
}

#[test]
fn an_earlier_sighting_takes_a_device_from_who_had_it() {
    let mut world = World::strict();
    let (_, wang, _) = world.see(&Seen::new("e1", 5, &[("user_id", "王芳"), ("device_id", "ipad")]));
    let (_, li, _) = world.see(&Seen::new("e2", 6, &[("user_id", "李雷"), ("device_id", "ipad")]));
    let (ipad, owner, _) = world.see(&Seen::new("e3", 7, &[("device_id", "ipad")]));
    assert_eq!(owner, wang);
    // Imported late: Li Lei had used it before.
    let (_, _, changes) = world.see(&Seen::new("e0", 1, &[("user_id", "李雷"), ("device_id", "ipad")]));
    assert_eq!(world.owner(ipad), li);
    assert_eq!((changes.split[0].from, &changes.split[0].records), (wang, &vec![(ipad, li)]));
    assert_eq!(changes.refused.len(), 1, "now the other link is refused");
}

#[test]
fn merging_again_by_hand_lifts_what_undoing_set_apart() {
    let mut world = World::strict();
    let (_, a, _) = world.see(&Seen::new("e1", 1, &[("email", "wang@x.cn")]));
    let (_, b, _) = world.see(&Seen::new("e2", 2, &[("phone", "+8613800138000")]));
    let both = [("email", "wang@x.cn"), ("phone", "+8613800138000")];
    let (_, _, changes) = world.see(&Seen::new("e3", 3, &both));
    world.undo(&changes.merged[0]);
    let (_, _, changes) = world.see(&Seen::new("e4", 4, &both));
    assert_eq!((world.live(b), changes.refused[0].verdict), (b, super::Verdict::KeptApart));
    let merged = world.join("m2", &[a, b]);
    assert_eq!((world.live(b), merged.absorbed), (a, vec![b]));
    assert_eq!(world.chain_length(a, b), 1);
}

/// What had dated the earlier joining so late may be gone by now.
#[test]
fn a_joining_by_hand_is_not_held_back_by_what_an_earlier_one_lifted() {
    let mut world = World::strict();
    let (_, phone, _) = world.see(&Seen::new("e1", 0, &[("phone", "+8613800138000")]));
    let (_, email, _) = world.see(&Seen::new("e2", 0, &[("email", "wang@x.cn")]));
    world.see(&Seen::new("e3", 0, &[("device_id", "ipad")]));
    let (_, _, late) = world.see(&Seen::new("e4", 9, &[("phone", "+8613800138000"), ("device_id", "ipad")]));
    for again in ["m1", "m2"] {
        let merged = world.join(again, &[phone, email]);
        world.undo(&merged);
    }
    world.undo(&late.merged[0]);
    world.join("m3", &[phone, email]);
    assert_eq!(world.live(email), phone);
    assert_eq!(world.partition(), world.processed_anew());
}

/// The undoing of an older merge overrules the joining by hand, which is said again then.
#[test]
fn a_joining_by_hand_that_was_overruled_can_be_said_again() {
    let mut world = World::strict();
    let (_, phone, _) = world.see(&Seen::new("e1", 0, &[("phone", "+8613800138000")]));
    let (_, email, _) = world.see(&Seen::new("e2", 0, &[("email", "wang@x.cn")]));
    let both = [("phone", "+8613800138000"), ("email", "wang@x.cn")];
    let automatic = world.see(&Seen::new("e3", 1, &both)).2.merged.remove(0);
    world.undo(&automatic);
    world.join("m1", &[phone, email]);
    world.undo(&automatic);
    assert_ne!(world.live(email), phone);
    world.join("m2", &[phone, email]);
    assert_eq!(world.live(email), phone);
    assert_eq!(world.partition(), world.processed_anew());
}

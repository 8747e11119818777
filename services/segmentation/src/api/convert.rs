//! Definitions as messages.

use std::collections::BTreeMap;

use wire::segmentation::{Segment, SegmentKind, SegmentState, Tier, TierSet};

use crate::domain::catalogue::Catalogue;
use crate::domain::definition::{Definition, Kind, Phase};

/// A segment or rule.
pub(super) fn segment(
    given: &Definition,
    catalogue: &Catalogue,
    sizes: &BTreeMap<u32, i64>,
    progress: f64,
) -> Segment {
    let part = given.latest.first();
    Segment {
        key: given.key.clone(),
        name: given.name.clone(),
        condition: part.and_then(|part| part.condition.clone()).unwrap_or_default(),
        kind: match given.kind {
            Kind::Rule => SegmentKind::Rule,
            Kind::Dynamic | Kind::Tiers => SegmentKind::Dynamic,
        }
        .into(),
        size: part.and_then(|part| sizes.get(&part.id)).copied().unwrap_or(0),
        state: state(given).into(),
        dependents: catalogue.naming(&given.key),
        created_at: Some(given.created_at.into()),
        updated_at: Some(given.updated_at.into()),
        progress: if given.phase == Phase::Live { 1.0 } else { progress },
    }
}

/// A tier set.
pub(super) fn tier_set(given: &Definition) -> TierSet {
    let tier = |part: &crate::domain::definition::Part| Tier {
        key: part.key.clone(),
        name: part.name.clone(),
        condition: part.condition.clone().unwrap_or_default(),
    };
    TierSet {
        key: given.key.clone(),
        name: given.name.clone(),
        tiers: given.latest.iter().map(tier).collect(),
        state: state(given).into(),
        created_at: Some(given.created_at.into()),
        updated_at: Some(given.updated_at.into()),
    }
}

fn state(given: &Definition) -> SegmentState {
    match given.phase {
        Phase::Live => SegmentState::Live,
        Phase::Waiting | Phase::Evaluating => SegmentState::Building,
    }
}

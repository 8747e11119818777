//! Ours as theirs.

use kernel::CustomerId;
use wire::identity::{Conflict, Customer, Evidence, Merge, Record};

use crate::domain::graph::Step;
use crate::domain::{StoredRecord, Verdict};
use crate::store;

/// A customer from all its records.
pub(crate) fn customer(id: CustomerId, mut records: Vec<StoredRecord>) -> Customer {
    records.sort_by_key(|record| record.record);
    let is_alias = |record: &&StoredRecord| record.founder && record.record.0 != id.0;
    let founded = records.iter().find(|record| record.record.0 == id.0);
    Customer {
        customer_id: id.to_string(),
        identifiers: records.iter().map(|record| (&record.identifier).into()).collect(),
        aliases: records.iter().filter(is_alias).map(|record| record.record.to_string()).collect(),
        created_at: founded.map(|record| record.created_at.into()),
        records: records.iter().map(record).collect(),
    }
}

fn record(record: &StoredRecord) -> Record {
    Record {
        record_id: record.record.to_string(),
        identifier: Some((&record.identifier).into()),
        created_at: Some(record.created_at.into()),
    }
}

pub(crate) fn merge(merge: &store::merge::Merge) -> Merge {
    Merge {
        merge_id: merge.id.to_string(),
        survivor: merge.survivor.to_string(),
        merged: merge.merged.iter().map(CustomerId::to_string).collect(),
        cause: merge.cause.clone(),
        rule: merge.rule.name().to_owned(),
        actor: merge.actor.clone(),
        time: Some(merge.time.into()),
        undone: merge.undone,
        reason: merge.reason.clone(),
    }
}

pub(crate) fn conflict(conflict: &store::conflict::Conflict) -> Conflict {
    Conflict {
        conflict_id: conflict.id.to_string(),
        reason: conflict.reason.clone(),
        identifiers: conflict.identifiers.iter().map(Into::into).collect(),
        customer_ids: conflict.customers.iter().map(CustomerId::to_string).collect(),
        cause: conflict.cause.clone(),
        time: Some(conflict.time.into()),
        message: conflict.message.clone(),
    }
}

pub(crate) fn evidence(step: &Step) -> Evidence {
    Evidence {
        a: Some((&step.a).into()),
        b: Some((&step.b).into()),
        joins: step.verdict == Verdict::Joined,
        cause: step.evidence.cause.to_string(),
        rule: step.rule.name().to_owned(),
        actor: step.evidence.actor.to_string(),
        time: Some(step.evidence.time.into()),
    }
}

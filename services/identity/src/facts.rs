//! What is told of changes: platform facts, merge ledger entries, conflicts.

use std::collections::BTreeSet;

use chassis::fact::{self, Cause};
use kernel::{CustomerId, MergeId, RecordId, Result, Time};
use serde_json::{Map, Value, json};
use wire::event::Event;

use crate::domain::graph::{Merged, Refused, Split};
use crate::domain::{Changes, Evidence, Identifier, Rule, Verdict};
use crate::engine::Engine;
use crate::store::conflict::Conflict;
use crate::store::merge::Merge;

/// Longer subjects are cut; they are only there to report a thing once.
const MAX_SUBJECT: usize = 200;

/// What brought changes about.
#[derive(Debug)]
pub(crate) struct Origin {
    pub cause: Cause,
    pub rule: Rule,
    pub actor: String,
    /// What a person gave.
    pub reason: String,
    /// When it happened.
    pub time: Time,
    /// The merge that a person makes or takes back.
    pub merge: Option<MergeId>,
}

impl Origin {
    /// An event, or a call with identifiers.
    pub(crate) fn sighting(cause: Cause, actor: &str, time: Time) -> Self {
        let (rule, actor, reason) = (Rule::SharedIdentifier, actor.to_owned(), String::new());
        Self { cause, rule, actor, reason, time, merge: None }
    }

    fn merge_id(&self, engine: &Engine) -> MergeId {
        self.merge.unwrap_or_else(|| MergeId(engine.ids.next()))
    }
}

/// What there is to tell.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub events: Vec<Event>,
    pub merges: Vec<Merge>,
}

/// The facts of changes, in order: who came into being, who was split, who was joined.
pub(crate) fn facts(engine: &Engine, changes: Changes, origin: &Origin) -> Result<Told> {
    let mut told = Told::default();
    for (customer, identifiers) in &changes.created {
        told.events.push(created(engine, *customer, identifiers, origin)?);
    }
    for split in &changes.split {
        told.events.extend(split_facts(engine, split, origin)?);
    }
    for merged in changes.merged {
        let merge = entry(engine, &merged, origin);
        told.events.extend(merged_facts(engine, merge.id, &merged, origin)?);
        told.merges.push(merge);
    }
    Ok(told)
}

fn created(
    engine: &Engine,
    customer: CustomerId,
    identifiers: &[Identifier],
    origin: &Origin,
) -> Result<Event> {
    let pairs = identifiers.iter().map(|one| json!({"namespace": &*one.namespace, "value": &*one.value}));
    let properties = object(json!({"identifiers": pairs.collect::<Vec<_>>()}));
    fact::new(&engine.ids, "customer.created", founder(customer), origin.time, &origin.cause, properties)
}

fn split_facts(engine: &Engine, split: &Split, origin: &Origin) -> Result<Vec<Event>> {
    let restored: BTreeSet<CustomerId> = split.records.iter().map(|(_, customer)| *customer).collect();
    let properties = object(json!({
        "merge_id": origin.merge_id(engine),
        "survivor": split.from,
        "restored": restored,
        "records": split.records.iter().map(|(record, customer)| owner(*record, *customer)).collect::<Vec<_>>(),
    }));
    per_side(engine, "customer.split", split.from, restored, "restored", (&properties, origin))
}

fn merged_facts(engine: &Engine, id: MergeId, merged: &Merged, origin: &Origin) -> Result<Vec<Event>> {
    let properties = object(json!({
        "merge_id": id,
        "survivor": merged.survivor,
        "merged": merged.absorbed,
        "records": merged.records.iter().map(|record| owner(*record, merged.survivor)).collect::<Vec<_>>(),
    }));
    let absorbed = merged.absorbed.iter().copied();
    per_side(engine, "customer.merged", merged.survivor, absorbed, "merged", (&properties, origin))
}

/// The same fact for every customer concerned.
fn per_side(
    engine: &Engine,
    name: &str,
    survivor: CustomerId,
    others: impl IntoIterator<Item = CustomerId>,
    side: &str,
    (properties, origin): (&Map<String, Value>, &Origin),
) -> Result<Vec<Event>> {
    let sides = std::iter::once((survivor, "survivor")).chain(others.into_iter().map(|other| (other, side)));
    let one = |(customer, side): (CustomerId, &str)| {
        let mut properties = properties.clone();
        properties.insert("side".to_owned(), side.into());
        fact::new(&engine.ids, name, founder(customer), engine.clock.now(), &origin.cause, properties)
    };
    sides.map(one).collect()
}

fn entry(engine: &Engine, merged: &Merged, origin: &Origin) -> Merge {
    Merge {
        id: origin.merge_id(engine),
        survivor: merged.survivor,
        merged: merged.absorbed.clone(),
        cause: origin.cause.id.clone(),
        rule: origin.rule,
        actor: origin.actor.clone(),
        time: engine.clock.now(),
        reason: origin.reason.clone(),
        undone: false,
        links: merged.links.clone(),
    }
}

/// A refused link.
pub(crate) fn conflict(engine: &Engine, refused: &Refused) -> Conflict {
    let message = match refused.verdict {
        Verdict::KeptApart => {
            "a person undid a merge of these customers; merge them by hand to lift that".to_owned()
        }
        Verdict::LimitExceeded | Verdict::Joined => {
            let limit = engine.policy.limit(&refused.namespace);
            format!("joined, they would have more than {limit} of `{}`", refused.namespace)
        }
    };
    Conflict {
        id: engine.ids.next(),
        subject: format!("{}|{}", refused.key.a, refused.key.b),
        reason: refused.verdict.name().to_owned(),
        identifiers: refused.identifiers.to_vec(),
        customers: refused.customers.to_vec(),
        cause: refused.evidence.cause.to_string(),
        time: refused.evidence.time,
        message,
    }
}

/// A value that names nobody.
pub(crate) fn blocked(engine: &Engine, nobody: &Identifier, evidence: &Evidence) -> Conflict {
    let subject = format!("{}={}", nobody.namespace, nobody.value).to_lowercase();
    Conflict {
        id: engine.ids.next(),
        subject: subject.chars().take(MAX_SUBJECT).collect(),
        reason: "blocked_value".to_owned(),
        identifiers: vec![nobody.clone()],
        customers: Vec::new(),
        cause: evidence.cause.to_string(),
        time: evidence.time,
        message: "the value names nobody and was ignored; correct the sender".to_owned(),
    }
}

/// A customer and the record it was founded with.
fn founder(customer: CustomerId) -> (CustomerId, RecordId) {
    (customer, RecordId(customer.0))
}

fn owner(record: RecordId, customer: CustomerId) -> Value {
    json!({"record_id": record, "customer_id": customer})
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

//! `AddTags` and `RemoveTags`: by hand, by journeys, by imports.

use ::store::Unit;
use chassis::{Caller, audit};
use kernel::near::suggestion;
use kernel::{Error, Result, Violation, Workspace};
use uuid::Uuid;
use wire::event::Identifier;
use wire::profile::*;

use crate::Shared;
use crate::api::customers::{Person, Who};
use crate::api::{assemble, cause, customers};
use crate::domain::tags::{Changes, Grant, LIVE, SOURCES, exclude};
use crate::events::unseen;
use crate::store::records::{self, For};
use crate::store::tags::{self, Tags};
use crate::tagging::Sheet;

/// Tags in one request at the most.
const MAX_TAGS: usize = 100;
/// Length of a reason.
const MAX_REASON_CHARS: usize = 1_000;

pub(super) async fn add_tags(
    shared: &Shared,
    caller: &Caller,
    request: AddTagsRequest,
) -> Result<AddTagsResponse> {
    let source = if request.source.is_empty() { "manual" } else { &request.source };
    if !SOURCES.contains(&source) {
        return Err(Error::invalid("source", format!("take one of {}", SOURCES.join(", "))));
    }
    check_reason(&request.reason)?;
    let cause = cause(&request.cause_id, request.cause_depth)?;
    let people = people(shared, caller, request.customer_ids, request.identifier).await?;
    let mut unit = shared.db.begin().await?;
    let (mut sheet, keys) = open(&unit, &caller.workspace, &people, request.tag_keys).await?;
    exclusive_alone(&sheet.tags, &keys)?;
    let before = seen(caller, &sheet, &people);
    let now = shared.clock.now();
    let (mut added, mut expiring) = (0_u32, false);
    for (person, record) in people.iter().map(|person| (person, person.first_record())) {
        let customer = sheet.owner(record.0).unwrap_or(person.id.0);
        for key in &keys {
            let held = sheet.held(customer);
            let Some(tag) = sheet.tags.get(key) else { continue };
            if held.iter().any(|row| row.tag == *key) {
                continue;
            }
            let (reason, cause_id) = (request.reason.as_str(), request.cause_id.as_str());
            let grant = Grant { record: record.0, source, reason, cause: cause_id, now };
            let mut changes = Changes::default();
            changes.add(&held, tag, &sheet.tags, grant);
            expiring |= tag.ttl > 0;
            added += 1;
            sheet.apply(changes, now, &cause);
        }
    }
    note(&mut unit, caller, &before, &seen(caller, &sheet, &people))?;
    sheet.save(&mut unit, &shared.ids).await?;
    if expiring {
        let expiry = shared.expiry.clone();
        unit.afterwards(move || expiry.ring());
    }
    unit.commit_and_publish().await?;
    Ok(AddTagsResponse { added })
}

pub(super) async fn remove_tags(
    shared: &Shared,
    caller: &Caller,
    request: RemoveTagsRequest,
) -> Result<RemoveTagsResponse> {
    check_reason(&request.reason)?;
    let cause = cause(&request.cause_id, request.cause_depth)?;
    let people = people(shared, caller, request.customer_ids, request.identifier).await?;
    let mut unit = shared.db.begin().await?;
    let (mut sheet, keys) = open(&unit, &caller.workspace, &people, request.tag_keys).await?;
    let before = seen(caller, &sheet, &people);
    let now = shared.clock.now();
    let mut removed = 0_u32;
    for person in &people {
        let customer = sheet.owner(person.first_record().0).unwrap_or(person.id.0);
        for key in &keys {
            let gone: Vec<_> =
                sheet.held(customer).into_iter().filter(|row| row.tag == *key).cloned().collect();
            removed += u32::from(!gone.is_empty());
            sheet.remove(gone, &request.reason, now, &cause);
        }
    }
    note(&mut unit, caller, &before, &seen(caller, &sheet, &people))?;
    sheet.save(&mut unit, &shared.ids).await?;
    unit.commit_and_publish().await?;
    Ok(RemoveTagsResponse { removed })
}

/// Everybody's tags for the audit log; nobody's where it does not want them.
fn seen(caller: &Caller, sheet: &Sheet, people: &[Person]) -> Vec<Profile> {
    let profile = |person: &Person| {
        let customer = sheet.owner(person.first_record().0).unwrap_or(person.id.0);
        let tags = assemble::assignments_of(sheet.held(customer).into_iter(), &sheet.tags);
        Profile { customer_id: person.id.to_string(), tags, ..Profile::default() }
    };
    if audit::concerns(caller) { people.iter().map(profile).collect() } else { Vec::new() }
}

/// Enters whose tags changed in the audit log.
fn note(unit: &mut Unit, caller: &Caller, before: &[Profile], after: &[Profile]) -> Result<()> {
    for (before, after) in before.iter().zip(after) {
        audit::changed(unit, caller, ("customer", &after.customer_id), before, after)?;
    }
    Ok(())
}

fn check_reason(reason: &str) -> Result<()> {
    if reason.chars().count() > MAX_REASON_CHARS {
        return Err(Error::invalid("reason", format!("at most {MAX_REASON_CHARS} characters")));
    }
    Ok(())
}

async fn people(
    shared: &Shared,
    caller: &Caller,
    ids: Vec<String>,
    identifier: Option<Identifier>,
) -> Result<Vec<Person>> {
    match (ids.is_empty(), identifier) {
        (false, None) => customers::all(shared, caller, ids).await,
        (true, Some(identifier)) => {
            Ok(vec![customers::one(shared, caller, Some(Who::Identifier(identifier))).await?])
        }
        _ => Err(Error::invalid("customer_ids", "name customers by customer_ids, or one by identifier")),
    }
}

/// The tags of these people, ready to be changed, and the keys of the request, each once.
async fn open(
    unit: &Unit,
    workspace: &Workspace,
    people: &[Person],
    mut keys: Vec<String>,
) -> Result<(Sheet, Vec<String>)> {
    let tags = tags::all(unit.db(), workspace).await?;
    check_keys(&tags, &keys)?;
    keys.sort_unstable();
    keys.dedup();
    let ids: Vec<Uuid> = people.iter().flat_map(|person| &person.records).map(|record| record.0).collect();
    let mut rows = records::by_ids(unit.db(), workspace, &ids, For::Writing).await?;
    let known: std::collections::HashSet<Uuid> = rows.iter().map(|row| row.record_id).collect();
    let missing = people.iter().map(|person| (person.first_record(), person.id));
    let missing: Vec<_> = missing
        .filter(|(record, _)| !known.contains(&record.0))
        .map(|(record, customer)| unseen(workspace, record, customer))
        .collect();
    records::save(unit.db(), missing.clone()).await?;
    rows.extend(missing);
    // Identity knows best who belongs together now; what it has told us so far may lag behind.
    for person in people {
        for row in rows.iter_mut().filter(|row| person.records.iter().any(|record| record.0 == row.record_id))
        {
            row.customer_id = person.id.0;
        }
    }
    Ok((Sheet::load(unit.db(), workspace, tags, &rows).await?, keys))
}

fn check_keys(tags: &Tags, keys: &[String]) -> Result<()> {
    if keys.is_empty() || keys.len() > MAX_TAGS {
        return Err(Error::invalid("tag_keys", format!("name 1 to {MAX_TAGS} tags")));
    }
    let live = || tags.values().filter(|tag| tag.state == LIVE);
    let unknown = |(n, key): (usize, &String)| {
        let missing = !live().any(|tag| tag.key == *key);
        missing.then(|| Violation {
            field: format!("tag_keys[{n}]"),
            description: format!("no tag `{key}`{}", suggestion(key, live().map(|tag| tag.key.as_str()))),
        })
    };
    let violations: Vec<Violation> = keys.iter().enumerate().filter_map(unknown).collect();
    if !violations.is_empty() {
        return Err(Error::violations(violations));
    }
    match live().find(|tag| !tag.condition.is_empty() && keys.contains(&tag.key)) {
        Some(tag) => {
            let message = format!(
                "tag `{}` follows its condition and cannot be added or removed by hand; change the condition",
                tag.key
            );
            Err(Error::precondition("TAG_HAS_CONDITION", message))
        }
        None => Ok(()),
    }
}

fn exclusive_alone(tags: &Tags, keys: &[String]) -> Result<()> {
    let given: Vec<_> = keys.iter().filter_map(|key| tags.get(key)).collect();
    for (n, tag) in given.iter().enumerate() {
        if let Some(other) = given.iter().skip(n + 1).find(|other| exclude(tag, other)) {
            let message =
                format!("`{}` and `{}` exclude each other (group {})", tag.key, other.key, tag.family);
            return Err(Error::invalid("tag_keys", message));
        }
    }
    Ok(())
}

//! `CreateTag`, `UpdateTag`, `DeleteTag`. A condition lives in segmentation as a segment of kind RULE.

use chassis::{Caller, audit};
use kernel::{Error, Result, Violation};
use wire::profile::*;

use crate::Shared;
use crate::api::{segments, tag};
use crate::domain::tags::{DELETED, LIVE, PENDING};
use crate::jobs::sweep;
use crate::store::row::tag::Model;
use crate::store::tags;

/// As the audit log names them.
const WHAT: &str = "tag";
/// Length of names, groups and owners.
const MAX_CHARS: usize = 128;
/// The longest `ttl`.
const MAX_TTL_SECONDS: i64 = 100 * 366 * 86_400;

pub(super) async fn create_tag(
    shared: &Shared,
    caller: &Caller,
    request: CreateTagRequest,
) -> Result<CreateTagResponse> {
    let now = shared.clock.now().0;
    let tag = read(caller, request.tag, now)?;
    let mut unit = shared.db.begin().await?;
    match tags::find(unit.db(), &caller.workspace, &tag.key).await? {
        Some(other) if other.state == LIVE => return Err(Error::already_exists("tag", tag.key)),
        Some(other) if other.state == DELETED => {
            let message = format!("tag `{}` is being deleted; try again in a moment", tag.key);
            return Err(Error::precondition("TAG_BEING_DELETED", message));
        }
        _ => {}
    }
    if tag.condition.is_empty() {
        tags::save(unit.db(), tag.clone()).await?;
        audit::created(&mut unit, caller, (WHAT, &tag.key), &tag::to_wire(tag.clone(), 0))?;
        unit.commit().await?;
    } else {
        // The rule may speak before we are done: the definition is there for it, and for nobody else.
        tags::save(unit.db(), Model { state: PENDING.to_owned(), ..tag.clone() }).await?;
        unit.commit().await?;
        set_up(shared, caller, &tag).await?;
    }
    Ok(CreateTagResponse { tag: Some(tag::shown(shared, caller, tag).await?) })
}

/// Sets the condition up and puts the tag in use; a tag whose condition is refused is gone again.
async fn set_up(shared: &Shared, caller: &Caller, tag: &Model) -> Result<()> {
    let created = segments::create(shared, caller, tag).await;
    let mut unit = shared.db.begin().await?;
    if let Err(error) = created {
        tags::remove(unit.db(), tag).await?;
        unit.commit().await?;
        return Err(error);
    }
    tags::save(unit.db(), tag.clone()).await?;
    audit::created(&mut unit, caller, (WHAT, &tag.key), &tag::to_wire(tag.clone(), 0))?;
    unit.commit().await
}

pub(super) async fn update_tag(
    shared: &Shared,
    caller: &Caller,
    request: UpdateTagRequest,
) -> Result<UpdateTagResponse> {
    let now = shared.clock.now().0;
    let mut new = read(caller, request.tag, now)?;
    let old = tag::live(shared.db.read(), caller, &new.key).await?;
    new.created_at = old.created_at;
    new.sweeping = old.sweeping || old.condition.is_empty() != new.condition.is_empty();
    change_condition(shared, caller, &old, &new).await?;
    if let Err(error) = replace(shared, caller, &new).await {
        if let Err(second) = change_condition(shared, caller, &new, &old).await {
            tracing::warn!(tag = new.key, error = %second, "the former condition of a tag could not be set again");
        }
        return Err(error);
    }
    Ok(UpdateTagResponse { tag: Some(tag::shown(shared, caller, new).await?) })
}

async fn replace(shared: &Shared, caller: &Caller, new: &Model) -> Result<()> {
    let mut unit = shared.db.begin().await?;
    let before = tag::to_wire(tag::live(unit.db(), caller, &new.key).await?, 0);
    let after = (new.state == LIVE).then(|| tag::to_wire(new.clone(), 0));
    tags::save(unit.db(), new.clone()).await?;
    audit::note(&mut unit, caller, (WHAT, &new.key), Some(&before), after.as_ref())?;
    if new.sweeping {
        let sweep = shared.sweep.clone();
        unit.afterwards(move || sweep.ring());
    }
    unit.commit().await
}

async fn change_condition(shared: &Shared, caller: &Caller, old: &Model, new: &Model) -> Result<()> {
    match (old.condition.is_empty(), new.condition.is_empty()) {
        (true, true) => Ok(()),
        (true, false) => segments::create(shared, caller, new).await,
        (false, true) => segments::delete(shared, caller, old).await,
        (false, false) if old.condition == new.condition && old.name == new.name => Ok(()),
        (false, false) => segments::update(shared, caller, new).await,
    }
}

pub(super) async fn delete_tag(
    shared: &Shared,
    caller: &Caller,
    request: DeleteTagRequest,
) -> Result<DeleteTagResponse> {
    let old = tag::live(shared.db.read(), caller, &request.key).await?;
    if !old.condition.is_empty() {
        segments::delete(shared, caller, &old).await?;
    }
    let deleted = Model { state: DELETED.to_owned(), sweeping: true, ..old };
    // The job goes on if this call is cut off.
    replace(shared, caller, &deleted).await?;
    sweep::all(shared, &deleted).await?;
    Ok(DeleteTagResponse {})
}

/// The definition that a request brings.
///
/// # Errors
/// [`kernel::Kind::Invalid`] with everything that is wrong.
fn read(caller: &Caller, given: Option<Tag>, now: i64) -> Result<Model> {
    let given = given.ok_or_else(|| Error::invalid("tag", "is missing"))?;
    let mut violations = Vec::new();
    let mut wrong = |field: &str, description: String| {
        violations.push(Violation { field: format!("tag.{field}"), description });
    };
    if !is_slug(&given.key) {
        wrong("key", "write 1 to 63 of a-z, 0-9, `_`, `.`, `-`, beginning with a letter or digit".to_owned());
    }
    for (field, text) in [("name", &given.name), ("group", &given.group), ("owner", &given.owner)] {
        if text.chars().count() > MAX_CHARS {
            wrong(field, format!("at most {MAX_CHARS} characters"));
        }
    }
    if given.name.trim().is_empty() {
        wrong("name", "is missing: people see it".to_owned());
    }
    if given.exclusive && given.group.is_empty() {
        wrong("group", "an exclusive tag needs the group in which it excludes others".to_owned());
    }
    let ttl = ttl(given.ttl.as_ref()).unwrap_or_else(|why| {
        wrong("ttl", why);
        0
    });
    if !violations.is_empty() {
        return Err(Error::violations(violations));
    }
    Ok(Model {
        workspace: caller.workspace.to_string(),
        key: given.key,
        name: given.name,
        family: given.group,
        exclusive: given.exclusive,
        ttl,
        owner: given.owner,
        condition: given.condition.trim().to_owned(),
        state: LIVE.to_owned(),
        sweeping: false,
        created_at: now,
        updated_at: now,
    })
}

fn ttl(given: Option<&prost_types::Duration>) -> Result<i64, String> {
    let Some(given) = given else { return Ok(0) };
    let micros = given.seconds.saturating_mul(1_000_000).saturating_add(i64::from(given.nanos / 1_000));
    if micros <= 0 || given.seconds > MAX_TTL_SECONDS {
        return Err("must be longer than nothing and at most 100 years; leave it out for ever".to_owned());
    }
    Ok(micros)
}

fn is_slug(key: &str) -> bool {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.' | '-');
    key.len() <= 63
        && key.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && key.chars().all(inside)
}

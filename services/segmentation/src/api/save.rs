//! Creating, updating and deleting definitions of any kind.

use std::collections::BTreeMap;

use chassis::{Caller, audit};
use kernel::{Error, Result};
use store::Unit;

use super::{Api, convert};
use crate::domain::catalogue::Catalogue;
use crate::domain::definition::{Definition, Kind, Phase};
use crate::domain::validate::Draft;
use crate::store::{definitions, members};
use crate::work::Work;

impl Api {
    /// Saves a new definition; it is built in the background.
    pub(super) async fn create(&self, caller: &Caller, draft: &Draft) -> Result<Definition> {
        let workspace = &caller.workspace;
        let mut unit = self.engine()?.cx.db.begin().await?;
        let mut work = Work::open(&*self.engine()?, unit.db(), workspace).await?;
        if work.catalogue.find(draft.kind.space(), &draft.key).is_some() {
            return Err(Error::already_exists(what(draft.kind.space()), &draft.key));
        }
        draft.check(&work.catalogue)?;
        let definition = Definition {
            key: draft.key.clone(),
            name: draft.name.clone(),
            kind: draft.kind,
            latest: draft.parts(&[], &mut work.next_id),
            active: Vec::new(),
            phase: Phase::Waiting,
            created_at: work.now,
            updated_at: work.now,
        };
        definitions::save(unit.db(), workspace, &definition).await?;
        definitions::settle(unit.db(), workspace, (&self.engine()?.cx.ids, work.next_id), &work.catalogue)
            .await?;
        note(&mut unit, caller, &work.catalogue, None, Some(&definition))?;
        let build = self.engine()?.alarms.build.clone();
        unit.afterwards(move || build.ring());
        unit.commit().await?;
        Ok(definition)
    }

    /// Saves a definition anew. Changed conditions are built in the background; until then the former ones hold.
    pub(super) async fn update(&self, caller: &Caller, draft: &Draft) -> Result<Definition> {
        let workspace = &caller.workspace;
        let mut unit = self.engine()?.cx.db.begin().await?;
        let mut work = Work::open(&*self.engine()?, unit.db(), workspace).await?;
        let catalogue = work.catalogue.clone();
        let before = find(&catalogue, draft.kind.space(), &draft.key)?;
        if before.kind != draft.kind {
            return Err(Error::invalid(
                "segment.kind",
                "the kind cannot change; delete it and create another",
            ));
        }
        draft.check(&catalogue)?;
        let mut after = Definition { name: draft.name.clone(), updated_at: work.now, ..before.clone() };
        after.latest = draft.parts(&before.latest, &mut work.next_id);
        if draft.changes(before) {
            after.phase = Phase::Waiting;
        } else if !after.active.is_empty() && before.phase != Phase::Waiting {
            after.active = after.latest.clone();
        }
        definitions::save(unit.db(), workspace, &after).await?;
        definitions::settle(unit.db(), workspace, (&self.engine()?.cx.ids, work.next_id), &catalogue).await?;
        note(&mut unit, caller, &catalogue, Some(before), Some(&after))?;
        let build = self.engine()?.alarms.build.clone();
        unit.afterwards(move || build.ring());
        unit.commit().await?;
        Ok(after)
    }

    /// Deletes a definition that no other names.
    pub(super) async fn delete(&self, caller: &Caller, space: &str, key: &str) -> Result<()> {
        let workspace = &caller.workspace;
        let mut unit = self.engine()?.cx.db.begin().await?;
        let work = Work::open(&*self.engine()?, unit.db(), workspace).await?;
        let given = find(&work.catalogue, space, key)?;
        let dependents = if given.is_told() { work.catalogue.naming(key) } else { Vec::new() };
        if !dependents.is_empty() {
            let message = format!("`{key}` is named by {}; change those first", dependents.join(", "));
            return Err(Error::precondition("SEGMENT_IN_USE", message));
        }
        definitions::delete(unit.db(), workspace, given).await?;
        if given.is_told() {
            members::remove_later(unit.db(), workspace, given).await?;
        } else {
            members::drop_sizes(unit.db(), workspace, given.parts().map(|part| part.id).collect()).await?;
        }
        definitions::settle(unit.db(), workspace, (&self.engine()?.cx.ids, work.next_id), &work.catalogue)
            .await?;
        note(&mut unit, caller, &work.catalogue, Some(given), None)?;
        let removal = self.engine()?.alarms.removal.clone();
        unit.afterwards(move || removal.ring());
        unit.commit().await?;
        Ok(())
    }
}

/// Enters a change in the audit log.
fn note(
    unit: &mut Unit,
    caller: &Caller,
    catalogue: &Catalogue,
    before: Option<&Definition>,
    after: Option<&Definition>,
) -> Result<()> {
    let Some(given) = after.or(before) else { return Ok(()) };
    if given.kind == Kind::Tiers {
        let (before, after) = (before.map(convert::tier_set), after.map(convert::tier_set));
        return audit::note(unit, caller, ("tier_set", &given.key), before.as_ref(), after.as_ref());
    }
    let shown = |given: &Definition| convert::segment(given, catalogue, &BTreeMap::new(), 0.0);
    let (before, after) = (before.map(shown), after.map(shown));
    audit::note(unit, caller, ("segment", &given.key), before.as_ref(), after.as_ref())
}

/// A definition by its key.
pub(super) fn find<'a>(catalogue: &'a Catalogue, space: &str, key: &str) -> Result<&'a Definition> {
    catalogue.find(space, key).ok_or_else(|| Error::not_found(what(space), key))
}

fn what(space: &str) -> &'static str {
    if space == "segment" { "segment" } else { "tier set" }
}

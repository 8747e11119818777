//! `profile.updated`, `tag.added`, `tag.removed`: what other services state of a record.

use chassis::fact;
use uuid::Uuid;
use wire::event::Event;

use crate::work::{Why, Work};

/// Attributes, by survivorship.
pub(super) fn profile_updated(work: &mut Work, record: Uuid, customer: Uuid, event: &Event, why: &Why) {
    let Some(known) = work.records.get_mut(&record) else { return };
    let changed = known.facts.update(&fact::properties(event), fact::time(event), &event.id);
    let touched = work.catalogue.plan.on_attributes(changed.iter().map(String::as_str));
    work.restate(record, customer, touched, why);
}

/// A tag of the record comes or goes.
pub(super) fn tag(work: &mut Work, (record, customer): (Uuid, Uuid), event: &Event, added: bool, why: &Why) {
    let key = fact::text(event, "tag");
    let Some(known) = work.records.get_mut(&record) else { return };
    let changed = if added { known.facts.tags.insert(key.to_owned()) } else { known.facts.tags.remove(key) };
    if changed {
        let touched = work.catalogue.plan.on_tags([key]);
        work.restate(record, customer, touched, why);
    }
}

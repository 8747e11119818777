//! Changes by hand, as the audit log keeps them: who called which method, and the thing before and after.
//!
//! A handler whose method is `audited` (an option in `proto/`) says what it changes within its unit of work:
//! `audit::changed(&mut unit, &caller, ("segment", &key), &before, &after)?`. The entry is committed with the change.
//! Nothing is written where nothing changed, nor for a service that acts by itself: what a journey does to a customer is
//! on the event log with its cause.

mod api;
mod render;

use kernel::{Error, Result};
use prost::Name;
use store::Unit;
use store::audit::Entry;

pub(crate) use self::api::Api;
use crate::caller::Caller;
use crate::rpc;

/// Kind and key (or id) of what is changed, such as `("tag", "vip")`.
pub type Resource<'a> = (&'a str, &'a str);

/// Whether changes of this caller are kept: whoever would read something only to say what it was may ask first.
pub fn concerns(caller: &Caller) -> bool {
    !caller.acts_by_itself()
}

/// Notes that `after` has come into being.
///
/// # Errors
/// [`kernel::Kind::Internal`] outside of a call, or in one of a method that is not `audited`.
pub fn created<M: Name>(unit: &mut Unit, caller: &Caller, what: Resource<'_>, after: &M) -> Result<()> {
    note(unit, caller, what, None, Some(after))
}

/// Notes that `before` has become `after`; nothing when both are the same apart from what follows from other things.
///
/// # Errors
/// See [`created`].
pub fn changed<M: Name>(
    unit: &mut Unit,
    caller: &Caller,
    what: Resource<'_>,
    before: &M,
    after: &M,
) -> Result<()> {
    note(unit, caller, what, Some(before), Some(after))
}

/// Notes that `before` is no more.
///
/// # Errors
/// See [`created`].
pub fn deleted<M: Name>(unit: &mut Unit, caller: &Caller, what: Resource<'_>, before: &M) -> Result<()> {
    note(unit, caller, what, Some(before), None)
}

/// Notes any of these.
///
/// # Errors
/// See [`created`].
pub fn note<M: Name>(
    unit: &mut Unit,
    caller: &Caller,
    (kind, id): Resource<'_>,
    before: Option<&M>,
    after: Option<&M>,
) -> Result<()> {
    if !concerns(caller) {
        return Ok(());
    }
    let call = rpc::current().ok_or_else(|| Error::internal("a change by hand outside of a call"))?;
    if !call.methods.is_audited(&call.path) {
        let message = format!("{} changes something and is not marked as audited", call.path);
        return Err(Error::internal(message));
    }
    let Some(shown) = render::pair(call.methods.pool(), before, after)? else { return Ok(()) };
    unit.audit(Entry {
        workspace: caller.workspace.clone(),
        actor: caller.subject.to_string(),
        method: call.path.trim_start_matches('/').to_owned(),
        resource_kind: kind.to_owned(),
        resource_id: id.to_owned(),
        before: shown.before,
        after: shown.after,
        trace_id: rpc::trace_parent().split('-').nth(1).unwrap_or_default().to_owned(),
    });
    Ok(())
}

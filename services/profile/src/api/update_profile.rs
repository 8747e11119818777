//! `UpdateProfile`: what a person says about a customer, kept on the customer's oldest record.

use ::store::Unit;
use chassis::values::from_struct;
use chassis::{Caller, audit, fact};
use kernel::{Error, Kind, Result, Violation};
use prost::Message as _;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use wire::profile::{Profile, UpdateProfileRequest, UpdateProfileResponse};

use crate::Shared;
use crate::api::customers::Person;
use crate::api::{assemble, cause, customers};
use crate::domain::attributes::{self, Said};
use crate::domain::person;
use crate::events::{unseen, updated};
use crate::store::records::For;
use crate::store::row::{answer, record};
use crate::store::{answers, records};

/// Above every source: at one moment, people win.
const PRIORITY: i32 = i32::MAX;
/// Length of an idempotency key.
const MAX_KEY_CHARS: usize = 128;

pub(super) async fn update_profile(
    shared: &Shared,
    caller: &Caller,
    mut request: UpdateProfileRequest,
) -> Result<UpdateProfileResponse> {
    let customer = request.customer.take();
    let digest = digest(&request)?;
    let patch = request.attributes.take().map(from_struct).unwrap_or_default();
    if patch.is_empty() {
        return Err(Error::invalid("attributes", "name at least one attribute"));
    }
    let cause = cause(&request.cause_id, request.cause_depth)?;
    let who = customers::one(shared, caller, customer).await?;
    let mut unit = shared.db.begin().await?;
    if let Some(answer) = answers::find(unit.db(), &caller.workspace, &request.idempotency_key).await? {
        return given(&answer, &digest, &who);
    }
    let mut row = first_record(&unit, caller, &who, request.expected_version).await?;
    // A journey's doing is on the log with its cause.
    let before = match audit::concerns(caller) {
        true => assemble::profiles(unit.db(), &caller.workspace, vec![who.clone()]).await?.pop(),
        false => None,
    };
    let said = Said { time: shared.clock.now(), priority: PRIORITY, by: shared.ids.next().to_string() };
    let statements = take(&mut row, patch, &said)?;
    let subject = (kernel::CustomerId(row.customer_id), who.first_record());
    records::save(unit.db(), vec![row]).await?;
    let properties = updated(statements, &said);
    let mut fact = fact::new(&shared.ids, "profile.updated", subject, said.time, &cause, properties)?;
    fact.id = said.by;
    unit.publish(&caller.workspace, &fact);
    let profile = assemble::profiles(unit.db(), &caller.workspace, vec![who]).await?.pop();
    if let (Some(before), Some(after)) = (&before, &profile) {
        let resource = ("customer", after.customer_id.as_str());
        audit::changed(&mut unit, caller, resource, &attributes_of(before), &attributes_of(after))?;
    }
    let response = UpdateProfileResponse { profile };
    if !request.idempotency_key.is_empty() {
        let answer = answer::Model {
            workspace: caller.workspace.to_string(),
            key: request.idempotency_key,
            request: digest,
            response: response.encode_to_vec(),
            created_at: said.time.0,
        };
        answers::keep(unit.db(), answer).await?;
    }
    unit.commit_and_publish().await?;
    Ok(response)
}

/// Of a profile, what is changed here.
fn attributes_of(profile: &Profile) -> Profile {
    Profile {
        customer_id: profile.customer_id.clone(),
        attributes: profile.attributes.clone(),
        ..Profile::default()
    }
}

/// What a repeated key must bring again, apart from the customer: a merge in between gives them another id.
fn digest(request: &UpdateProfileRequest) -> Result<Vec<u8>> {
    if request.idempotency_key.chars().count() > MAX_KEY_CHARS {
        return Err(Error::invalid("idempotency_key", format!("at most {MAX_KEY_CHARS} characters")));
    }
    Ok(Sha256::digest(request.encode_to_vec()).to_vec())
}

fn given(answer: &answer::Model, digest: &[u8], who: &Person) -> Result<UpdateProfileResponse> {
    let response = UpdateProfileResponse::decode(answer.response.as_slice())
        .map_err(|cause| Error::internal("a kept answer is damaged").caused_by(cause))?;
    let is_theirs = response.profile.as_ref().is_some_and(|profile| who.is(&profile.customer_id));
    if answer.request != digest || !is_theirs {
        let message = format!("the key `{}` came with another request before; take a new key", answer.key);
        return Err(Error::precondition("IDEMPOTENCY_KEY_REUSED", message));
    }
    Ok(response)
}

/// The record to be changed, when the profile has the version that the caller expects.
async fn first_record(unit: &Unit, caller: &Caller, who: &Person, expected: i64) -> Result<record::Model> {
    let ids: Vec<_> = who.records.iter().map(|record| record.0).collect();
    let rows = records::by_ids(unit.db(), &caller.workspace, &ids, For::Writing).await?;
    let version: i64 = rows.iter().map(|row| row.version).sum();
    if expected != 0 && expected != version {
        let message =
            format!("the profile has the version {version}, not {expected}; read it again and repeat");
        return Err(Error::new(Kind::Aborted, "VERSION_STALE", message));
    }
    let first = who.first_record();
    let found = rows.into_iter().find(|row| row.record_id == first.0);
    Ok(found.unwrap_or_else(|| unseen(&caller.workspace, first, who.id)))
}

/// Takes the patch in as a whole or not at all.
fn take(row: &mut record::Model, patch: Map<String, Value>, said: &Said) -> Result<Map<String, Value>> {
    let mut stating = person::attributes(row)?;
    let taken = attributes::take(&mut stating, patch, said);
    if !taken.refused.is_empty() {
        let violation = |(name, why): (String, String)| Violation {
            field: format!("attributes.{name}"),
            description: why,
        };
        return Err(Error::violations(taken.refused.into_iter().map(violation).collect()));
    }
    person::state(row, &stating)?;
    row.version += i64::from(taken.visible);
    Ok(taken.statements)
}

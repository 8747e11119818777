//! `GetProfile`.

use chassis::Caller;
use kernel::Result;
use uuid::Uuid;
use wire::profile::{GetProfileRequest, GetProfileResponse, Profile};

use crate::Shared;
use crate::api::{customers, segments};

pub(super) async fn get_profile(
    shared: &Shared,
    caller: &Caller,
    request: GetProfileRequest,
) -> Result<GetProfileResponse> {
    let person = customers::one(shared, caller, request.customer).await?;
    let records: Vec<Uuid> = person.records.iter().map(|record| record.0).collect();
    let (kept, segments) = futures::try_join!(
        shared.kept.get(&caller.workspace, records),
        segments::memberships(shared, caller, person.id),
    )?;
    Ok(GetProfileResponse { profile: Some(Profile { segments, ..kept.profile(person)? }) })
}

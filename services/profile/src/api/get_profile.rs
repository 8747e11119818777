//! `GetProfile`.

use chassis::Caller;
use kernel::{Error, Result};
use wire::profile::{GetProfileRequest, GetProfileResponse};

use crate::Shared;
use crate::api::{assemble, customers, segments};

pub(super) async fn get_profile(
    shared: &Shared,
    caller: &Caller,
    request: GetProfileRequest,
) -> Result<GetProfileResponse> {
    let person = customers::one(shared, caller, request.customer).await?;
    let id = person.id;
    let found = assemble::profiles(shared.db.read(), &caller.workspace, vec![person]).await?;
    let mut profile = found.into_iter().next().ok_or_else(|| Error::not_found("customer", id))?;
    profile.segments = segments::memberships(shared, caller, id).await?;
    Ok(GetProfileResponse { profile: Some(profile) })
}

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
    let (found, segments) = futures::try_join!(
        assemble::profiles(shared.db.read(), &caller.workspace, vec![person]),
        segments::memberships(shared, caller, id),
    )?;
    let mut profile = found.into_iter().next().ok_or_else(|| Error::not_found("customer", id))?;
    profile.segments = segments;
    Ok(GetProfileResponse { profile: Some(profile) })
}

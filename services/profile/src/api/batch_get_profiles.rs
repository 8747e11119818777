//! `BatchGetProfiles`.

use chassis::Caller;
use kernel::Result;
use wire::profile::{BatchGetProfilesRequest, BatchGetProfilesResponse};

use crate::Shared;
use crate::api::{assemble, customers};

pub(super) async fn batch_get_profiles(
    shared: &Shared,
    caller: &Caller,
    request: BatchGetProfilesRequest,
) -> Result<BatchGetProfilesResponse> {
    let people = customers::many(shared, caller, request.customer_ids).await?;
    let profiles = assemble::profiles(shared.db.read(), &caller.workspace, people).await?;
    Ok(BatchGetProfilesResponse { profiles })
}

//! `ProfileService` and `TagService`: one file per RPC, or per resource where RPCs are trivial.

pub(crate) mod assemble;
mod assign_tags;
mod batch_get_profiles;
mod customers;
mod get_profile;
mod list_profiles;
mod list_timeline;
mod segments;
mod tag;
mod update_profile;
mod write_tag;

use chassis::rpc;
use kernel::Result;
use tonic::{Request, Response, Status};
use wire::profile::profile_service_server::ProfileService;
use wire::profile::tag_service_server::TagService;
use wire::profile::*;

use crate::Shared;

/// Answers calls.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    shared: Shared,
}

impl Api {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared }
    }
}

/// The chain of causes that a request names.
///
/// # Errors
/// [`kernel::Kind::Precondition`] when one more effect would be a loop.
fn cause(id: &str, depth: u32) -> Result<chassis::fact::Cause> {
    if depth >= chassis::fact::MAX_DEPTH {
        let message =
            format!("this would be the {}th effect in a row of `{id}`: a loop", depth.saturating_add(1));
        return Err(kernel::Error::precondition("CAUSE_LOOP", message));
    }
    Ok(chassis::fact::Cause { id: id.to_owned(), depth, trace_parent: rpc::trace_parent() })
}

macro_rules! answer {
    ($self:ident, $request:ident, $function:path) => {
        rpc::answer(
            $request,
            |caller, message| async move { $function(&$self.shared, &caller, message).await },
        )
        .await
    };
}

#[tonic::async_trait]
impl ProfileService for Api {
    async fn get_profile(
        &self,
        request: Request<GetProfileRequest>,
    ) -> Result<Response<GetProfileResponse>, Status> {
        answer!(self, request, get_profile::get_profile)
    }

    async fn batch_get_profiles(
        &self,
        request: Request<BatchGetProfilesRequest>,
    ) -> Result<Response<BatchGetProfilesResponse>, Status> {
        answer!(self, request, batch_get_profiles::batch_get_profiles)
    }

    async fn list_profiles(
        &self,
        request: Request<ListProfilesRequest>,
    ) -> Result<Response<ListProfilesResponse>, Status> {
        answer!(self, request, list_profiles::list_profiles)
    }

    async fn update_profile(
        &self,
        request: Request<UpdateProfileRequest>,
    ) -> Result<Response<UpdateProfileResponse>, Status> {
        answer!(self, request, update_profile::update_profile)
    }

    async fn list_timeline(
        &self,
        request: Request<ListTimelineRequest>,
    ) -> Result<Response<ListTimelineResponse>, Status> {
        answer!(self, request, list_timeline::list_timeline)
    }
}

#[tonic::async_trait]
impl TagService for Api {
    async fn create_tag(
        &self,
        request: Request<CreateTagRequest>,
    ) -> Result<Response<CreateTagResponse>, Status> {
        answer!(self, request, write_tag::create_tag)
    }

    async fn get_tag(&self, request: Request<GetTagRequest>) -> Result<Response<GetTagResponse>, Status> {
        answer!(self, request, tag::get_tag)
    }

    async fn list_tags(
        &self,
        request: Request<ListTagsRequest>,
    ) -> Result<Response<ListTagsResponse>, Status> {
        answer!(self, request, tag::list_tags)
    }

    async fn update_tag(
        &self,
        request: Request<UpdateTagRequest>,
    ) -> Result<Response<UpdateTagResponse>, Status> {
        answer!(self, request, write_tag::update_tag)
    }

    async fn delete_tag(
        &self,
        request: Request<DeleteTagRequest>,
    ) -> Result<Response<DeleteTagResponse>, Status> {
        answer!(self, request, write_tag::delete_tag)
    }

    async fn add_tags(&self, request: Request<AddTagsRequest>) -> Result<Response<AddTagsResponse>, Status> {
        answer!(self, request, assign_tags::add_tags)
    }

    async fn remove_tags(
        &self,
        request: Request<RemoveTagsRequest>,
    ) -> Result<Response<RemoveTagsResponse>, Status> {
        answer!(self, request, assign_tags::remove_tags)
    }
}

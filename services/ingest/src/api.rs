//! The gRPC interface: one file per resource.

mod failed_events;
mod ingest_events;
mod sources;

use std::pin::Pin;
use std::sync::Arc;

use chassis::rpc;
use futures::Stream;
use kernel::Clock;
use store::Database;
use tonic::{Request, Response, Status, Streaming};
use wire::ingest::ingest_service_server::IngestService;
use wire::ingest::{
    CreateSourceRequest, CreateSourceResponse, DeleteSourceRequest, DeleteSourceResponse, GetSourceRequest,
    GetSourceResponse, IngestEventsRequest, IngestEventsResponse, ListFailedEventsRequest,
    ListFailedEventsResponse, ListSourcesRequest, ListSourcesResponse, ReplayFailedEventsRequest,
    ReplayFailedEventsResponse, StreamEventsRequest, StreamEventsResponse, UpdateSourceRequest,
    UpdateSourceResponse,
};

use crate::intake::Intake;
use crate::sources::Sources;

/// Answers the calls.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) clock: Clock,
    pub(crate) db: Database,
    pub(crate) dev: bool,
    pub(crate) intake: Arc<Intake>,
    pub(crate) sources: Arc<Sources>,
}

#[tonic::async_trait]
impl IngestService for Api {
    type StreamEventsStream = Pin<Box<dyn Stream<Item = Result<StreamEventsResponse, Status>> + Send>>;

    async fn ingest_events(
        &self,
        request: Request<IngestEventsRequest>,
    ) -> Result<Response<IngestEventsResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_ingest_events(caller, message)).await
    }

    async fn stream_events(
        &self,
        request: Request<Streaming<StreamEventsRequest>>,
    ) -> Result<Response<Self::StreamEventsStream>, Status> {
        self.do_stream_events(request)
    }

    async fn create_source(
        &self,
        request: Request<CreateSourceRequest>,
    ) -> Result<Response<CreateSourceResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_create_source(caller, message)).await
    }

    async fn get_source(
        &self,
        request: Request<GetSourceRequest>,
    ) -> Result<Response<GetSourceResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_get_source(caller, message)).await
    }

    async fn list_sources(
        &self,
        request: Request<ListSourcesRequest>,
    ) -> Result<Response<ListSourcesResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_list_sources(caller, message)).await
    }

    async fn update_source(
        &self,
        request: Request<UpdateSourceRequest>,
    ) -> Result<Response<UpdateSourceResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_update_source(caller, message)).await
    }

    async fn delete_source(
        &self,
        request: Request<DeleteSourceRequest>,
    ) -> Result<Response<DeleteSourceResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_delete_source(caller, message)).await
    }

    async fn list_failed_events(
        &self,
        request: Request<ListFailedEventsRequest>,
    ) -> Result<Response<ListFailedEventsResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_list_failed_events(caller, message)).await
    }

    async fn replay_failed_events(
        &self,
        request: Request<ReplayFailedEventsRequest>,
    ) -> Result<Response<ReplayFailedEventsResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_replay_failed_events(caller, message)).await
    }
}

//! The gRPC interface, one file per RPC.

mod fields;
mod query_funnel;
mod query_trend;
mod scan_events;

use std::sync::Arc;

use chassis::{Context, rpc};
use kernel::{Clock, Error, Kind, Result, Workspaces};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use wire::analytics::analytics_service_server::{AnalyticsService, AnalyticsServiceServer};
use wire::analytics::{
    QueryFunnelRequest, QueryFunnelResponse, QueryTrendRequest, QueryTrendResponse, ScanEventsRequest,
    ScanEventsResponse,
};

use crate::current::Current;

/// Answers calls. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    clock: Clock,
    workspaces: Workspaces,
    current: Current,
    partitions: u32,
    queries: Arc<Semaphore>,
}

impl Api {
    pub(crate) fn new(cx: &Context, current: Current, queries: usize) -> Self {
        let (clock, workspaces, partitions) = (cx.clock.clone(), cx.workspaces.clone(), cx.log.partitions());
        let queries = Arc::new(Semaphore::new(queries.max(1)));
        Self { clock, workspaces, current, partitions, queries }
    }

    pub(crate) fn server(self) -> AnalyticsServiceServer<Self> {
        AnalyticsServiceServer::new(self)
            .max_decoding_message_size(rpc::MAX_MESSAGE_BYTES)
            .max_encoding_message_size(rpc::MAX_MESSAGE_BYTES)
    }

    /// Waits for a free place among the queries, which bounds memory and threads. The query keeps it to its end, also
    /// when the caller has gone.
    async fn place(&self) -> Result<OwnedSemaphorePermit> {
        let closed = |_| Error::new(Kind::Unavailable, "STOPPING", "the service stops");
        self.queries.clone().acquire_owned().await.map_err(closed)
    }
}

#[tonic::async_trait]
impl AnalyticsService for Api {
    type ScanEventsStream = ReceiverStream<Result<ScanEventsResponse, Status>>;

    async fn query_trend(
        &self,
        request: Request<QueryTrendRequest>,
    ) -> Result<Response<QueryTrendResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_query_trend(caller, message)).await
    }

    async fn query_funnel(
        &self,
        request: Request<QueryFunnelRequest>,
    ) -> Result<Response<QueryFunnelResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_query_funnel(caller, message)).await
    }

    async fn scan_events(
        &self,
        request: Request<ScanEventsRequest>,
    ) -> Result<Response<Self::ScanEventsStream>, Status> {
        rpc::answer(request, |caller, message| self.do_scan_events(caller, message)).await
    }
}

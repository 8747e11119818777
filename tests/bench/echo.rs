//! The peer of ingest: a tonic server that decodes the same messages, counts them and keeps nothing.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_stream::Stream;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming};
use wire::ingest as pb;
use wire::ingest::ingest_service_server::{IngestService, IngestServiceServer};

/// A server that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Echo {
    /// Where it serves.
    pub(crate) address: SocketAddr,
    /// Events received.
    pub(crate) events: Arc<AtomicU64>,
    _server: JoinSet<()>,
}

impl Echo {
    /// Serves on a free port of the loopback interface.
    ///
    /// # Errors
    /// When no port can be bound.
    pub(crate) async fn open() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let events = Arc::new(AtomicU64::new(0));
        let api = IngestServiceServer::new(Api { events: events.clone() });
        // As chassis serves.
        let serving = tonic::transport::Server::builder()
            .tcp_nodelay(true)
            .http2_adaptive_window(Some(true))
            .add_service(api)
            .serve_with_incoming(TcpListenerStream::new(listener));
        let mut server = JoinSet::new();
        server.spawn(async move {
            // It ends when it is dropped; a failure shows in the calls.
            let _ended = serving.await.is_ok();
        });
        Ok(Self { address, events, _server: server })
    }
}

struct Api {
    events: Arc<AtomicU64>,
}

type Answers = Pin<Box<dyn Stream<Item = Result<pb::StreamEventsResponse, Status>> + Send>>;

fn not_here<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("the echo counts events only"))
}

#[tonic::async_trait]
impl IngestService for Api {
    type StreamEventsStream = Answers;

    async fn ingest_events(
        &self,
        request: Request<pb::IngestEventsRequest>,
    ) -> Result<Response<pb::IngestEventsResponse>, Status> {
        let accepted = u32::try_from(request.into_inner().events.len()).unwrap_or(u32::MAX);
        self.events.fetch_add(u64::from(accepted), Ordering::Relaxed);
        Ok(Response::new(pb::IngestEventsResponse { accepted, ..Default::default() }))
    }

    async fn stream_events(
        &self,
        _: Request<Streaming<pb::StreamEventsRequest>>,
    ) -> Result<Response<Answers>, Status> {
        not_here()
    }

    async fn create_source(
        &self,
        _: Request<pb::CreateSourceRequest>,
    ) -> Result<Response<pb::CreateSourceResponse>, Status> {
        not_here()
    }

    async fn get_source(
        &self,
        _: Request<pb::GetSourceRequest>,
    ) -> Result<Response<pb::GetSourceResponse>, Status> {
        not_here()
    }

    async fn list_sources(
        &self,
        _: Request<pb::ListSourcesRequest>,
    ) -> Result<Response<pb::ListSourcesResponse>, Status> {
        not_here()
    }

    async fn update_source(
        &self,
        _: Request<pb::UpdateSourceRequest>,
    ) -> Result<Response<pb::UpdateSourceResponse>, Status> {
        not_here()
    }

    async fn delete_source(
        &self,
        _: Request<pb::DeleteSourceRequest>,
    ) -> Result<Response<pb::DeleteSourceResponse>, Status> {
        not_here()
    }

    async fn list_failed_events(
        &self,
        _: Request<pb::ListFailedEventsRequest>,
    ) -> Result<Response<pb::ListFailedEventsResponse>, Status> {
        not_here()
    }

    async fn replay_failed_events(
        &self,
        _: Request<pb::ReplayFailedEventsRequest>,
    ) -> Result<Response<pb::ReplayFailedEventsResponse>, Status> {
        not_here()
    }
}

//! A receiver of OTLP over gRPC that keeps the spans it gets.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// A span as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty for a root.
    pub(crate) parent: String,
    pub(crate) name: String,
    /// The resource it is of, everything about it.
    pub(crate) resource: String,
    /// Texts among its attributes.
    attributes: Vec<(String, String)>,
    /// Everything about it.
    pub(crate) whole: String,
}

impl Seen {
    /// The attribute of that name; empty when there is none.
    pub(crate) fn attribute(&self, name: &str) -> &str {
        self.attributes.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<Seen>>>);

/// A running one.
#[derive(Debug)]
pub(crate) struct Collector {
    /// Its address.
    pub(crate) url: String,
    kept: Kept,
    _server: JoinSet<()>,
}

impl Collector {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (url, kept) = (format!("http://{}", listener.local_addr()?), Kept::default());
        let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(kept.clone()));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // It ends with the test; a failure shows as missing spans.
            let _ended = server.serve_with_incoming(TcpListenerStream::new(listener)).await.is_ok();
        });
        Ok(Self { url, kept, _server: tasks })
    }

    /// What has come so far.
    pub(crate) fn spans(&self) -> Vec<Seen> {
        self.kept.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[async_trait::async_trait]
impl TraceService for Kept {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for group in request.into_inner().resource_spans {
            let resource = format!("{:?}", group.resource);
            for span in group.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let whole = format!("{span:?}");
                let text = |attribute: &opentelemetry_proto::tonic::common::v1::KeyValue| match attribute
                    .value
                    .as_ref()?
                    .value
                    .as_ref()?
                {
                    Value::StringValue(text) => Some((attribute.key.clone(), text.clone())),
                    _ => None,
                };
                let attributes: Vec<_> = span.attributes.iter().filter_map(text).collect();
                // A call within is named by its method.
                let method =
                    attributes.iter().find(|(key, _)| key == "method").map(|(_, value)| value.clone());
                kept.push(Seen {
                    trace: hex(&span.trace_id),
                    id: hex(&span.span_id),
                    parent: hex(&span.parent_span_id),
                    name: method.unwrap_or(span.name),
                    resource: resource.clone(),
                    attributes,
                    whole,
                });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

//! Calls to a running platform.

use kernel::{Error, Result};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use wire::analytics::analytics_service_client::AnalyticsServiceClient;
use wire::ingest::ingest_service_client::IngestServiceClient;
use wire::journey::journey_service_client::JourneyServiceClient;
use wire::messaging::messaging_service_client::MessagingServiceClient;
use wire::profile::profile_service_client::ProfileServiceClient;
use wire::profile::tag_service_client::TagServiceClient;
use wire::segmentation::segmentation_service_client::SegmentationServiceClient;

/// Sends the token with every call.
#[derive(Clone, Debug)]
pub(crate) struct Token(MetadataValue<Ascii>);

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

type Service = InterceptedService<Channel, Token>;

/// One connection to all services. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    service: Service,
}

impl Clients {
    /// Connects to `server` (`http://host:port`).
    ///
    /// # Errors
    /// When the address is none, or nothing answers there.
    #[expect(clippy::disallowed_methods, reason = "a tool outside the process, with one server")]
    pub(crate) async fn connect(server: &str, token: &str) -> Result<Self> {
        let endpoint = Endpoint::from_shared(server.to_owned()).map_err(|cause| {
            Error::invalid("--server", format!("`{server}` is not an address")).caused_by(cause)
        })?;
        let channel = endpoint.connect().await.map_err(|cause| {
            let message =
                format!("nothing answers at {server}; start `guanxi dev`, or name the server with --server");
            Error::unavailable(message).caused_by(cause)
        })?;
        let value = format!("Bearer {token}")
            .parse()
            .map_err(|_| Error::invalid("--token", "has characters that a header cannot carry"))?;
        Ok(Self { service: InterceptedService::new(channel, Token(value)) })
    }
}

macro_rules! clients {
    ($($name:ident: $client:ident),* $(,)?) => {
        impl Clients {
            $(pub(crate) fn $name(&self) -> $client<Service> {
                $client::new(self.service.clone()).max_decoding_message_size(chassis::rpc::MAX_MESSAGE_BYTES)
            })*
        }
    };
}

clients! {
    ingest: IngestServiceClient,
    profile: ProfileServiceClient,
    tag: TagServiceClient,
    segmentation: SegmentationServiceClient,
    journey: JourneyServiceClient,
    messaging: MessagingServiceClient,
    analytics: AnalyticsServiceClient,
}

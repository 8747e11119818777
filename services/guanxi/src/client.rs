//! Calls to a running platform.

use chassis::rpc::{self, Channel};
use kernel::{Clock, Error, Kind, Result};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Status};
use wire::analytics::analytics_service_client::AnalyticsServiceClient;
use wire::ingest::ingest_service_client::IngestServiceClient;
use wire::journey::journey_service_client::JourneyServiceClient;
use wire::messaging::messaging_service_client::MessagingServiceClient;
use wire::profile::profile_service_client::ProfileServiceClient;
use wire::profile::tag_service_client::TagServiceClient;
use wire::segmentation::segmentation_service_client::SegmentationServiceClient;

use crate::cli::Server;

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
    /// Connects to a platform (`http://host:port` or `https://host:port`).
    ///
    /// # Errors
    /// When the address is none, certificates are no use, or nothing answers there.
    pub(crate) async fn connect(server: &Server) -> Result<Self> {
        let Server { server: address, token, authority, certificate, key } = server;
        let [certificate, key, authority] =
            [certificate, key, authority].map(|file| file.clone().unwrap_or_default());
        let tls = chassis::config::Tls { certificate, key, authority };
        let channel =
            rpc::outside(address, &tls, Clock::system()).await.map_err(|error| match error.kind {
                Kind::Unavailable => {
                    let message =
                        format!("{}; start `guanxi dev`, or name the server with --server", error.message);
                    Error::unavailable(message)
                }
                _ => error,
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

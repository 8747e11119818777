//! What the platform has counted and sent, and the endpoint outside to which `tests/golden/greeting.yaml` sends.

use anyhow::Result;
use bytes::Bytes;
use serde_json::json;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::{Body as HttpBody, StdError};
use wire::analytics::analytics_service_client::AnalyticsServiceClient;
use wire::analytics::{Measure, QueryTrendRequest};
use wire::messaging::messaging_service_client::MessagingServiceClient;
use wire::messaging::{Channel, ChannelKind, CreateChannelRequest, ListMessagesRequest, MessageState};

/// A way to a service.
pub(crate) trait Way:
    GrpcService<
        Body,
        Error: Into<StdError>,
        ResponseBody: HttpBody<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
    >
{
}

impl<T> Way for T where
    T: GrpcService<
            Body,
            Error: Into<StdError>,
            ResponseBody: HttpBody<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
        >
{
}

/// Events of this name; without one all that customers did.
pub(crate) async fn events(analytics: impl Way, name: &str) -> Result<usize> {
    let request = QueryTrendRequest {
        event: name.to_owned(),
        measure: Measure::Count.into(),
        from: Some(prost_types::Timestamp::default()),
        to: Some(prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 }),
        ..Default::default()
    };
    let series = AnalyticsServiceClient::new(analytics).query_trend(request).await?.into_inner().series;
    Ok(series.first().map_or(0, |series| series.total as usize))
}

/// States of all messages.
pub(crate) async fn messages(messaging: impl Way) -> Result<Vec<MessageState>> {
    let mut client = MessagingServiceClient::new(messaging);
    let (mut states, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListMessagesRequest { page_size: 1_000, page_token, ..Default::default() };
        let page = client.list_messages(request).await?.into_inner();
        states.extend(page.messages.iter().map(wire::messaging::Message::state));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(states);
        }
    }
}

/// Makes the channel `outside`, which posts there.
pub(crate) async fn channel(messaging: impl Way, url: &str) -> Result<()> {
    let settings = [("url".to_owned(), json!(url))].into_iter().collect();
    let channel = Channel {
        key: "outside".to_owned(),
        name: "外部".to_owned(),
        kind: ChannelKind::Webhook.into(),
        settings: Some(chassis::values::to_struct(settings)),
        ..Channel::default()
    };
    let request = CreateChannelRequest { channel: Some(channel) };
    MessagingServiceClient::new(messaging).create_channel(request).await?;
    Ok(())
}

//! Stand-ins for other services.

pub(crate) mod identity;
pub(crate) mod segmentation;

use std::sync::Weak;

/// Their settings.
#[derive(Debug, serde::Deserialize, serde::Serialize)]
pub(crate) struct Config {
    database: store::DatabaseConfig,
}

/// Their defaults.
pub(crate) const DEFAULTS: &str = "";

/// Every event on the log, in the order of their times: all that the stand-ins know.
pub(crate) async fn events(log: &Weak<dyn bus::Log>) -> Vec<wire::event::Event> {
    use prost::Message as _;
    // A strong one would keep the log open beyond the process under test.
    let log = log.upgrade().unwrap();
    let mut events = Vec::new();
    for partition in 0..log.partitions() {
        let entries = log.read(bus::Stream::Events, partition, 0, 1_000_000).await.unwrap();
        let event = |entry: &bus::Entry| wire::event::Event::decode(entry.record.payload.clone()).unwrap();
        events.extend(entries.iter().map(event));
    }
    // A merge comes behind the customers it joins, wherever they stand.
    events.sort_by_key(chassis::fact::time);
    events
}

/// Methods that no test calls, as `async_trait` would write them.
macro_rules! unused {
    ($($method:ident($request:ident) -> $response:ident;)*) => {$(
        fn $method<'life0, 'async_trait>(
            &'life0 self,
            _: tonic::Request<$request>,
        ) -> std::pin::Pin<
            Box<dyn Future<Output = Result<tonic::Response<$response>, tonic::Status>> + Send + 'async_trait>,
        >
        where
            'life0: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(async { Err(tonic::Status::unimplemented("not in the stand-in")) })
        }
    )*};
}

pub(crate) use unused;

//! Calls of clients to all services, while processes come and go: what became of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::join_all;
use prost_types::value::Kind;
use serde_json::json;
use tests::platform::eventually;
use tonic::{Request, Status};
use wire::analytics::analytics_service_client::AnalyticsServiceClient;
use wire::analytics::{Measure, QueryTrendRequest};
use wire::identity::identity_service_client::IdentityServiceClient;
use wire::identity::{GetCustomerRequest, get_customer_request};
use wire::journey::ListJourneysRequest;
use wire::journey::journey_service_client::JourneyServiceClient;
use wire::messaging::ListChannelsRequest;
use wire::messaging::messaging_service_client::MessagingServiceClient;
use wire::profile::profile_service_client::ProfileServiceClient;
use wire::profile::{GetProfileRequest, UpdateProfileRequest, get_profile_request, update_profile_request};
use wire::segmentation::ListSegmentsRequest;
use wire::segmentation::segmentation_service_client::SegmentationServiceClient;

use super::shop::{PATIENCE, Shop, user};
use super::twins::{Balanced, Twins};

/// All services, each of which is asked for something; ingest takes events.
pub(crate) const CALLED: [&str; 7] = tests::cluster::SERVICES;
/// What changes something besides: a profile, and events by the tracking API.
pub(crate) const CHANGING: [&str; 2] = ["update", "tracking"];
/// Clients of each.
const CLIENTS: u32 = 3;
/// Each calls so often.
const EVERY: Duration = Duration::from_millis(200);

/// The clients, and what became of their calls.
#[derive(Debug)]
pub(crate) struct Calls<'a> {
    shop: &'a Shop,
    kinds: Vec<&'static str>,
    ways: BTreeMap<&'static str, Balanced>,
    web: Vec<SocketAddr>,
    /// What each client has last written into its customer's profile.
    written: Mutex<BTreeMap<u32, u64>>,
    answered: AtomicUsize,
    failed: Mutex<Vec<(&'static str, Status)>>,
}

impl<'a> Calls<'a> {
    /// Returns when the clients' customers are known, so that calls about them can be answered.
    pub(crate) async fn open(twins: &Twins, shop: &'a Shop, kinds: &[&'static str]) -> Result<Self> {
        let mut ways = BTreeMap::new();
        for service in CALLED {
            ways.insert(service, twins.balanced(service).await?);
        }
        let calls = Self {
            shop,
            kinds: kinds.to_vec(),
            ways,
            web: twins.http("ingest"),
            written: Mutex::default(),
            answered: AtomicUsize::new(0),
            failed: Mutex::default(),
        };
        shop.deliver(calls.way("ingest")?, "product_viewed", "known", CLIENTS).await?;
        eventually("customers that are known", || async {
            let asked =
                (0..CLIENTS).flat_map(|n| ["identity", "profile"].map(|service| calls.call(service, n, 0)));
            let known = join_all(asked).await.into_iter().collect::<Result<Vec<_>, _>>();
            Ok(known.map_err(|status| status.to_string()))
        })
        .await?;
        Ok(calls)
    }

    /// For ever.
    pub(crate) async fn go_on(&self) {
        let clients = self.kinds.iter().flat_map(|kind| (0..CLIENTS).map(move |n| (*kind, n)));
        join_all(clients.map(|(kind, n)| self.client(kind, n))).await;
    }

    async fn client(&self, kind: &'static str, number: u32) {
        let mut ticks = tokio::time::interval(EVERY);
        for n in 1_u64.. {
            ticks.tick().await;
            match self.call(kind, number, n).await {
                Ok(()) => _ = self.answered.fetch_add(1, Ordering::Relaxed),
                Err(status) => lock(&self.failed).push((kind, status)),
            }
        }
    }

    async fn call(&self, kind: &'static str, number: u32, n: u64) -> Result<(), Status> {
        let service = match kind {
            "update" => "profile",
            "tracking" => "ingest",
            service => service,
        };
        let way = self.way(service).map_err(|error| Status::internal(error.to_string()))?.clone();
        let lot = format!("{kind}-{number}-{n}");
        match kind {
            "ingest" => self.shop.call(&way, "product_viewed", &lot, number + 1).await,
            "tracking" => self.shop.track(&self.web, "product_viewed", &lot, number + 1).await,
            "update" => {
                let steps = [("steps".to_owned(), json!(n))].into_iter().collect();
                let request = within(UpdateProfileRequest {
                    customer: Some(update_profile_request::Customer::Identifier(user(number))),
                    attributes: Some(chassis::values::to_struct(steps)),
                    idempotency_key: lot,
                    ..UpdateProfileRequest::default()
                });
                ProfileServiceClient::new(way).update_profile(request).await?;
                lock(&self.written).insert(number, n);
                Ok(())
            }
            "identity" => {
                let customer = Some(get_customer_request::Customer::Identifier(user(number)));
                let request = within(GetCustomerRequest { customer });
                IdentityServiceClient::new(way).get_customer(request).await.map(drop)
            }
            "profile" => {
                let customer = Some(get_profile_request::Customer::Identifier(user(number)));
                let request = within(GetProfileRequest { customer });
                ProfileServiceClient::new(way).get_profile(request).await.map(drop)
            }
            "segmentation" => {
                let request = within(ListSegmentsRequest::default());
                SegmentationServiceClient::new(way).list_segments(request).await.map(drop)
            }
            "analytics" => {
                let request = within(QueryTrendRequest {
                    event: "product_viewed".to_owned(),
                    measure: Measure::Count.into(),
                    from: Some(prost_types::Timestamp::default()),
                    to: Some(prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 }),
                    ..QueryTrendRequest::default()
                });
                AnalyticsServiceClient::new(way).query_trend(request).await.map(drop)
            }
            "journey" => {
                let request = within(ListJourneysRequest::default());
                JourneyServiceClient::new(way).list_journeys(request).await.map(drop)
            }
            _ => {
                let request = within(ListChannelsRequest::default());
                MessagingServiceClient::new(way).list_channels(request).await.map(drop)
            }
        }
    }

    fn way(&self, service: &'static str) -> Result<&Balanced> {
        self.ways.get(service).context("no such service")
    }

    /// What was written is there: the last of it, or what a client wrote after that and had no answer for any more.
    pub(crate) async fn what_was_written_is_there(&self) -> Result<()> {
        let written = lock(&self.written).clone();
        assert_eq!(written.len(), CLIENTS as usize, "{written:?}");
        for (number, last) in written {
            eventually("what was written", || async {
                let steps = self.steps(number).await?;
                let is_there = steps.is_some_and(|steps| [last, last + 1].contains(&steps));
                Ok(if is_there { Ok(()) } else { Err(format!("{last} became {steps:?}")) })
            })
            .await?;
        }
        Ok(())
    }

    async fn steps(&self, number: u32) -> Result<Option<u64>> {
        let customer = Some(get_profile_request::Customer::Identifier(user(number)));
        let mut client = ProfileServiceClient::new(self.way("profile")?.clone());
        let answer = client.get_profile(GetProfileRequest { customer }).await?.into_inner();
        let attributes = answer.profile.and_then(|profile| profile.attributes).context("no attributes")?;
        let steps = attributes.fields.get("steps").and_then(|value| value.kind.clone());
        Ok(steps
            .and_then(|steps| if let Kind::NumberValue(steps) = steps { Some(steps as u64) } else { None }))
    }

    /// How many were answered, and what became of the others.
    pub(crate) fn outcome(&self) -> (usize, Vec<(&'static str, Status)>) {
        let failed = lock(&self.failed).clone();
        (self.answered.load(Ordering::Relaxed), failed)
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn within<Q>(message: Q) -> Request<Q> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}

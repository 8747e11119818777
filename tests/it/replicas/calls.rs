//! Calls of clients to all services, while processes come and go: what became of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::join_all;
use tests::platform::eventually;
use tonic::{Request, Status};
use wire::identity::identity_service_client::IdentityServiceClient;
use wire::identity::{GetCustomerRequest, get_customer_request};
use wire::journey::ListJourneysRequest;
use wire::journey::journey_service_client::JourneyServiceClient;
use wire::messaging::ListChannelsRequest;
use wire::messaging::messaging_service_client::MessagingServiceClient;
use wire::profile::profile_service_client::ProfileServiceClient;
use wire::profile::{GetProfileRequest, get_profile_request};
use wire::segmentation::ListSegmentsRequest;
use wire::segmentation::segmentation_service_client::SegmentationServiceClient;

use super::shop::{PATIENCE, Shop, user};
use super::twins::{Balanced, Twins};

/// Services that run twice.
const CALLED: [&str; 6] = ["ingest", "identity", "profile", "segmentation", "journey", "messaging"];
/// Clients of each.
const CLIENTS: u32 = 3;
/// Each calls so often.
const EVERY: Duration = Duration::from_millis(200);

/// The clients, and what became of their calls.
#[derive(Debug)]
pub(crate) struct Calls<'a> {
    shop: &'a Shop,
    ways: BTreeMap<&'static str, Balanced>,
    answered: AtomicUsize,
    failed: Mutex<Vec<(&'static str, Status)>>,
}

impl<'a> Calls<'a> {
    /// Returns when the clients' customers are known, so that calls about them can be answered.
    pub(crate) async fn open(twins: &Twins, shop: &'a Shop) -> Result<Self> {
        let mut ways = BTreeMap::new();
        for service in CALLED {
            ways.insert(service, twins.balanced(service).await?);
        }
        let calls = Self { shop, ways, answered: AtomicUsize::new(0), failed: Mutex::default() };
        shop.deliver(calls.way("ingest")?, "product_viewed", "known", CLIENTS).await?;
        eventually("customers that are known", || async {
            let asked = (0..CLIENTS)
                .flat_map(|n| ["identity", "profile"].map(|service| calls.call(service, n, String::new())));
            let known = join_all(asked).await.into_iter().collect::<Result<Vec<_>, _>>();
            Ok(known.map_err(|status| status.to_string()))
        })
        .await?;
        Ok(calls)
    }

    /// For ever.
    pub(crate) async fn go_on(&self) {
        let clients = CALLED.into_iter().flat_map(|service| (0..CLIENTS).map(move |n| (service, n)));
        join_all(clients.map(|(service, n)| self.client(service, n))).await;
    }

    async fn client(&self, service: &'static str, number: u32) {
        let mut ticks = tokio::time::interval(EVERY);
        for n in 0_u64.. {
            ticks.tick().await;
            match self.call(service, number, format!("call-{number}-{n}")).await {
                Ok(()) => _ = self.answered.fetch_add(1, Ordering::Relaxed),
                Err(status) => {
                    self.failed.lock().unwrap_or_else(PoisonError::into_inner).push((service, status));
                }
            }
        }
    }

    async fn call(&self, service: &'static str, number: u32, lot: String) -> Result<(), Status> {
        let way = self.way(service).map_err(|error| Status::internal(error.to_string()))?.clone();
        match service {
            "ingest" => self.shop.call(&way, "product_viewed", &lot, number + 1).await,
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

    /// How many were answered, and what became of the others.
    pub(crate) fn outcome(&self) -> (usize, Vec<(&'static str, Status)>) {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (self.answered.load(Ordering::Relaxed), failed)
    }
}

fn within<Q>(message: Q) -> Request<Q> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}

//! Stand-ins for messaging, segmentation, profile, tags and identity: they keep what they are told and fail on order.

mod identity;
mod messaging;
mod profile;
mod segmentation;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use kernel::{Error, Result};
use store::DatabaseConfig;
use wire::messaging::SendMessageRequest;
use wire::profile::{AddTagsRequest, UpdateProfileRequest};

pub(crate) use identity::FakeIdentity;
pub(crate) use messaging::FakeMessaging;
pub(crate) use profile::FakeProfile;
pub(crate) use segmentation::FakeSegmentation;

/// What the stand-ins of one test know and have seen.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// Messages by idempotency key, in the order in which they were first sent.
    pub(crate) sent: Vec<SendMessageRequest>,
    /// Calls of `SendMessages`, failed ones included.
    pub(crate) send_calls: usize,
    /// So many more calls of each method fail as unavailable.
    pub(crate) failing: BTreeMap<&'static str, usize>,
    /// Templates that are not there.
    pub(crate) unknown: BTreeSet<String>,
    pub(crate) updates: Vec<UpdateProfileRequest>,
    pub(crate) tag_calls: Vec<AddTagsRequest>,
    pub(crate) evaluations: usize,
    pub(crate) attributes: BTreeMap<String, serde_json::Map<String, serde_json::Value>>,
    pub(crate) tags: BTreeMap<String, BTreeSet<String>>,
    pub(crate) segments: BTreeMap<String, BTreeSet<String>>,
    /// Records by customer, for identity.
    pub(crate) records: BTreeMap<String, String>,
}

impl World {
    /// Fails if that was ordered.
    pub(crate) fn pass(&mut self, method: &'static str) -> Result<()> {
        match self.failing.get_mut(method) {
            Some(left) if *left > 0 => {
                *left -= 1;
                Err(Error::unavailable("ordered to fail"))
            }
            _ => Ok(()),
        }
    }
}

/// Worlds by number: a service is started by its type alone, so its settings say which world is its own.
static WORLDS: Mutex<BTreeMap<u64, Arc<Mutex<World>>>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A new world and its number.
pub(crate) fn world() -> (u64, Arc<Mutex<World>>) {
    let (number, world) = (NEXT.fetch_add(1, Ordering::Relaxed), Arc::default());
    WORLDS.lock().unwrap().insert(number, Arc::clone(&world));
    (number, world)
}

/// Settings of a stand-in.
#[derive(serde::Deserialize, serde::Serialize)]
pub(crate) struct Settings {
    world: u64,
    database: DatabaseConfig,
}

pub(crate) const DEFAULTS: &str = "world = 0\n";

/// The world of a stand-in. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self(WORLDS.lock().unwrap()[&settings.world].clone())
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }
}

/// A stand-in: `$fake` is a service called `$name`, serving `$server` with the methods that are given; the others
/// answer that they are not implemented.
macro_rules! fake {
    ($fake:ident, $name:literal, [$($server:path),*]) => {
        pub(crate) struct $fake;

        impl chassis::Service for $fake {
            const NAME: &'static str = $name;
            const DEFAULTS: &'static str = crate::fakes::DEFAULTS;
            type Config = crate::fakes::Settings;

            fn migrations() -> Vec<Box<dyn sea_orm_migration::MigrationTrait>> {
                Vec::new()
            }

            async fn start(config: Self::Config, _: chassis::Context) -> kernel::Result<chassis::Parts> {
                let shared = crate::fakes::Shared::of(&config);
                Ok(chassis::Parts::default().grpc(move |routes| {
                    $(routes.add_service(<$server>::new(shared.clone()));)*
                }))
            }
        }
    };
}

macro_rules! methods {
    ($service:path, $package:ident: $($method:ident($request:ident) -> $response:ident $(= $handler:ident)?;)*) => {
        #[tonic::async_trait]
        impl $service for crate::fakes::Shared {
            $(async fn $method(
                &self,
                request: tonic::Request<wire::$package::$request>,
            ) -> Result<tonic::Response<wire::$package::$response>, tonic::Status> {
                crate::fakes::methods!(@answer self, request $(, $handler)?)
            })*
        }
    };
    (@answer $self:ident, $request:ident, $handler:ident) => {
        chassis::rpc::answer($request, |_, message| async move { $handler(&mut $self.lock(), message) }).await
    };
    (@answer $self:ident, $request:ident) => {{
        drop($request);
        Err(tonic::Status::unimplemented("not needed here"))
    }};
}

pub(crate) use {fake, methods};

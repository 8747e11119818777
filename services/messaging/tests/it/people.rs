//! Stand-ins for identity and profile: they answer from `people.json` in the data directory, read at every call.

use std::path::PathBuf;

use chassis::{Context, Parts, Service, rpc, values};
use kernel::{Error, Result};
use sea_orm_migration::MigrationTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tonic::{Request, Response, Status};
use wire::event::Identifier;
use wire::identity::identity_service_server::{IdentityService, IdentityServiceServer};
use wire::identity::{self as id, get_customer_request};
use wire::profile::profile_service_server::{ProfileService, ProfileServiceServer};
use wire::profile::{self as pf};

/// One customer of the file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Somebody {
    pub(crate) customer_id: String,
    pub(crate) record_id: String,
    /// Namespace and value.
    pub(crate) identifiers: Vec<(String, String)>,
    pub(crate) attributes: Map<String, Value>,
    pub(crate) aliases: Vec<String>,
    /// Records that came with the aliases.
    pub(crate) records: Vec<String>,
    /// Profile has not heard of them yet.
    pub(crate) new: bool,
}

impl Somebody {
    fn identifiers(&self) -> Vec<Identifier> {
        let one = |(namespace, value): &(String, String)| Identifier {
            namespace: namespace.clone(),
            value: value.clone(),
        };
        self.identifiers.iter().map(one).collect()
    }

    fn customer(&self) -> id::Customer {
        let record =
            |record_id: &String| id::Record { record_id: record_id.clone(), ..id::Record::default() };
        id::Customer {
            customer_id: self.customer_id.clone(),
            identifiers: self.identifiers(),
            records: [&self.record_id].into_iter().chain(&self.records).map(record).collect(),
            aliases: self.aliases.clone(),
            created_at: None,
        }
    }

    fn is(&self, id: &str) -> bool {
        self.customer_id == id || self.aliases.iter().any(|alias| alias == id)
    }
}

#[derive(Clone, Debug)]
struct Book(PathBuf);

impl Book {
    fn open(cx: &Context) -> Self {
        Self(cx.folder.parent().unwrap().join("people.json"))
    }

    fn read(&self) -> Vec<Somebody> {
        std::fs::read(&self.0).map(|bytes| serde_json::from_slice(&bytes).unwrap()).unwrap_or_default()
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NoConfig {
    database: store::DatabaseConfig,
}

const DEFAULTS: &str = "";

/// Identity.
#[derive(Debug)]
pub(crate) struct FakeIdentity;

impl Service for FakeIdentity {
    const NAME: &'static str = "identity";
    const DEFAULTS: &'static str = DEFAULTS;
    type Config = NoConfig;

    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        Vec::new()
    }

    async fn start(_: NoConfig, cx: Context) -> Result<Parts> {
        let server = IdentityServiceServer::new(Book::open(&cx));
        Ok(Parts::default().grpc(|routes| {
            routes.add_service(server);
        }))
    }
}

/// Profile.
#[derive(Debug)]
pub(crate) struct FakeProfile;

impl Service for FakeProfile {
    const NAME: &'static str = "profile";
    const DEFAULTS: &'static str = DEFAULTS;
    type Config = NoConfig;

    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        Vec::new()
    }

    async fn start(_: NoConfig, cx: Context) -> Result<Parts> {
        let server = ProfileServiceServer::new(Book::open(&cx));
        Ok(Parts::default().grpc(|routes| {
            routes.add_service(server);
        }))
    }
}

type Answer<T> = Result<Response<T>, Status>;

fn missing<T>() -> Answer<T> {
    Err(Status::unimplemented("not needed here"))
}

#[tonic::async_trait]
impl IdentityService for Book {
    async fn get_customer(
        &self,
        request: Request<id::GetCustomerRequest>,
    ) -> Answer<id::GetCustomerResponse> {
        rpc::answer(request, |_, request| async move {
            let matches = |one: &Somebody| match &request.customer {
                Some(get_customer_request::Customer::CustomerId(id)) => one.is(id),
                Some(get_customer_request::Customer::Identifier(identifier)) => {
                    one.identifiers.contains(&(identifier.namespace.clone(), identifier.value.clone()))
                }
                None => false,
            };
            let found =
                self.read().into_iter().find(matches).ok_or_else(|| Error::not_found("customer", "?"))?;
            Ok(id::GetCustomerResponse { customer: Some(found.customer()) })
        })
        .await
    }

    async fn batch_get_customers(
        &self,
        request: Request<id::BatchGetCustomersRequest>,
    ) -> Answer<id::BatchGetCustomersResponse> {
        rpc::answer(request, |_, request| async move {
            let wanted = |one: &&Somebody| request.customer_ids.iter().any(|id| one.is(id));
            let customers = self.read().iter().filter(wanted).map(Somebody::customer).collect();
            Ok(id::BatchGetCustomersResponse { customers })
        })
        .await
    }

    async fn resolve_identity(
        &self,
        _: Request<id::ResolveIdentityRequest>,
    ) -> Answer<id::ResolveIdentityResponse> {
        missing()
    }

    async fn resolve_identities(
        &self,
        _: Request<id::ResolveIdentitiesRequest>,
    ) -> Answer<id::ResolveIdentitiesResponse> {
        missing()
    }

    async fn merge_customers(
        &self,
        _: Request<id::MergeCustomersRequest>,
    ) -> Answer<id::MergeCustomersResponse> {
        missing()
    }

    async fn list_merges(&self, _: Request<id::ListMergesRequest>) -> Answer<id::ListMergesResponse> {
        missing()
    }

    async fn undo_merge(&self, _: Request<id::UndoMergeRequest>) -> Answer<id::UndoMergeResponse> {
        missing()
    }

    async fn explain_identity(
        &self,
        _: Request<id::ExplainIdentityRequest>,
    ) -> Answer<id::ExplainIdentityResponse> {
        missing()
    }

    async fn list_conflicts(
        &self,
        _: Request<id::ListConflictsRequest>,
    ) -> Answer<id::ListConflictsResponse> {
        missing()
    }
}

#[tonic::async_trait]
impl ProfileService for Book {
    async fn batch_get_profiles(
        &self,
        request: Request<pf::BatchGetProfilesRequest>,
    ) -> Answer<pf::BatchGetProfilesResponse> {
        rpc::answer(request, |_, request| async move {
            let wanted = |one: &Somebody| !one.new && request.customer_ids.contains(&one.customer_id);
            let profile = |one: Somebody| pf::Profile {
                customer_id: one.customer_id.clone(),
                identifiers: one.identifiers(),
                attributes: Some(values::to_struct(one.attributes)),
                ..pf::Profile::default()
            };
            let profiles = self.read().into_iter().filter(wanted).map(profile).collect();
            Ok(pf::BatchGetProfilesResponse { profiles })
        })
        .await
    }

    async fn get_profile(&self, _: Request<pf::GetProfileRequest>) -> Answer<pf::GetProfileResponse> {
        missing()
    }

    async fn list_profiles(&self, _: Request<pf::ListProfilesRequest>) -> Answer<pf::ListProfilesResponse> {
        missing()
    }

    async fn update_profile(
        &self,
        _: Request<pf::UpdateProfileRequest>,
    ) -> Answer<pf::UpdateProfileResponse> {
        missing()
    }

    async fn list_timeline(&self, _: Request<pf::ListTimelineRequest>) -> Answer<pf::ListTimelineResponse> {
        missing()
    }
}

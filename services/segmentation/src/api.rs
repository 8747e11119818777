//! The gRPC interface.

mod convert;
mod inquiry;
mod members;
mod queries;
mod save;
mod segments;
mod tier_sets;

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use chassis::rpc;
use kernel::{Error, Result, Workspace};
use store::{Applied, Gathered, Reader};
use tonic::{Request, Response, Status};
use uuid::Uuid;
use wire::segmentation::segmentation_service_server::SegmentationService;
use wire::segmentation::*;

use self::queries::Recent;
use crate::domain::person::Customer;
use crate::engine::Engine;
use crate::store::{definitions, people};

/// Answers calls.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    /// The jobs hold it. Were it held here, a process that stopped would keep it, and its log, for ever: the way to
    /// other services leads back to these routes.
    engine: Weak<Engine>,
    applied: Applied,
    recent: Recent,
    customers: Gathered<Uuid, Found>,
}

/// Customers that were asked for.
#[derive(Debug)]
struct Found {
    /// By the ids they were asked for, with their present ones.
    customers: HashMap<Uuid, (Uuid, Customer)>,
    /// Of the definitions of their workspace.
    version: i64,
}

impl Api {
    pub(crate) fn new(engine: &Arc<Engine>, applied: Applied) -> Self {
        let read = |reader: Reader, workspace: Workspace, ids: Vec<Uuid>| async move {
            let (customers, version) = futures::try_join!(
                people::resolve(&reader, &workspace, &ids),
                definitions::version(&reader, &workspace),
            )?;
            Ok(Found { customers, version })
        };
        Self {
            engine: Arc::downgrade(engine),
            applied,
            recent: Recent::default(),
            customers: Gathered::new(engine.cx.db.read(), read),
        }
    }

    fn engine(&self) -> Result<Arc<Engine>> {
        self.engine.upgrade().ok_or_else(|| Error::unavailable("the service is stopping"))
    }
}

#[tonic::async_trait]
impl SegmentationService for Api {
    async fn create_segment(
        &self,
        request: Request<CreateSegmentRequest>,
    ) -> Result<Response<CreateSegmentResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_create_segment(caller, message)).await
    }
    async fn get_segment(
        &self,
        request: Request<GetSegmentRequest>,
    ) -> Result<Response<GetSegmentResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_get_segment(caller, message)).await
    }
    async fn list_segments(
        &self,
        request: Request<ListSegmentsRequest>,
    ) -> Result<Response<ListSegmentsResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_list_segments(caller, message)).await
    }
    async fn update_segment(
        &self,
        request: Request<UpdateSegmentRequest>,
    ) -> Result<Response<UpdateSegmentResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_update_segment(caller, message)).await
    }
    async fn delete_segment(
        &self,
        request: Request<DeleteSegmentRequest>,
    ) -> Result<Response<DeleteSegmentResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_delete_segment(caller, message)).await
    }
    async fn estimate_segment(
        &self,
        request: Request<EstimateSegmentRequest>,
    ) -> Result<Response<EstimateSegmentResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_estimate_segment(caller, message)).await
    }
    async fn list_members(
        &self,
        request: Request<ListMembersRequest>,
    ) -> Result<Response<ListMembersResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_list_members(caller, message)).await
    }
    async fn list_memberships(
        &self,
        request: Request<ListMembershipsRequest>,
    ) -> Result<Response<ListMembershipsResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_list_memberships(caller, message)).await
    }
    async fn evaluate_conditions(
        &self,
        request: Request<EvaluateConditionsRequest>,
    ) -> Result<Response<EvaluateConditionsResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_evaluate_conditions(caller, message)).await
    }
    async fn query_customers(
        &self,
        request: Request<QueryCustomersRequest>,
    ) -> Result<Response<QueryCustomersResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_query_customers(caller, message)).await
    }
    async fn create_tier_set(
        &self,
        request: Request<CreateTierSetRequest>,
    ) -> Result<Response<CreateTierSetResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_create_tier_set(caller, message)).await
    }
    async fn get_tier_set(
        &self,
        request: Request<GetTierSetRequest>,
    ) -> Result<Response<GetTierSetResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_get_tier_set(caller, message)).await
    }
    async fn list_tier_sets(
        &self,
        request: Request<ListTierSetsRequest>,
    ) -> Result<Response<ListTierSetsResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_list_tier_sets(caller, message)).await
    }
    async fn update_tier_set(
        &self,
        request: Request<UpdateTierSetRequest>,
    ) -> Result<Response<UpdateTierSetResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_update_tier_set(caller, message)).await
    }
    async fn delete_tier_set(
        &self,
        request: Request<DeleteTierSetRequest>,
    ) -> Result<Response<DeleteTierSetResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_delete_tier_set(caller, message)).await
    }
    async fn get_tier_distribution(
        &self,
        request: Request<GetTierDistributionRequest>,
    ) -> Result<Response<GetTierDistributionResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_get_tier_distribution(caller, message)).await
    }
}

//! The gRPC interface, one file per call.

mod convert;
mod explain_identity;
mod find;
mod get_customer;
mod list_conflicts;
mod list_merges;
mod merge_customers;
mod resolve_identity;
mod undo_merge;

use std::sync::Arc;

use chassis::rpc;
use kernel::Workspace;
use store::{Gathered, Reader};
use tonic::{Request, Response, Status};
use wire::identity::identity_service_server::IdentityService;
use wire::identity::{
    BatchGetCustomersRequest, BatchGetCustomersResponse, ExplainIdentityRequest, ExplainIdentityResponse,
    GetCustomerRequest, GetCustomerResponse, ListConflictsRequest, ListConflictsResponse, ListMergesRequest,
    ListMergesResponse, MergeCustomersRequest, MergeCustomersResponse, ResolveIdentitiesRequest,
    ResolveIdentitiesResponse, ResolveIdentityRequest, ResolveIdentityResponse, UndoMergeRequest,
    UndoMergeResponse,
};

use crate::engine::Engine;
use crate::store::load::{self, Customers, One};

/// Answers calls.
#[derive(Debug)]
pub(crate) struct Api {
    engine: Arc<Engine>,
    gathered: Gathered<One, Customers>,
}

impl Api {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        let read = |reader: Reader, workspace: Workspace, asked: Vec<One>| async move {
            load::customers(&reader, &workspace, &asked).await
        };
        Self { gathered: Gathered::new(engine.db.read(), read), engine }
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl IdentityService for Api {
    async fn resolve_identity(
        &self,
        request: Request<ResolveIdentityRequest>,
    ) -> Answer<ResolveIdentityResponse> {
        rpc::answer(request, |caller, message| self.do_resolve_identity(caller, message)).await
    }

    async fn resolve_identities(
        &self,
        request: Request<ResolveIdentitiesRequest>,
    ) -> Answer<ResolveIdentitiesResponse> {
        rpc::answer(request, |caller, message| self.do_resolve_identities(caller, message)).await
    }

    async fn get_customer(&self, request: Request<GetCustomerRequest>) -> Answer<GetCustomerResponse> {
        rpc::answer(request, |caller, message| self.do_get_customer(caller, message)).await
    }

    async fn batch_get_customers(
        &self,
        request: Request<BatchGetCustomersRequest>,
    ) -> Answer<BatchGetCustomersResponse> {
        rpc::answer(request, |caller, message| self.do_batch_get_customers(caller, message)).await
    }

    async fn merge_customers(
        &self,
        request: Request<MergeCustomersRequest>,
    ) -> Answer<MergeCustomersResponse> {
        rpc::answer(request, |caller, message| self.do_merge_customers(caller, message)).await
    }

    async fn list_merges(&self, request: Request<ListMergesRequest>) -> Answer<ListMergesResponse> {
        rpc::answer(request, |caller, message| self.do_list_merges(caller, message)).await
    }

    async fn undo_merge(&self, request: Request<UndoMergeRequest>) -> Answer<UndoMergeResponse> {
        rpc::answer(request, |caller, message| self.do_undo_merge(caller, message)).await
    }

    async fn explain_identity(
        &self,
        request: Request<ExplainIdentityRequest>,
    ) -> Answer<ExplainIdentityResponse> {
        rpc::answer(request, |caller, message| self.do_explain_identity(caller, message)).await
    }

    async fn list_conflicts(&self, request: Request<ListConflictsRequest>) -> Answer<ListConflictsResponse> {
        rpc::answer(request, |caller, message| self.do_list_conflicts(caller, message)).await
    }
}

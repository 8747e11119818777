//! A segmentation service that keeps what it is told, refuses conditions with `wrong` in them, puts everybody into
//! `everybody`, and answers every query with all customers whose record holds `order_completed`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, Weak};

use bus::Log;
use chassis::{Context, Parts, Service, rpc};
use kernel::{Error, Result};
use tonic::{Request, Response, Status};
use wire::segmentation::segmentation_service_server::{SegmentationService, SegmentationServiceServer};
use wire::segmentation::*;

/// The stand-in.
pub(crate) struct FakeSegmentation;

impl Service for FakeSegmentation {
    const NAME: &'static str = "segmentation";
    const DEFAULTS: &'static str = super::DEFAULTS;
    type Config = super::Config;

    fn migrations() -> Vec<Box<dyn sea_orm_migration::MigrationTrait>> {
        Vec::new()
    }

    async fn start(_: super::Config, cx: Context) -> Result<Parts> {
        let api =
            SegmentationServiceServer::new(Api { log: Arc::downgrade(&cx.log), segments: Mutex::default() });
        Ok(Parts::default().grpc(|routes| {
            routes.add_service(api);
        }))
    }
}

struct Api {
    log: Weak<dyn Log>,
    segments: Mutex<BTreeMap<String, Segment>>,
}

fn check(segment: &Segment) -> Result<()> {
    if segment.condition.contains("wrong") {
        return Err(Error::invalid("segment.condition", "line 1, column 3: no such thing"));
    }
    Ok(())
}

#[tonic::async_trait]
impl SegmentationService for Api {
    async fn create_segment(
        &self,
        request: Request<CreateSegmentRequest>,
    ) -> Result<Response<CreateSegmentResponse>, Status> {
        rpc::answer(request, |_, message: CreateSegmentRequest| async move {
            let segment = message.segment.unwrap();
            check(&segment)?;
            if self.segments.lock().unwrap().contains_key(&segment.key) {
                return Err(Error::already_exists("segment", &segment.key));
            }
            self.segments.lock().unwrap().insert(segment.key.clone(), segment.clone());
            Ok(CreateSegmentResponse { segment: Some(segment) })
        })
        .await
    }

    async fn get_segment(
        &self,
        request: Request<GetSegmentRequest>,
    ) -> Result<Response<GetSegmentResponse>, Status> {
        let found = self.segments.lock().unwrap().get(&request.get_ref().key).cloned();
        Ok(Response::new(GetSegmentResponse { segment: found }))
    }

    async fn update_segment(
        &self,
        request: Request<UpdateSegmentRequest>,
    ) -> Result<Response<UpdateSegmentResponse>, Status> {
        rpc::answer(request, |_, message: UpdateSegmentRequest| async move {
            let segment = message.segment.unwrap();
            check(&segment)?;
            self.segments.lock().unwrap().insert(segment.key.clone(), segment.clone());
            Ok(UpdateSegmentResponse { segment: Some(segment) })
        })
        .await
    }

    async fn delete_segment(
        &self,
        request: Request<DeleteSegmentRequest>,
    ) -> Result<Response<DeleteSegmentResponse>, Status> {
        rpc::answer(request, |_, message: DeleteSegmentRequest| async move {
            let removed = self.segments.lock().unwrap().remove(&message.key);
            removed.ok_or_else(|| Error::not_found("segment", &message.key))?;
            Ok(DeleteSegmentResponse {})
        })
        .await
    }

    async fn list_memberships(
        &self,
        _: Request<ListMembershipsRequest>,
    ) -> Result<Response<ListMembershipsResponse>, Status> {
        let membership = Membership { key: "everybody".to_owned(), since: None };
        Ok(Response::new(ListMembershipsResponse { memberships: vec![membership] }))
    }

    async fn query_customers(
        &self,
        request: Request<QueryCustomersRequest>,
    ) -> Result<Response<QueryCustomersResponse>, Status> {
        let events = super::events(&self.log).await;
        let bought = events.iter().filter(|event| event.name == "order_completed");
        let all: BTreeSet<String> = bought.map(|event| event.customer_id.clone()).collect();
        let size = usize::try_from(request.get_ref().page_size).unwrap();
        let rest = all.iter().filter(|id| **id > request.get_ref().page_token);
        let customer_ids: Vec<String> = rest.take(size).cloned().collect();
        let last = customer_ids.last().cloned().unwrap_or_default();
        let next_page_token = if all.last() == Some(&last) { String::new() } else { last };
        let total = i64::try_from(all.len()).unwrap();
        Ok(Response::new(QueryCustomersResponse { customer_ids, total, next_page_token }))
    }

    crate::fakes::unused! {
        list_segments(ListSegmentsRequest) -> ListSegmentsResponse;
        estimate_segment(EstimateSegmentRequest) -> EstimateSegmentResponse;
        list_members(ListMembersRequest) -> ListMembersResponse;
        evaluate_conditions(EvaluateConditionsRequest) -> EvaluateConditionsResponse;
        create_tier_set(CreateTierSetRequest) -> CreateTierSetResponse;
        get_tier_set(GetTierSetRequest) -> GetTierSetResponse;
        list_tier_sets(ListTierSetsRequest) -> ListTierSetsResponse;
        update_tier_set(UpdateTierSetRequest) -> UpdateTierSetResponse;
        delete_tier_set(DeleteTierSetRequest) -> DeleteTierSetResponse;
        get_tier_distribution(GetTierDistributionRequest) -> GetTierDistributionResponse;
    }
}

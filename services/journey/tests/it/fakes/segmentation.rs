//! Segmentation: evaluates conditions over the attributes, tags and segments of the world.

use kernel::{Result, Time};
use rules::{Condition, Customer, Facts, Schema};
use wire::segmentation::evaluate_conditions_response::Row;
use wire::segmentation::segmentation_service_server::{SegmentationService, SegmentationServiceServer};
use wire::segmentation::*;

use crate::fakes::{World, fake, methods};

fake!(FakeSegmentation, "segmentation", [SegmentationServiceServer::<crate::fakes::Shared>]);

methods! {
    SegmentationService, segmentation:
    create_segment(CreateSegmentRequest) -> CreateSegmentResponse;
    get_segment(GetSegmentRequest) -> GetSegmentResponse = get_segment;
    list_segments(ListSegmentsRequest) -> ListSegmentsResponse;
    update_segment(UpdateSegmentRequest) -> UpdateSegmentResponse;
    delete_segment(DeleteSegmentRequest) -> DeleteSegmentResponse;
    estimate_segment(EstimateSegmentRequest) -> EstimateSegmentResponse;
    list_members(ListMembersRequest) -> ListMembersResponse;
    list_memberships(ListMembershipsRequest) -> ListMembershipsResponse;
    evaluate_conditions(EvaluateConditionsRequest) -> EvaluateConditionsResponse = evaluate;
    query_customers(QueryCustomersRequest) -> QueryCustomersResponse;
    create_tier_set(CreateTierSetRequest) -> CreateTierSetResponse;
    get_tier_set(GetTierSetRequest) -> GetTierSetResponse;
    list_tier_sets(ListTierSetsRequest) -> ListTierSetsResponse;
    update_tier_set(UpdateTierSetRequest) -> UpdateTierSetResponse;
    delete_tier_set(DeleteTierSetRequest) -> DeleteTierSetResponse;
    get_tier_distribution(GetTierDistributionRequest) -> GetTierDistributionResponse;
}

fn get_segment(world: &mut World, asked: GetSegmentRequest) -> Result<GetSegmentResponse> {
    if world.unknown.contains(&asked.key) {
        return Err(kernel::Error::not_found("segment", asked.key));
    }
    Ok(GetSegmentResponse::default())
}

fn evaluate(world: &mut World, asked: EvaluateConditionsRequest) -> Result<EvaluateConditionsResponse> {
    assert!(asked.fresh && asked.customer_ids.len() <= 1_000);
    world.evaluations += 1;
    world.pass("evaluate_conditions")?;
    let read =
        |text: &String| Condition::customer(text, &Schema::open()).map_err(|wrong| wrong.at("conditions"));
    let conditions: Vec<Condition> = asked.conditions.iter().map(read).collect::<Result<_>>()?;
    let row = |id: String| {
        let facts = Facts {
            attributes: world.attributes.get(&id).cloned().unwrap_or_default(),
            tags: world.tags.get(&id).cloned().unwrap_or_default(),
            ..Facts::default()
        };
        let segments = |key: &str| world.segments.get(&id).is_some_and(|keys| keys.contains(key));
        let customer = Customer { facts: &facts, history: &[], segments: &segments };
        let zone = jiff::tz::TimeZone::UTC;
        let holds = conditions.iter().map(|c| c.holds(&customer, Time(0), &zone)).collect();
        Row { customer_id: id.clone(), holds }
    };
    Ok(EvaluateConditionsResponse { rows: asked.customer_ids.into_iter().map(row).collect() })
}

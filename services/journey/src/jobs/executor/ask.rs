//! Asks whether conditions hold, for many runs in few calls.

use std::collections::{BTreeMap, BTreeSet};

use chassis::{Caller, rpc};
use kernel::{Result, Time, Workspace};
use uuid::Uuid;
use wire::segmentation::EvaluateConditionsRequest;
use wire::segmentation::segmentation_service_client::SegmentationServiceClient;

use crate::Shared;
use crate::domain::{Input, Stage};
use crate::jobs::executor::{Fate, Truths, Work};

/// Customers in one call.
const MAX_CUSTOMERS: usize = 1_000;

/// Adds the answers to `truths`; runs whose question cannot be answered now are tried again later, those whose
/// question is refused for good end.
pub(crate) async fn ask(
    shared: &Shared,
    batch: &mut [Work],
    asks: Vec<(usize, Vec<String>)>,
    truths: &mut Truths,
    now: Time,
) {
    let mut groups: BTreeMap<(Workspace, Vec<String>), Vec<usize>> = BTreeMap::new();
    for (n, mut conditions) in asks {
        conditions.sort();
        conditions.dedup();
        if let Some(work) = batch.get(n) {
            groups.entry((work.workspace.clone(), conditions)).or_default().push(n);
        }
    }
    for ((workspace, conditions), works) in groups {
        let customers: BTreeSet<Uuid> =
            works.iter().filter_map(|n| Some(batch.get(*n)?.row.customer_id)).collect();
        if let Err(error) = evaluate(shared, &workspace, &conditions, &customers, truths).await {
            tracing::warn!(reason = error.reason, error = %kernel::chain(&error), "conditions of journeys could not be evaluated");
            for n in works {
                if let Some(work) = batch.get_mut(n) {
                    fail(shared, work, error.kind.retryable() || error.kind.is_fault(), now);
                }
            }
        }
    }
}

fn fail(shared: &Shared, work: &mut Work, later: bool, now: Time) {
    if later {
        work.fate = Fate::Retried;
    } else if work.state.stage == Stage::Entering {
        work.fate = Fate::Refused;
    } else {
        work.step(shared, Input::Stop { reason: "error".to_owned() }, &Truths::new(), now);
    }
}

async fn evaluate(
    shared: &Shared,
    workspace: &Workspace,
    conditions: &[String],
    customers: &BTreeSet<Uuid>,
    truths: &mut Truths,
) -> Result<()> {
    let caller = Caller::system(workspace.clone(), "journey");
    let customers: Vec<Uuid> = customers.iter().copied().collect();
    for chunk in customers.chunks(MAX_CUSTOMERS) {
        let mut client = SegmentationServiceClient::new(shared.cx.rpc.to("segmentation"))
            .max_decoding_message_size(rpc::MAX_MESSAGE_BYTES);
        let request = EvaluateConditionsRequest {
            customer_ids: chunk.iter().map(Uuid::to_string).collect(),
            conditions: conditions.to_vec(),
            fresh: true,
        };
        let answer = rpc::call(client.evaluate_conditions(rpc::request(&caller, request))).await?;
        // Nothing holds for a customer that nobody knows.
        for customer in chunk {
            truths.extend(conditions.iter().map(|condition| ((*customer, condition.clone()), false)));
        }
        for row in answer.rows {
            let Ok(customer) = row.customer_id.parse::<Uuid>() else { continue };
            let held = conditions.iter().zip(row.holds);
            truths.extend(held.map(|(condition, holds)| ((customer, condition.clone()), holds)));
        }
    }
    Ok(())
}

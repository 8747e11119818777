//! Reads the dates of the customers that are there already when a journey is published.

use std::collections::{BTreeSet, HashMap};

use chassis::{Caller, rpc};
use kernel::{Kind, Result, Workspace};
use uuid::Uuid;
use wire::identity::BatchGetCustomersRequest;
use wire::identity::identity_service_client::IdentityServiceClient;
use wire::profile::profile_service_client::ProfileServiceClient;
use wire::profile::{ListProfilesRequest, ListProfilesResponse, Profile};

use crate::Shared;
use crate::domain::entry::Trigger;
use crate::jobs::dates::plan;
use crate::store::{dates, journeys};

/// Profiles in one page.
const PAGE: i32 = 500;

/// One page of one journey; says whether there was one to read.
pub(super) async fn page(shared: &Shared) -> Result<bool> {
    let Some(row) = journeys::to_backfill(shared.cx.db.read()).await? else { return Ok(false) };
    let workspace = Workspace::new(row.workspace.as_str());
    let index = shared.registry.index(shared.cx.db.read(), &workspace).await?;
    let attribute = index.journey(&row.key).and_then(|known| known.current()).and_then(|definition| {
        match &definition.entry.trigger {
            Trigger::Date(date) => Some(date.attribute.clone()),
            _ => None,
        }
    });
    let token = row.backfill.clone().unwrap_or_default();
    let (statements, next) = match attribute {
        Some(attribute) => match read(shared, &workspace, &attribute, token.clone()).await {
            // The same again will not do, and others wait.
            Err(error) if error.kind == Kind::Invalid => {
                tracing::error!(%workspace, journey = row.key, %error, "the dates of the other customers are not read");
                (Vec::new(), String::new())
            }
            other => other?,
        },
        None => (Vec::new(), String::new()),
    };
    let unit = shared.cx.db.begin().await?;
    let customers: BTreeSet<Uuid> = statements.iter().map(|s| s.customer_id).collect();
    dates::state(unit.db(), &workspace, statements).await?;
    plan(shared, unit.db(), &workspace, &index, &customers).await?;
    // Published again in the meantime: begins anew by itself.
    if let Ok(current) = journeys::find(unit.db(), &workspace, &row.key).await
        && current.version == row.version
        && current.backfill.as_ref() == Some(&token)
    {
        let backfill = Some(next).filter(|next| !next.is_empty());
        journeys::update(unit.db(), journeys::Journey { backfill, ..current }).await?;
    }
    unit.commit().await?;
    Ok(true)
}

/// What one page of profiles says, and the token of the next. A statement is kept with the first record of its
/// customer, and any statement on the log beats it.
async fn read(
    shared: &Shared,
    workspace: &Workspace,
    attribute: &str,
    page_token: String,
) -> Result<(Vec<dates::Statement>, String)> {
    let caller = Caller::system(workspace.clone(), "journey");
    let page = list(shared, &caller, page_token).await?;
    let value = |profile: Profile| {
        let value = profile.attributes?.fields.remove(attribute)?;
        Some((profile.customer_id, chassis::values::from_value(value).as_str()?.to_owned()))
    };
    let values: Vec<(String, String)> = page.profiles.into_iter().filter_map(value).collect();
    if values.is_empty() {
        return Ok((Vec::new(), page.next_page_token));
    }
    let mut identity = IdentityServiceClient::new(shared.cx.rpc.to("identity"))
        .max_decoding_message_size(rpc::MAX_MESSAGE_BYTES);
    let request = BatchGetCustomersRequest {
        customer_ids: values.iter().map(|(customer, _)| customer.clone()).collect(),
    };
    let answer = rpc::call(identity.batch_get_customers(rpc::request(&caller, request))).await?;
    let records: HashMap<String, Uuid> = answer
        .customers
        .into_iter()
        .filter_map(|customer| {
            Some((customer.customer_id, customer.records.first()?.record_id.parse().ok()?))
        })
        .collect();
    let statement = |(customer, value): (String, String)| {
        Some(dates::Statement {
            workspace: workspace.to_string(),
            attribute: attribute.to_owned(),
            record_id: *records.get(&customer)?,
            customer_id: customer.parse().ok()?,
            value: Some(value),
            time: i64::MIN,
            priority: 0,
            said_by: String::new(),
        })
    };
    Ok((values.into_iter().filter_map(statement).collect(), page.next_page_token))
}

/// A page of profiles; half of it when the answer is refused, which is so when it is too large, down to one profile.
async fn list(shared: &Shared, caller: &Caller, page_token: String) -> Result<ListProfilesResponse> {
    let mut profiles = ProfileServiceClient::new(shared.cx.rpc.to("profile"))
        .max_decoding_message_size(rpc::MAX_MESSAGE_BYTES);
    let mut page_size = PAGE;
    loop {
        let page_token = page_token.clone();
        let request = ListProfilesRequest { page_size, page_token, ..ListProfilesRequest::default() };
        match rpc::call(profiles.list_profiles(rpc::request(caller, request))).await {
            Err(error) if page_size > 1 && matches!(error.kind, Kind::Invalid | Kind::Exhausted) => {
                page_size /= 2;
            }
            answer => return answer,
        }
    }
}

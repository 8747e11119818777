//! `ListProfiles`: everybody, or those for whom a condition holds, page by page.

mod local;

use chassis::Caller;
use kernel::page::Page;
use kernel::{Error, Result};
use rules::{Condition, Schema};
use wire::profile::{ListProfilesRequest, ListProfilesResponse, ProfileOrder};
use wire::segmentation::QueryCustomersRequest;

use crate::Shared;
use crate::api::{assemble, customers, segments};
use crate::store::tags;
use local::{Place, Scan};

pub(super) async fn list_profiles(
    shared: &Shared,
    caller: &Caller,
    request: ListProfilesRequest,
) -> Result<ListProfilesResponse> {
    let page = Page::read(request.page_size, &request.page_token)?;
    let order = order(request.order)?;
    let filter = filter(shared, caller, &request.filter).await?;
    let (ids, next_page_token) = match &filter {
        Some(filter) if !is_local(filter) => remote(shared, caller, filter, order, &page).await?,
        filter => {
            let after = page.after.as_deref().map(|token| Place::read(order, token)).transpose()?;
            let scan = Scan { shared, workspace: &caller.workspace, filter: filter.as_ref(), order };
            let (ids, next) = scan.page(after, usize::try_from(page.size).unwrap_or(usize::MAX)).await?;
            (
                ids.iter().map(ToString::to_string).collect(),
                next.map(|next| token(&next.write())).unwrap_or_default(),
            )
        }
    };
    let people = customers::many(shared, caller, ids).await?;
    let profiles = assemble::profiles(shared.db.read(), &caller.workspace, people).await?;
    Ok(ListProfilesResponse { profiles, next_page_token })
}

fn order(given: i32) -> Result<ProfileOrder> {
    match ProfileOrder::try_from(given) {
        Ok(ProfileOrder::Unspecified) => Ok(ProfileOrder::Created),
        Ok(order) => Ok(order),
        Err(_) => Err(Error::invalid("order", "take PROFILE_ORDER_CREATED or PROFILE_ORDER_LAST_SEEN")),
    }
}

async fn filter(shared: &Shared, caller: &Caller, source: &str) -> Result<Option<Condition>> {
    if source.trim().is_empty() {
        return Ok(None);
    }
    let known = tags::all(shared.db.read(), &caller.workspace).await?;
    let schema = Schema { tags: Some(known.into_keys().collect()), ..Schema::open() };
    Condition::customer(source, &schema).map(Some).map_err(|problems| problems.at("filter"))
}

/// Whether we know everything that it reads.
fn is_local(filter: &Condition) -> bool {
    let uses = filter.uses();
    !uses.behaviour && uses.segments.is_empty() && uses.scores.is_empty()
}

/// Segmentation finds them, in the order of their ids, which is that of their creation.
async fn remote(
    shared: &Shared,
    caller: &Caller,
    filter: &Condition,
    order: ProfileOrder,
    page: &Page,
) -> Result<(Vec<String>, String)> {
    if order == ProfileOrder::LastSeen {
        let message = "a filter on events, segments or scores lists in PROFILE_ORDER_CREATED only";
        return Err(Error::invalid("order", message));
    }
    let request = QueryCustomersRequest {
        condition: filter.source().to_owned(),
        page_size: i32::try_from(page.size).unwrap_or(i32::MAX),
        page_token: page.after.clone().unwrap_or_default(),
    };
    let found = segments::query(shared, caller, request).await?;
    let next = if found.next_page_token.is_empty() { String::new() } else { token(&found.next_page_token) };
    Ok((found.customer_ids, next))
}

/// A page token, also for a page that was not filled.
fn token(key: &str) -> String {
    Page { size: 1, after: None }.cut(&mut vec![key, key], |key| (*key).to_owned())
}

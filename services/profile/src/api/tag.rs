//! `GetTag`, `ListTags`, and how a definition is shown.

use std::time::Duration;

use chassis::Caller;
use kernel::page::Page;
use kernel::{Error, Result, Time};
use sea_orm::ConnectionTrait;
use wire::profile::*;

use crate::Shared;
use crate::domain::tags::LIVE;
use crate::store::row::tag::Model;
use crate::store::{assignments, tags};

pub(super) async fn get_tag(
    shared: &Shared,
    caller: &Caller,
    request: GetTagRequest,
) -> Result<GetTagResponse> {
    let tag = live(shared.db.read(), caller, &request.key).await?;
    Ok(GetTagResponse { tag: Some(shown(shared, caller, tag).await?) })
}

pub(super) async fn list_tags(
    shared: &Shared,
    caller: &Caller,
    request: ListTagsRequest,
) -> Result<ListTagsResponse> {
    let page = Page::read(request.page_size, &request.page_token)?;
    let after = page.after.as_deref().unwrap_or_default();
    let mut rows = tags::page(shared.db.read(), &caller.workspace, after, page.limit()).await?;
    let next_page_token = page.cut(&mut rows, |tag| tag.key.clone());
    let keys: Vec<&str> = rows.iter().map(|tag| tag.key.as_str()).collect();
    let counts = assignments::customers(shared.db.read(), &caller.workspace, &keys).await?;
    let show = |tag: Model| {
        let customers = counts.get(&tag.key).copied().unwrap_or(0);
        to_wire(tag, customers)
    };
    Ok(ListTagsResponse { tags: rows.into_iter().map(show).collect(), next_page_token })
}

/// A definition in use.
///
/// # Errors
/// [`kernel::Kind::NotFound`] when there is none.
pub(super) async fn live(db: &impl ConnectionTrait, caller: &Caller, key: &str) -> Result<Model> {
    let found = tags::find(db, &caller.workspace, key).await?;
    found.filter(|tag| tag.state == LIVE).ok_or_else(|| Error::not_found("tag", key))
}

/// With how many customers have it.
pub(super) async fn shown(shared: &Shared, caller: &Caller, tag: Model) -> Result<Tag> {
    let counts = assignments::customers(shared.db.read(), &caller.workspace, &[&tag.key]).await?;
    let customers = counts.get(&tag.key).copied().unwrap_or(0);
    Ok(to_wire(tag, customers))
}

/// As the API shows it.
pub(super) fn to_wire(tag: Model, customers: i64) -> Tag {
    let ttl = Duration::from_micros(u64::try_from(tag.ttl).unwrap_or(0));
    Tag {
        key: tag.key,
        name: tag.name,
        group: tag.family,
        exclusive: tag.exclusive,
        ttl: (!ttl.is_zero()).then(|| prost_types::Duration {
            seconds: i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(ttl.subsec_nanos()).unwrap_or(0),
        }),
        owner: tag.owner,
        condition: tag.condition,
        customers,
        created_at: Some(Time(tag.created_at).into()),
        updated_at: Some(Time(tag.updated_at).into()),
    }
}

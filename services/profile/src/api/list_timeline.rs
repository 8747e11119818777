//! `ListTimeline`.

use chassis::Caller;
use kernel::page::Page;
use kernel::{Error, Result, Time};
use prost::Message as _;
use uuid::Uuid;
use wire::event::Event;
use wire::profile::{ListTimelineRequest, ListTimelineResponse};

use crate::Shared;
use crate::api::customers;
use crate::store::row::timeline::Model;
use crate::store::timeline::{self, Selection};

/// Names in one request at the most.
const MAX_NAMES: usize = 100;

pub(super) async fn list_timeline(
    shared: &Shared,
    caller: &Caller,
    request: ListTimelineRequest,
) -> Result<ListTimelineResponse> {
    let page = Page::read(request.page_size, &request.page_token)?;
    let after = page.after.as_deref().map(place).transpose()?;
    if request.names.len() > MAX_NAMES {
        return Err(Error::invalid("names", format!("at most {MAX_NAMES} are taken")));
    }
    let person = customers::one(shared, caller, request.customer).await?;
    let records: Vec<Uuid> = person.records.iter().map(|record| record.0).collect();
    let selection = Selection {
        names: &request.names,
        from: request.from.map(Time::from),
        to: request.to.map(Time::from),
        after,
        limit: page.limit(),
    };
    let mut rows = timeline::newest(shared.db.read(), &caller.workspace, &records, &selection).await?;
    let next_page_token = page.cut(&mut rows, |row| format!("{} {}", row.time, row.arrival));
    let events = rows.iter().map(event).collect::<Result<_>>()?;
    Ok(ListTimelineResponse { events, next_page_token })
}

fn place(token: &str) -> Result<(i64, i64)> {
    let read = || Some((token.split_once(' ')?.0.parse().ok()?, token.split_once(' ')?.1.parse().ok()?));
    read().ok_or_else(|| Error::invalid("page_token", "give back a next_page_token as it came"))
}

fn event(row: &Model) -> Result<Event> {
    Event::decode(row.event.as_slice())
        .map_err(|cause| Error::internal("an event on a timeline is damaged").caused_by(cause))
}

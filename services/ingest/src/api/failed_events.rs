//! Refused events: looked at, and tried again once the cause was mended.

use std::collections::{BTreeMap, HashSet};

use chassis::{Caller, audit};
use kernel::page::Page;
use kernel::{Error, Result, Time};
use prost::Message as _;
use uuid::Uuid;
use wire::event::Event;
use wire::ingest::{
    FailedEvent as Wire, ListFailedEventsRequest, ListFailedEventsResponse, ReplayFailedEventsRequest,
    ReplayFailedEventsResponse,
};

use super::Api;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::source::Source;
use crate::domain::tracking::{Arrival, translate};
use crate::intake::{Candidate, Form};
use crate::store::failed_events::{self, FailedEvent, Filter};

/// Events tried at once.
const BATCH: i32 = 500;
/// Ids that one call may name.
const MAX_IDS: usize = 1_000;

impl Api {
    pub(super) async fn do_list_failed_events(
        &self,
        caller: Caller,
        message: ListFailedEventsRequest,
    ) -> Result<ListFailedEventsResponse> {
        let page = Page::read(message.page_size, &message.page_token)?;
        let filter = Filter {
            source_key: message.source_key,
            reason: message.reason,
            from: message.from.map(Time::from),
            to: message.to.map(Time::from),
            ids: Vec::new(),
        };
        let mut found = failed_events::page(self.db.read(), &caller.workspace, &filter, &page).await?;
        let next_page_token = page.cut(&mut found, |row| row.id.to_string());
        Ok(ListFailedEventsResponse {
            failed_events: found.into_iter().map(to_wire).collect(),
            next_page_token,
        })
    }

    /// What is accepted, or turns out to have been accepted already, is no longer listed.
    pub(super) async fn do_replay_failed_events(
        &self,
        caller: Caller,
        message: ReplayFailedEventsRequest,
    ) -> Result<ReplayFailedEventsResponse> {
        if message.failed_event_ids.len() > MAX_IDS {
            return Err(Error::invalid("failed_event_ids", format!("at most {MAX_IDS} in one call")));
        }
        let filter = Filter {
            source_key: message.source_key,
            reason: message.reason,
            from: message.from.map(Time::from),
            to: message.to.map(Time::from),
            ids: message.failed_event_ids.iter().map(|id| read_id(id)).collect::<Result<_>>()?,
        };
        let mut answer = ReplayFailedEventsResponse::default();
        let mut token = String::new();
        loop {
            let page = Page::read(BATCH, &token)?;
            let mut found = failed_events::page(self.db.read(), &caller.workspace, &filter, &page).await?;
            token = page.cut(&mut found, |row| row.id.to_string());
            let tried = count(found.len());
            let replayed = self.replay(&caller, found).await?;
            answer.replayed += replayed;
            answer.still_failing += tried - replayed;
            if token.is_empty() {
                return Ok(answer);
            }
        }
    }

    async fn replay(&self, caller: &Caller, rows: Vec<FailedEvent>) -> Result<u32> {
        let mut by_source: BTreeMap<String, Vec<FailedEvent>> = BTreeMap::new();
        for row in rows {
            by_source.entry(row.source_key.clone()).or_default().push(row);
        }
        let mut replayed = 0;
        for (key, rows) in by_source {
            // A source that was removed meanwhile: its events still fail.
            let Ok(source) = self.sources.get(&caller.workspace, &key) else { continue };
            let candidates = rows.iter().map(|row| candidate(row, &source)).collect();
            let receipt = self.intake.accept_again(&source, candidates).await?;
            let refused: HashSet<u32> = receipt.rejections.iter().map(|(at, _)| *at).collect();
            let done: Vec<Uuid> =
                (0..).zip(&rows).filter(|(at, _)| !refused.contains(at)).map(|(_, row)| row.id).collect();
            let sum = count(done.len());
            if sum == 0 {
                continue;
            }
            let mut unit = self.db.begin().await?;
            failed_events::delete(unit.db(), &caller.workspace, &done).await?;
            // One entry for all: the events themselves are on the log.
            let told = ReplayFailedEventsResponse { replayed: sum, still_failing: count(refused.len()) };
            audit::created(&mut unit, caller, ("failed_events", &key), &told)?;
            unit.commit().await?;
            replayed += sum;
        }
        Ok(replayed)
    }
}

/// Judged as if it came again at the time it came first. An event without an id gets that of its failure: should the
/// process end before the failure is removed, the event is still known at the next try.
fn candidate(row: &FailedEvent, source: &Source) -> Candidate {
    let arrival = Arrival { source, received: Time(row.failed_at), peer: None, trace_parent: "" };
    let kept = Event::decode(row.event.as_slice()).unwrap_or_default();
    let (mut event, refusal) = match (row.form.as_str(), serde_json::from_slice(&row.payload)) {
        ("call", Ok(call)) => translate(&call, &arrival),
        ("event", _) if !row.event.is_empty() => (kept, None),
        _ => (kept, Some(Refusal::new(Reason::NotAnObject, "too little is kept to try it again"))),
    };
    if event.id.is_empty() {
        event.id = row.id.to_string();
    }
    if event.time.is_none() {
        event.time = Some(Time(row.failed_at).into());
    }
    Candidate { event, refusal, form: Form::Event }
}

fn read_id(text: &str) -> Result<Uuid> {
    Uuid::try_parse(text).map_err(|_| Error::invalid("failed_event_ids", format!("`{text}` is not an id")))
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn to_wire(row: FailedEvent) -> Wire {
    Wire {
        failed_event_id: row.id.to_string(),
        source_key: row.source_key,
        reason: row.reason,
        message: row.message,
        failed_at: Some(Time(row.failed_at).into()),
        event: Event::decode(row.event.as_slice()).ok().filter(|_| !row.event.is_empty()),
        payload: row.payload,
    }
}

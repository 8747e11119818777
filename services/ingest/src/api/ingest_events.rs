//! `IngestEvents` and `StreamEvents`: events in our own form.

use std::sync::Arc;

use chassis::status::to_status;
use chassis::{Caller, rpc};
use futures::StreamExt as _;
use kernel::{Error, Kind, Result};
use tonic::{Request, Response, Status, Streaming};
use wire::event::Event;
use wire::ingest::ingest_service_server::IngestService;
use wire::ingest::{
    IngestEventsRequest, IngestEventsResponse, Rejection, StreamEventsRequest, StreamEventsResponse,
};

use super::Api;
use crate::domain::source::Source;
use crate::intake::{Candidate, Form, Intake, Receipt};
use crate::sources::Sources;

/// Messages of one stream that are on their way at once.
const PIPELINE: usize = 32;
/// Channel of events that name none.
const CHANNEL: &str = "api";

impl Api {
    pub(super) async fn do_ingest_events(
        &self,
        caller: Caller,
        message: IngestEventsRequest,
    ) -> Result<IngestEventsResponse> {
        let trace = rpc::trace_parent();
        let receipt =
            accept(&self.intake, &self.sources, &caller, &message.source_key, message.events, &trace).await?;
        Ok(IngestEventsResponse {
            accepted: receipt.accepted,
            duplicates: receipt.duplicates,
            rejections: rejections(receipt),
        })
    }

    /// Messages are taken in their order and answered in their order; several are on their way at once.
    pub(super) fn do_stream_events(
        &self,
        request: Request<Streaming<StreamEventsRequest>>,
    ) -> Result<Response<<Self as IngestService>::StreamEventsStream>, Status> {
        let caller = rpc::caller(&request).map_err(|error| to_status(&error))?;
        let trace: Arc<str> = rpc::trace_parent().into();
        let (intake, sources) = (self.intake.clone(), self.sources.clone());
        let answers = request.into_inner().map(move |message| {
            let (intake, sources) = (intake.clone(), sources.clone());
            let (caller, trace) = (caller.clone(), trace.clone());
            async move {
                let StreamEventsRequest { events, source_key } = message?;
                let receipt = accept(&intake, &sources, &caller, &source_key, events, &trace).await;
                let receipt = receipt.map_err(|error| to_status(&error))?;
                Ok(StreamEventsResponse {
                    accepted: receipt.accepted,
                    duplicates: receipt.duplicates,
                    rejections: rejections(receipt),
                })
            }
        });
        Ok(Response::new(Box::pin(answers.buffered(PIPELINE))))
    }
}

async fn accept(
    intake: &Intake,
    sources: &Sources,
    caller: &Caller,
    source_key: &str,
    events: Vec<Event>,
    trace_parent: &str,
) -> Result<Receipt> {
    let source = sources.get(&caller.workspace, source_key)?;
    if events.len() > intake.max_batch() {
        let message = format!(
            "{} events; a call takes at most {}: send the rest in another one",
            events.len(),
            intake.max_batch()
        );
        return Err(Error::new(Kind::Invalid, "TOO_MANY_EVENTS", message));
    }
    let candidates = events.into_iter().map(|event| candidate(event, &source, trace_parent)).collect();
    intake.accept(&source, candidates).await
}

/// The sender does not decide what source it is.
fn candidate(mut event: Event, source: &Source, trace_parent: &str) -> Candidate {
    let context = event.context.get_or_insert_default();
    context.source_key.clone_from(&source.key);
    context.source_priority = source.priority;
    if context.channel.is_empty() {
        CHANNEL.clone_into(&mut context.channel);
    }
    if event.trace_parent.is_empty() {
        trace_parent.clone_into(&mut event.trace_parent);
    }
    Candidate { event, refusal: None, form: Form::Event }
}

fn rejections(receipt: Receipt) -> Vec<Rejection> {
    let rejection = |(index, refusal): (u32, crate::domain::refusal::Refusal)| Rejection {
        index,
        reason: refusal.reason.code().to_owned(),
        message: refusal.message,
    };
    receipt.rejections.into_iter().map(rejection).collect()
}

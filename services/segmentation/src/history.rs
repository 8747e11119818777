//! History from analytics, as states.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use chassis::{Caller, rpc};
use jiff::tz::TimeZone;
use kernel::{Error, RecordId, Result, Time};
use rules::{Plan, PlannedSeries, State};
use uuid::Uuid;
use wire::analytics::analytics_service_client::AnalyticsServiceClient;
use wire::analytics::{LogPosition, ScanEventsRequest, ScanEventsResponse};

use crate::engine::Engine;

/// The events that series need: by name, as far back as any window reaches, before positions on the log.
pub(crate) fn request(series: &[PlannedSeries], now: Time, positions: &[u64]) -> ScanEventsRequest {
    let any = series.iter().any(|series| series.event.is_none());
    let names: BTreeSet<String> = series.iter().filter_map(|series| series.event.clone()).collect();
    let window =
        series.iter().map(|series| series.window).try_fold(Duration::ZERO, |all, one| Some(all.max(one?)));
    let position = |(partition, position): (u32, &u64)| LogPosition { partition, position: *position };
    ScanEventsRequest {
        names: if any { Vec::new() } else { names.into_iter().collect() },
        // What is out of every window now stays out.
        from: window.map(|window| now.minus(window).into()),
        up_to: (0..).zip(positions).map(position).collect(),
        ..ScanEventsRequest::default()
    }
}

/// A history being read.
pub(crate) struct Scan {
    stream: tonic::Streaming<ScanEventsResponse>,
    plan: Plan,
    zone: TimeZone,
}

impl Scan {
    /// Asks analytics; `plan` says what is kept of each event.
    ///
    /// # Errors
    /// What analytics says.
    pub(crate) async fn open(
        engine: &Engine,
        caller: &Caller,
        plan: Plan,
        ask: ScanEventsRequest,
    ) -> Result<Self> {
        let client = AnalyticsServiceClient::new(engine.cx.rpc.to("analytics"));
        let mut client = client.max_decoding_message_size(rpc::MAX_MESSAGE_BYTES);
        let stream = rpc::call(client.scan_events(rpc::request(caller, ask))).await?;
        Ok(Self { stream, plan, zone: engine.cx.workspaces.zone(&caller.workspace).clone() })
    }

    /// Reads on until the states of `limit` records are in memory; nothing more: the end.
    ///
    /// # Errors
    /// What analytics says; the history read so far is incomplete then.
    pub(crate) async fn next(&mut self, limit: usize) -> Result<HashMap<Uuid, State>> {
        let mut states: HashMap<Uuid, State> = HashMap::new();
        while states.len() < limit {
            let page = self.stream.message().await.map_err(|status| chassis::status::from_status(&status))?;
            let Some(page) = page else { break };
            for event in &page.events {
                let record: RecordId = event.record_id.parse().map_err(|cause: Error| {
                    Error::internal("analytics gave an event without a record").caused_by(cause)
                })?;
                let state = states.entry(record.0).or_default();
                self.plan.apply(state, event, &self.zone);
            }
        }
        states.retain(|_, state| !state.is_empty());
        Ok(states)
    }
}

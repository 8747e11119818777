//! Every stored event that matches, as fast as the caller takes them.

use chassis::Caller;
use chassis::status::to_status;
use kernel::{CustomerId, Result, Time};
use prost::Message as _;
use tokio::sync::mpsc::{self, Sender};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use wire::analytics::{ScanEventsRequest, ScanEventsResponse};
use wire::event::Event;

use super::Api;
use super::fields::Fields;
use crate::engine::Engine;
use crate::engine::scan::ScanQuery;

/// Chunks that wait for the caller, at the most.
const AHEAD: usize = 2;
/// Bytes of one chunk, unless a single event is longer; callers take messages of four times that.
const CHUNK_BYTES: usize = 4 << 20;

type Answer = Result<ScanEventsResponse, Status>;

impl Api {
    pub(super) async fn do_scan_events(
        &self,
        caller: Caller,
        message: ScanEventsRequest,
    ) -> Result<ReceiverStream<Answer>> {
        let query = self.read_scan(message)?;
        let places: Vec<(u32, u64)> = query.up_to.iter().map(|(n, position)| (*n, *position)).collect();
        let opened = self.current.read_to(&places).await?;
        let (sender, receiver) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || send(&opened.engine, &caller, query, &sender));
        Ok(ReceiverStream::new(receiver))
    }

    fn read_scan(&self, message: ScanEventsRequest) -> Result<ScanQuery> {
        let mut fields = Fields::default();
        let customers: Vec<Option<CustomerId>> = (0..)
            .zip(&message.customer_ids)
            .map(|(at, id): (usize, &String)| {
                let parsed: Result<CustomerId> = id.parse();
                parsed
                    .map_err(|_| fields.refuse(format!("customer_ids[{at}]"), format!("`{id}` is not an id")))
                    .ok()
            })
            .collect();
        for (at, place) in message.up_to.iter().enumerate() {
            if place.partition >= self.partitions {
                fields.refuse(format!("up_to[{at}].partition"), "the log has no such partition");
            }
        }
        let query = ScanQuery {
            filter: fields.filter("filter", &message.filter),
            names: message.names.into_iter().collect(),
            from: message.from.as_ref().map_or(Time::MIN, Time::from),
            to: message.to.as_ref().map_or(Time::MAX, Time::from),
            customers: (!customers.is_empty()).then(|| customers.into_iter().flatten().collect()),
            up_to: message.up_to.iter().map(|place| (place.partition, place.position)).collect(),
        };
        fields.finish().map(|()| query)
    }
}

/// Ends when all is sent or the caller went away.
fn send(engine: &Engine, caller: &Caller, query: ScanQuery, sender: &Sender<Answer>) {
    let refuse = |error| {
        // A failure to tell means that the caller went away.
        let _told = sender.blocking_send(Err(to_status(&error)));
    };
    let scan = match engine.scan(&caller.workspace, query) {
        Ok(scan) => scan,
        Err(error) => return refuse(error),
    };
    for chunk in scan {
        match chunk {
            Err(error) => return refuse(error),
            Ok(events) => {
                for events in by_size(events) {
                    if sender.blocking_send(Ok(ScanEventsResponse { events })).is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// Cuts a chunk so that no message grows too long.
fn by_size(events: Vec<Event>) -> Vec<Vec<Event>> {
    let mut parts = vec![Vec::new()];
    let mut bytes = 0;
    for event in events {
        let size = event.encoded_len();
        if bytes + size > CHUNK_BYTES && bytes > 0 {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        if let Some(part) = parts.last_mut() {
            part.push(event);
        }
    }
    parts
}

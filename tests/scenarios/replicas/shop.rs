//! What goes on in a shop while its processes come and go: customers look and order, and every order is thanked.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tests::platform::eventually;
use tonic::{Request, Status};
use wire::event::{Event, Identifier};
use wire::ingest::IngestEventsRequest;
use wire::ingest::ingest_service_client::IngestServiceClient;
use wire::messaging::MessageState;

use super::twins::{Balanced, Twins};
use crate::counts;
use crate::kill::receiver::Receiver;

/// Longest a client waits for an answer before it gives the call up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

/// Customers who look at a time.
const LOT: u32 = 10;

/// A shop, what its clients were promised, and where its messages arrive.
#[derive(Debug)]
pub(crate) struct Shop {
    receiver: Receiver,
    web: reqwest::Client,
    /// Of the processes that take events by the tracking API, the one that is asked first.
    first: AtomicUsize,
    ids: Mutex<BTreeSet<String>>,
    /// Lots of [`Shop::call`] without an acknowledgement so far, with how many customers looked.
    open: Mutex<BTreeMap<String, u32>>,
    /// The same of [`Shop::track`]: an id is known again within the source it came by.
    tracked: Mutex<BTreeMap<String, u32>>,
}

impl Shop {
    pub(crate) async fn open(twins: &Twins) -> Result<Self> {
        let receiver = Receiver::start().await?;
        counts::channel(twins.balanced("messaging").await?, &receiver.url).await?;
        twins.apply("tests/golden/greeting.yaml").await?;
        Ok(Self {
            receiver,
            web: reqwest::Client::new(),
            first: AtomicUsize::default(),
            ids: Mutex::default(),
            open: Mutex::default(),
            tracked: Mutex::default(),
        })
    }

    /// One event of each of these customers, in one call. Who wants to know what became of it sends the same again.
    async fn send(&self, to: &Balanced, name: &str, lot: &str, customers: u32) -> Result<(), Status> {
        let events: Vec<Event> = (0..customers).map(|n| event(name, lot, n)).collect();
        lock(&self.ids).extend(events.iter().map(|event| event.id.clone()));
        let mut request = Request::new(IngestEventsRequest { events, source_key: String::new() });
        request.set_timeout(PATIENCE);
        let answer = IngestServiceClient::new(to.clone()).ingest_events(request).await?.into_inner();
        if answer.rejections.is_empty() { Ok(()) } else { Err(Status::internal(format!("{answer:?}"))) }
    }

    /// The same, again with the same ids until it is acknowledged, as a client does.
    pub(crate) async fn deliver(&self, to: &Balanced, name: &str, lot: &str, customers: u32) -> Result<()> {
        eventually("an acknowledgement", || async {
            Ok(self.send(to, name, lot, customers).await.map_err(|status| status.to_string()))
        })
        .await
    }

    /// The same once; [`Shop::settle`] sees to what was not acknowledged.
    pub(crate) async fn call(
        &self,
        to: &Balanced,
        name: &str,
        lot: &str,
        customers: u32,
    ) -> Result<(), Status> {
        lock(&self.open).insert(lot.to_owned(), customers);
        let sent = self.send(to, name, lot, customers).await;
        if sent.is_ok() {
            lock(&self.open).remove(lot);
        }
        sent
    }

    /// The same by the tracking API, as through a balancer: what takes no connection is passed by.
    pub(crate) async fn track(
        &self,
        to: &[SocketAddr],
        name: &str,
        lot: &str,
        customers: u32,
    ) -> Result<(), Status> {
        let events: Vec<Event> = (0..customers).map(|n| event(name, lot, n)).collect();
        lock(&self.ids).extend(events.iter().map(|event| event.id.clone()));
        lock(&self.tracked).insert(lot.to_owned(), customers);
        let call = |event: &Event| {
            let user = event.identifiers.first().map(|identifier| identifier.value.as_str());
            json!({"type": "track", "userId": user, "event": name, "messageId": event.id})
        };
        let batch = json!({"batch": events.iter().map(call).collect::<Vec<_>>()});
        let mut last = Status::unavailable("there is no process");
        // Who says goodbye is asked last from then on, as a load balancer does.
        let first = self.first.load(Ordering::SeqCst);
        for n in (first..).take(to.len()) {
            let address = to[n % to.len()];
            let request = self.web.post(format!("http://{address}/v1/batch")).basic_auth("dev", Some(""));
            match request.json(&batch).timeout(PATIENCE).send().await {
                Ok(answer) if answer.status().is_success() => {
                    if answer.headers().contains_key("connection") {
                        self.first.store(n + 1, Ordering::SeqCst);
                    }
                    lock(&self.tracked).remove(lot);
                    return Ok(());
                }
                Ok(answer) => return Err(Status::unknown(answer.status().to_string())),
                // The next one is asked.
                Err(error) if error.is_connect() => last = Status::unavailable(format!("{error:?}")),
                Err(error) => return Err(Status::unknown(format!("{error:?}"))),
            }
        }
        Err(last)
    }

    /// Customers look at things, a lot of them five times a second, for ever.
    pub(crate) async fn browse(&self, to: &Balanced) {
        let mut ticks = tokio::time::interval(Duration::from_millis(200));
        for lot in 0_u64.. {
            ticks.tick().await;
            // Kept as open otherwise.
            let _acknowledged = self.call(to, "product_viewed", &format!("browse-{lot}"), LOT).await.is_ok();
        }
    }

    /// What had no acknowledgement is sent again.
    pub(crate) async fn settle(&self, to: &Balanced) -> Result<usize> {
        let open = std::mem::take(&mut *lock(&self.open));
        for (lot, customers) in &open {
            self.deliver(to, "product_viewed", lot, *customers).await?;
        }
        Ok(open.len())
    }

    /// The same of what was sent by the tracking API.
    pub(crate) async fn settle_tracked(&self, to: &[SocketAddr]) -> Result<()> {
        let tracked = lock(&self.tracked).clone();
        for (lot, customers) in tracked {
            eventually("an acknowledgement", || async {
                let sent = self.track(to, "product_viewed", &lot, customers).await;
                Ok(sent.map_err(|status| status.to_string()))
            })
            .await?;
        }
        Ok(())
    }

    /// Events sent so far.
    pub(crate) fn sent(&self) -> usize {
        lock(&self.ids).len()
    }

    /// Returns when so many messages have arrived.
    pub(crate) async fn thanked(&self, orders: usize) -> Result<()> {
        eventually("messages", || async {
            let count = self.receiver.messages();
            Ok(if count >= orders { Ok(()) } else { Err(format!("{count} of {orders}")) })
        })
        .await
    }

    /// All events are counted, each once; every order has one message, here and outside.
    pub(crate) async fn is_exact(&self, twins: &Twins, orders: usize) -> Result<()> {
        let sent = self.sent();
        eventually("events counted", || async {
            let counted = counted(twins, "").await?;
            Ok(if counted >= sent { Ok(()) } else { Err(format!("{counted} of {sent}")) })
        })
        .await?;
        assert_eq!(counted(twins, "").await?, sent, "an event counts twice");
        self.thanked(orders).await?;
        eventually("messages known as sent", || async {
            let states = states(twins).await?;
            let sent = states.iter().filter(|state| **state == MessageState::Sent).count();
            Ok(if sent >= orders { Ok(()) } else { Err(format!("{sent} of {orders}: {states:?}")) })
        })
        .await?;
        assert_eq!(states(twins).await?.len(), orders, "an order is thanked twice");
        eventually("facts counted", || async {
            let counted = counted(twins, "message.sent").await?;
            Ok(if counted >= orders { Ok(()) } else { Err(format!("{counted} of {orders}")) })
        })
        .await?;
        assert_eq!(counted(twins, "message.sent").await?, orders, "a message is told twice");
        let posts = self.receiver.posts();
        assert_eq!(posts.len(), orders, "an order is thanked twice outside");
        let ids: BTreeSet<&String> = posts.values().flatten().collect();
        assert_eq!(ids.len(), orders, "a message was repeated under another id");
        Ok(())
    }
}

fn event(name: &str, lot: &str, customer: u32) -> Event {
    Event {
        id: format!("{name}-{lot}-{customer}"),
        name: name.to_owned(),
        identifiers: vec![user(customer)],
        ..Event::default()
    }
}

/// A customer of the shop.
pub(crate) fn user(number: u32) -> Identifier {
    Identifier { namespace: "user_id".to_owned(), value: format!("会员{number}") }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Events of this name; without one all that customers did.
async fn counted(twins: &Twins, event: &str) -> Result<usize> {
    counts::events(twins.balanced("analytics").await?, event).await
}

async fn states(twins: &Twins) -> Result<Vec<MessageState>> {
    counts::messages(twins.balanced("messaging").await?).await
}

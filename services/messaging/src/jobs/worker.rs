//! The worker of one channel: takes what is due, as much as the channel's rate allows, batch after batch.

use std::sync::Arc;

use kernel::{Error, Result, Time, Workspace};
use tokio::sync::{Mutex, oneshot};

use super::Dispatcher;
use super::batch::{self, Route};
use crate::domain::channel::Channel;
use crate::domain::rate::Bucket;
use crate::provider::Provider;
use crate::store::{keyed, messages};

/// What it keeps between rounds.
pub(super) struct Worker {
    dispatcher: Arc<Dispatcher>,
    workspace: Workspace,
    channel: String,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    route: Option<Arc<Route>>,
    bucket: Option<Bucket>,
}

impl Worker {
    pub(super) fn new(dispatcher: Arc<Dispatcher>, workspace: Workspace, channel: &str) -> Self {
        Self { dispatcher, workspace, channel: channel.to_owned(), kept: Mutex::default() }
    }

    /// Delivers what is due now; answers when something is due next.
    pub(super) async fn round(&self) -> Result<Option<Time>> {
        self.dispatcher.recover().await?;
        let cx = &self.dispatcher.cx;
        let mut kept = self.kept.lock().await;
        loop {
            let now = cx.clock.now();
            let here = (&self.workspace, self.channel.as_str());
            let mut due = messages::due(cx.db.read(), here, now, self.dispatcher.knobs.batch).await?;
            if due.is_empty() {
                return messages::next_due(cx.db.read(), &self.workspace, &self.channel).await;
            }
            let route = self.route(&mut kept).await?;
            if let Some(bucket) = &mut kept.bucket {
                let allowed = bucket.available(now);
                if allowed == 0 {
                    return Ok(Some(bucket.when(due.len())));
                }
                due.truncate(allowed);
            }
            let called = self.deliver(route, due).await?;
            if let Some(bucket) = &mut kept.bucket {
                bucket.take(called);
            }
        }
    }

    /// A batch that was begun is brought to its end even while the process stops: what has been handed over must not
    /// stay without its answer. Answers how often the provider was called.
    async fn deliver(&self, route: Option<Arc<Route>>, due: Vec<messages::Message>) -> Result<usize> {
        let (done, answer) = oneshot::channel();
        let (dispatcher, workspace) = (self.dispatcher.clone(), self.workspace.clone());
        let delivery = async move {
            // Nobody waits for the answer any more when the process stops.
            let _heard = done.send(batch::deliver(&dispatcher, &workspace, route, due).await).is_ok();
        };
        self.dispatcher.cx.tasks.spawn_to_end(delivery);
        answer
            .await
            .map_err(|cause| Error::internal("a delivery ended without an answer").caused_by(cause))?
    }

    /// The channel as it is set now, with the connections it had when nothing has changed; `None` when it is gone.
    async fn route(&self, kept: &mut Kept) -> Result<Option<Arc<Route>>> {
        let cx = &self.dispatcher.cx;
        let Some(channel) = keyed::find::<Channel>(cx.db.read(), &self.workspace, &self.channel).await?
        else {
            *kept = Kept::default();
            return Ok(None);
        };
        if let Some(route) = kept.route.as_ref().filter(|route| same(&route.channel, &channel)) {
            return Ok(Some(route.clone()));
        }
        let rate = channel.rate()?;
        if kept.bucket.as_ref().map(Bucket::rate) != rate {
            kept.bucket = rate.map(|rate| Bucket::new(rate, cx.clock.now()));
        }
        let provider = Provider::new(&channel, &self.dispatcher.around)?;
        let route = Arc::new(Route { channel, provider });
        kept.route = Some(route.clone());
        Ok(Some(route))
    }
}

fn same(a: &Channel, b: &Channel) -> bool {
    (a.kind, &a.shown, &a.secrets, &a.rate) == (b.kind, &b.shown, &b.secrets, &b.rate)
}

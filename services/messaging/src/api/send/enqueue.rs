//! Makes messages durable, once per idempotency key, however many ask at the same time.

use std::collections::{BTreeSet, HashMap};

use chassis::Caller;
use kernel::{Error, Kind, Result};
use wire::messaging as pb;

use super::check::check;
use crate::api::Api;
use crate::facts;
use crate::store::messages::{self, Message};

/// Tries when others insert the same keys at the same time.
const TRIES: u32 = 5;

impl Api {
    /// One result per request, in order; what is accepted is durable and on its way.
    pub(super) async fn send_all(
        &self,
        caller: &Caller,
        requests: Vec<pb::SendMessageRequest>,
    ) -> Result<Vec<Result<Message>>> {
        let names = self.names(caller, &requests).await?;
        let known = self.known(caller, &requests).await?;
        // Who asks again gets the first answer, even if customer, template or channel could not be found any more.
        let refused = |request: &pb::SendMessageRequest| match known.contains_key(&request.idempotency_key) {
            true => Ok(()),
            false => check(request, &names),
        };
        let mut checked: Vec<Result<()>> = requests.iter().map(refused).collect();
        let new: Vec<usize> = (0..requests.len())
            .filter(|n| checked[*n].is_ok() && !known.contains_key(&requests[*n].idempotency_key))
            .collect();
        let asked: Vec<&pb::SendMessageRequest> = new.iter().map(|n| &requests[*n]).collect();
        let subjects = self.subjects(caller, &asked).await?;
        let mut candidates = HashMap::new();
        for (n, subject) in new.into_iter().zip(subjects) {
            let built = subject.and_then(|subject| self.message(caller, &requests[n], subject));
            // A loop of causes is refused here, not when the fact is written.
            let built = built.and_then(|message| {
                let kind = names.channels.get(&message.progress.channel).copied().unwrap_or_default();
                let fact = facts::about(&self.ids, "message.queued", &message, kind, message.created)?;
                Ok((message, fact))
            });
            match built {
                Ok(built) => {
                    candidates.entry(requests[n].idempotency_key.clone()).or_insert(built);
                }
                Err(error) => checked[n] = Err(error),
            }
        }
        let kept = self.keep(caller, &requests, candidates).await?;
        let right: Vec<pb::SendMessageRequest> = requests
            .into_iter()
            .zip(&checked)
            .filter(|(_, checked)| checked.is_ok())
            .map(|(one, _)| one)
            .collect();
        let mut picked = self.picked(caller, &right, &kept).await?.into_iter();
        let mut result = |checked: Result<()>| {
            checked.and_then(|()| {
                picked.next().unwrap_or_else(|| Err(Error::internal("a request has no result")))
            })
        };
        Ok(checked.into_iter().map(&mut result).collect())
    }

    async fn known(
        &self,
        caller: &Caller,
        requests: &[pb::SendMessageRequest],
    ) -> Result<HashMap<String, Message>> {
        let keys: Vec<&str> = requests.iter().map(|request| request.idempotency_key.as_str()).collect();
        let found = messages::of_keys(self.db.read(), &caller.workspace, &keys).await?;
        Ok(found.into_iter().map(|message| (message.idempotency_key.clone(), message)).collect())
    }

    /// Inserts the candidates whose key is still free, in one transaction; answers with what is kept under all keys.
    async fn keep(
        &self,
        caller: &Caller,
        requests: &[pb::SendMessageRequest],
        mut candidates: HashMap<String, (Message, wire::event::Event)>,
    ) -> Result<HashMap<String, Message>> {
        let mut tries = 0;
        loop {
            let mut kept = self.known(caller, requests).await?;
            candidates.retain(|key, _| !kept.contains_key(key));
            if candidates.is_empty() {
                return Ok(kept);
            }
            match self.insert(caller, &candidates).await {
                Ok(()) => {
                    kept.extend(candidates.into_iter().map(|(key, (message, _))| (key, message)));
                    return Ok(kept);
                }
                // Somebody else was faster with one of the keys.
                Err(error) if error.kind == Kind::AlreadyExists && tries < TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    async fn insert(
        &self,
        caller: &Caller,
        candidates: &HashMap<String, (Message, wire::event::Event)>,
    ) -> Result<()> {
        let mut all: Vec<&(Message, wire::event::Event)> = candidates.values().collect();
        all.sort_by_key(|(message, _)| message.id);
        let messages: Vec<Message> = all.iter().map(|(message, _)| message.clone()).collect();
        let mut unit = self.db.begin().await?;
        messages::insert(unit.db(), &messages).await?;
        for (_, fact) in all {
            unit.publish(&caller.workspace, fact);
        }
        let first: BTreeSet<&str> =
            messages.iter().map(|message| message.progress.channel.as_str()).collect();
        for channel in first {
            self.ring_after(&mut unit, &caller.workspace, channel);
        }
        unit.commit().await
    }
}

//! Does what nodes say: messages for the whole batch in one call, changes of profiles side by side.

use std::collections::BTreeMap;

use chassis::{Caller, rpc};
use futures::StreamExt as _;
use kernel::{Error, Result, Time, Workspace};
use wire::messaging::messaging_service_client::MessagingServiceClient;
use wire::messaging::send_messages_response::Result as Sent;
use wire::messaging::{SendMessageRequest, SendMessagesRequest};
use wire::profile::profile_service_client::ProfileServiceClient;
use wire::profile::tag_service_client::TagServiceClient;

use crate::Shared;
use crate::domain::node::{Node, Update};
use crate::domain::{Input, Stage};
use crate::jobs::executor::{Fate, Truths, Work};

/// Does everything that the batch stands at.
pub(crate) async fn act(shared: &Shared, batch: &mut [Work], now: Time) {
    let mut sends: BTreeMap<Workspace, Vec<(usize, SendMessageRequest)>> = BTreeMap::new();
    let mut updates = Vec::new();
    for (n, work) in
        batch.iter().enumerate().filter(|(_, work)| work.is_open() && work.state.stage == Stage::Acting)
    {
        match work.definition.nodes.get(&work.state.node) {
            Some(Node::Send(send)) => {
                let request = send.request(work.key(), work.row.customer_id.to_string(), &work.trigger);
                sends.entry(work.workspace.clone()).or_default().push((n, request));
            }
            Some(Node::Update(change)) => updates.push((n, update(shared, work, change.clone()))),
            _ => {}
        }
    }
    let updates = updates.into_iter().map(|(n, update)| async move { (n, update.await) });
    let updated: Vec<(usize, Result<()>)> =
        futures::stream::iter(updates).buffer_unordered(shared.knobs.concurrency).collect().await;
    for (n, result) in updated {
        if let Some(work) = batch.get_mut(n) {
            let input = result.map(|()| done("updated", String::new(), false));
            work.finish(shared, input, true, now);
        }
    }
    for (workspace, requests) in sends {
        for (n, result) in send(shared, &workspace, requests).await {
            if let Some(work) = batch.get_mut(n) {
                work.finish(shared, result.map(outcome), false, now);
            }
        }
    }
}

fn done(outcome: &'static str, detail: String, fatal: bool) -> Input {
    Input::Done { outcome, detail, fatal }
}

/// What messaging made of a message.
fn outcome(sent: Sent) -> Input {
    match sent.message {
        Some(message) => done("sent", message.message_id, false),
        None => done("failed", format!("{}: {}", sent.reason, sent.error), false),
    }
}

impl Work {
    /// Goes on after what it did, or comes back later, or gives it up.
    fn finish(&mut self, shared: &Shared, result: Result<Input>, fatal: bool, now: Time) {
        match result {
            Ok(input) => drop(self.step(shared, input, &Truths::new(), now)),
            Err(error) if error.kind.retryable() || error.kind.is_fault() => {
                tracing::warn!(run = %self.row.run_id, reason = error.reason, error = %kernel::chain(&error), "a node failed; trying again");
                self.fate = Fate::Retried;
            }
            Err(error) => {
                drop(self.step(shared, done("failed", error.to_string(), fatal), &Truths::new(), now))
            }
        }
    }
}

async fn send(
    shared: &Shared,
    workspace: &Workspace,
    requests: Vec<(usize, SendMessageRequest)>,
) -> Vec<(usize, Result<Sent>)> {
    let (numbers, messages): (Vec<usize>, Vec<SendMessageRequest>) = requests.into_iter().unzip();
    match send_all(shared, workspace, messages.clone()).await {
        Ok(results) => numbers.into_iter().zip(results.into_iter().map(Ok)).collect(),
        Err(error) if error.kind.retryable() || error.kind.is_fault() || messages.len() == 1 => {
            let again = || Error::new(error.kind, error.reason, error.message.clone());
            numbers.into_iter().map(|n| (n, Err(again()))).collect()
        }
        // One of them spoils the call: each by itself shows which.
        Err(_) => {
            let mut results = Vec::with_capacity(numbers.len());
            for (n, message) in numbers.into_iter().zip(messages) {
                let one = send_all(shared, workspace, vec![message]).await;
                results.push((n, one.and_then(|mut one| one.pop().ok_or_else(cut_short))));
            }
            results
        }
    }
}

fn cut_short() -> Error {
    Error::unavailable("messaging answered for fewer messages than it was given")
}

async fn send_all(
    shared: &Shared,
    workspace: &Workspace,
    requests: Vec<SendMessageRequest>,
) -> Result<Vec<Sent>> {
    let mut client = MessagingServiceClient::new(shared.cx.rpc.to("messaging"))
        .max_decoding_message_size(rpc::MAX_MESSAGE_BYTES)
        .max_encoding_message_size(rpc::MAX_MESSAGE_BYTES);
    let caller = Caller::system(workspace.clone(), "journey");
    let asked = requests.len();
    let answer =
        rpc::call(client.send_messages(rpc::request(&caller, SendMessagesRequest { requests }))).await?;
    if answer.results.len() == asked { Ok(answer.results) } else { Err(cut_short()) }
}

/// The calls of one `update` node. All of them may be repeated.
fn update(shared: &Shared, work: &Work, update: Update) -> impl Future<Output = Result<()>> + Send + use<> {
    let (rpc, caller) = (shared.cx.rpc.clone(), Caller::system(work.workspace.clone(), "journey"));
    let (reason, customer) = (format!("journey {}", work.row.journey), work.row.customer_id.to_string());
    let profile = update.profile(&work.key(), &customer, &work.trigger);
    let added = update.added(&reason, &customer, &work.trigger);
    let removed = update.removed(&reason, &customer, &work.trigger);
    async move {
        if let Some(request) = profile {
            let client = ProfileServiceClient::new(rpc.to("profile"));
            let mut client = client.max_decoding_message_size(rpc::MAX_MESSAGE_BYTES);
            rpc::call(client.update_profile(rpc::request(&caller, request))).await?;
        }
        let mut client = TagServiceClient::new(rpc.to("profile"));
        if let Some(request) = added {
            rpc::call(client.add_tags(rpc::request(&caller, request))).await?;
        }
        if let Some(request) = removed {
            rpc::call(client.remove_tags(rpc::request(&caller, request))).await?;
        }
        Ok(())
    }
}

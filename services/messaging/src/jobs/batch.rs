//! One batch on one channel: written, committed as being sent, handed over, and the answers committed with their facts.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chassis::trace;
use futures::stream::{self, StreamExt as _};
use kernel::{CustomerId, Error, Result, Time, Workspace};
use store::{Held, Unit};
use tracing::Instrument as _;

use super::Dispatcher;
use super::compose::{self, Addressing, Templates};
use super::windows::{self, Charge, Ledger};
use crate::domain::channel::Channel;
use crate::domain::message::State;
use crate::domain::outcome::Outcome;
use crate::domain::template::Content;
use crate::facts;
use crate::people::{Answers, People, Person, UNREADABLE};
use crate::provider::{Outgoing, Provider, WINDOW_CODES};
use crate::store::messages::{self, Message};

/// Pause before the answers of a provider are committed again.
const PAUSE: Duration = Duration::from_millis(200);

/// A channel and its provider.
pub(super) struct Route {
    pub(super) channel: Channel,
    pub(super) provider: Provider,
}

/// A message that is being handed over.
struct Departure {
    message: Message,
    outgoing: Outgoing,
    charge: Option<Charge>,
}

/// A message with the addresses it may go to.
struct Written {
    message: Message,
    content: Content,
    addresses: Vec<String>,
}

/// Brings a batch as far as it goes now; answers how often the provider was called.
pub(super) async fn deliver(
    dispatcher: &Dispatcher,
    workspace: &Workspace,
    route: Option<Arc<Route>>,
    mut due: Vec<Message>,
) -> Result<usize> {
    let Some(route) = route else {
        let now = dispatcher.cx.clock.now();
        due.iter_mut().for_each(|message| message.progress.skip("channel_deleted", now));
        let mut unit = dispatcher.cx.db.begin().await?;
        keep(dispatcher, &mut unit, &due.iter().collect::<Vec<_>>(), "").await?;
        unit.commit().await?;
        wake(dispatcher, workspace, due.iter());
        return Ok(0);
    };
    let addressing = Addressing::of(&route.channel)?;
    let people = load_people(dispatcher, workspace, &addressing, &due).await?;
    let templates = Templates::load(dispatcher.cx.db.read(), workspace, &due).await?;
    let (written, stopped) = write(due, &people, &templates, &addressing, dispatcher.cx.clock.now());
    let departures =
        claim(dispatcher, workspace, &route, &addressing, (written, stopped), &people.found).await?;
    let called = departures.len();
    if called > 0 {
        let answered = hand_over(dispatcher, &route, departures).await;
        settle(dispatcher, workspace, &route, &addressing, answered).await?;
    }
    Ok(called)
}

/// Profiles of a batch; identity is asked again for those in whose profile an address is missing, because it knows of
/// an identifier before profile does.
async fn load_people(
    dispatcher: &Dispatcher,
    workspace: &Workspace,
    addressing: &Addressing,
    due: &[Message],
) -> Result<Answers<Person>> {
    let source = People::new(dispatcher.cx.rpc.clone(), workspace.clone());
    let mut people = source.load(&compose::customers(due.iter())).await?;
    let is_lacking = |(_, person): &(&CustomerId, &Person)| addressing.find(person).is_empty();
    let lacking: Vec<CustomerId> = people.found.iter().filter(is_lacking).map(|(id, _)| *id).collect();
    let customers = source.customers(&lacking).await?;
    people.refused.extend(customers.refused);
    for (id, known) in customers.found {
        people.found.entry(id).or_default().identifiers = known.identifiers;
    }
    Ok(people)
}

/// Those that can go, and those that cannot on this channel or at all.
fn write(
    due: Vec<Message>,
    people: &Answers<Person>,
    templates: &Templates,
    addressing: &Addressing,
    now: Time,
) -> (Vec<Written>, Vec<Message>) {
    let (mut written, mut stopped) = (Vec::new(), Vec::new());
    let nobody = Person::default();
    for mut message in due {
        if let Some(why) = people.refused.get(&message.customer) {
            message.progress.unwritable(UNREADABLE, why, now);
            stopped.push(message);
            continue;
        }
        let person = people.found.get(&message.customer).unwrap_or(&nobody);
        let addresses = addressing.find(person);
        if addresses.is_empty() {
            message.progress.skip("no_address", now);
            stopped.push(message);
            continue;
        }
        match templates.write(&message, person) {
            Ok(content) => written.push(Written { message, content, addresses }),
            Err((code, detail)) => {
                message.progress.unwritable(code, &detail, now);
                stopped.push(message);
            }
        }
    }
    (written, stopped)
}

/// Commits the whole batch as being sent, charged to reply windows where there are some, before the provider is called.
async fn claim(
    dispatcher: &Dispatcher,
    workspace: &Workspace,
    route: &Route,
    addressing: &Addressing,
    (written, mut stopped): (Vec<Written>, Vec<Message>),
    people: &HashMap<CustomerId, Person>,
) -> Result<Vec<Departure>> {
    if let Addressing::Openid { .. } = addressing {
        // What opened a window may be on the log already and not in our tables.
        tokio::select! {
            caught_up = dispatcher.applied.caught_up() => caught_up?,
            () = dispatcher.cx.tasks.stopping().cancelled_owned() => {
                return Err(Error::unavailable("the process is stopping; nothing was claimed yet"));
            }
        }
    }
    let now = dispatcher.cx.clock.now();
    let mut unit = dispatcher.cx.db.begin().await?;
    let openids: Vec<&str> =
        written.iter().flat_map(|one| one.addresses.iter().map(String::as_str)).collect();
    let mut ledger = match addressing {
        Addressing::Openid { app_id } => Some(Ledger::load(unit.db(), workspace, app_id, &openids).await?),
        Addressing::Mail | Addressing::Always => None,
    };
    let mut departures = Vec::new();
    for Written { mut message, content, addresses } in written {
        let charge = ledger.as_mut().map(|ledger| ledger.charge(&addresses, &dispatcher.limits, now));
        let (address, charge) = match charge {
            None => (addresses.into_iter().next().unwrap_or_default(), None),
            Some(Some(charge)) => (charge.openid().to_owned(), Some(charge)),
            Some(None) => {
                message.progress.skip("outside_reply_window", now);
                stopped.push(message);
                continue;
            }
        };
        message.progress.hand_over();
        message.content = Some(content.clone());
        let outgoing = Outgoing {
            message: message.id,
            idempotency_key: message.idempotency_key.clone(),
            customer: message.customer,
            channel: route.channel.key.clone(),
            address,
            content,
            identifiers: people
                .get(&message.customer)
                .map(|person| person.identifiers.clone())
                .unwrap_or_default(),
            purpose: message.request.purpose.clone(),
            time: now,
        };
        departures.push(Departure { message, outgoing, charge });
    }
    if let Some(ledger) = ledger {
        ledger.save(unit.db()).await?;
    }
    let all: Vec<&Message> = departures.iter().map(|departure| &departure.message).chain(&stopped).collect();
    keep(dispatcher, &mut unit, &all, route.channel.kind.name()).await?;
    if let Err(error) = unit.commit().await {
        let_go(dispatcher, departures).await?;
        return Err(error);
    }
    wake(dispatcher, workspace, stopped.iter());
    Ok(departures)
}

/// After a commit that was reported as failed and may have been made all the same: nothing was handed over, so nothing
/// may stay as if it were. What a reply window was charged stays charged: better one reply too few than one too many.
async fn let_go(dispatcher: &Dispatcher, departures: Vec<Departure>) -> Result<()> {
    let now = dispatcher.cx.clock.now();
    let mut messages: Vec<Message> = departures.into_iter().map(|departure| departure.message).collect();
    messages.iter_mut().for_each(|message| message.progress.send_again(now));
    persist(dispatcher, "messages could not be let go", || async {
        let unit = dispatcher.cx.db.begin().await?;
        let claimed = messages::being_sent(unit.db(), messages.iter()).await?;
        let claimed: Vec<&Message> =
            messages.iter().filter(|message| claimed.contains(&message.id)).collect();
        messages::save(unit.db(), &claimed).await?;
        unit.commit().await
    })
    .await
}

/// Tries until it is done: only the end of the process stops it, or that delivery has become another process's; who delivers
/// next finds what was being sent.
async fn persist<F: Future<Output = Result<()>>>(
    dispatcher: &Dispatcher,
    complaint: &str,
    mut work: impl FnMut() -> F,
) -> Result<()> {
    let stopping = dispatcher.cx.tasks.stopping();
    while let Err(error) = work().await {
        if !error.kind.retryable() || Held::is_lost(&error) || stopping.is_cancelled() {
            return Err(error);
        }
        tracing::warn!(error = %kernel::chain(&error), "{complaint}; trying again");
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

async fn hand_over(
    dispatcher: &Dispatcher,
    route: &Route,
    departures: Vec<Departure>,
) -> Vec<(Departure, Outcome)> {
    let send = |departure: Departure| async move {
        let span = trace::span("deliver", "messaging", &departure.message.trace_parent);
        let outcome = Box::pin(route.provider.send(&departure.outgoing)).instrument(span).await;
        (departure, outcome)
    };
    stream::iter(departures).map(send).buffer_unordered(dispatcher.knobs.concurrency).collect().await
}

/// A message whose provider has answered, and whether the platform said that the reply window is shut.
struct Answered {
    departure: Departure,
    shut: bool,
}

/// Notes the answers and commits them. The provider has been called: that is tried until it is done.
async fn settle(
    dispatcher: &Dispatcher,
    workspace: &Workspace,
    route: &Route,
    addressing: &Addressing,
    outcomes: Vec<(Departure, Outcome)>,
) -> Result<()> {
    let now = dispatcher.cx.clock.now();
    let note = |(mut departure, outcome): (Departure, Outcome)| {
        departure.message.progress.answered(&outcome, now, &dispatcher.knobs.retry);
        let shut = matches!(&outcome, Outcome::Refused(fault) if WINDOW_CODES.contains(&fault.code.as_str()));
        Answered { departure, shut }
    };
    let answered: Vec<Answered> = outcomes.into_iter().map(note).collect();
    persist(dispatcher, "answers of a provider could not be kept", || {
        commit_answers(dispatcher, workspace, route, addressing, &answered)
    })
    .await?;
    wake(dispatcher, workspace, answered.iter().map(|one| &one.departure.message));
    Ok(())
}

/// Commits answers with the facts that follow from them; those that an earlier try has committed, although it was reported
/// as failed, not again.
async fn commit_answers(
    dispatcher: &Dispatcher,
    workspace: &Workspace,
    route: &Route,
    addressing: &Addressing,
    answered: &[Answered],
) -> Result<()> {
    let mut unit = dispatcher.cx.db.begin().await?;
    let open = messages::being_sent(unit.db(), answered.iter().map(|one| &one.departure.message)).await?;
    let answered: Vec<&Answered> =
        answered.iter().filter(|one| open.contains(&one.departure.message.id)).collect();
    if let Addressing::Openid { app_id } = addressing {
        let charged: Vec<(&Message, &Charge, bool)> = answered
            .iter()
            .filter_map(|one| Some((&one.departure.message, one.departure.charge.as_ref()?, one.shut)))
            .collect();
        windows::settle(unit.db(), (workspace, app_id), &charged).await?;
    }
    let messages: Vec<&Message> = answered.iter().map(|one| &one.departure.message).collect();
    keep(dispatcher, &mut unit, &messages, route.channel.kind.name()).await?;
    unit.commit().await
}

/// Keeps messages and publishes the facts of those that have come to their end.
async fn keep(dispatcher: &Dispatcher, unit: &mut Unit, all: &[&Message], kind: &str) -> Result<()> {
    messages::save(unit.db(), all).await?;
    for message in all {
        let Some(name) = message.progress.state.fact() else { continue };
        let fact = facts::about(&dispatcher.cx.ids, name, message, kind, dispatcher.cx.clock.now())?;
        unit.publish(&message.workspace, &fact);
    }
    Ok(())
}

/// Wakes the workers of the channels that messages wait for now.
fn wake<'a>(dispatcher: &Dispatcher, workspace: &Workspace, messages: impl Iterator<Item = &'a Message>) {
    let waiting = messages.filter(|message| message.progress.state == State::Queued);
    let channels: BTreeSet<&str> = waiting.map(|message| message.progress.channel.as_str()).collect();
    for channel in channels {
        dispatcher.ring(workspace, channel);
    }
}

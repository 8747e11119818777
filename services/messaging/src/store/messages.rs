//! Queries on messages.

use std::collections::HashSet;

use kernel::page::Page;
use kernel::{CustomerId, Error, MessageId, RecordId, Result, Time, Workspace};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Set,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::StoreResult as _;
use uuid::Uuid;

use super::row::message::{ActiveModel, Column, Entity, Model};
use super::{CHUNK, from_text, to_text};
use crate::domain::message::{Progress, State};
use crate::domain::template::Content;

/// Tells messages that are being handed over; written out, as databases use an index of such rows for no value that is
/// bound later.
pub(super) const SENDING: &str = "state = 'sending'";

/// A message as kept.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) workspace: Workspace,
    pub(crate) id: MessageId,
    pub(crate) idempotency_key: String,
    /// Of the request (`api/send/same.rs`): tells the same request from another one under the same key.
    pub(crate) digest: Vec<u8>,
    pub(crate) customer: CustomerId,
    pub(crate) record: RecordId,
    pub(crate) request: Asked,
    pub(crate) cause_id: String,
    pub(crate) cause_depth: u32,
    pub(crate) trace_parent: String,
    pub(crate) created: Time,
    pub(crate) progress: Progress,
    /// As handed over last.
    pub(crate) content: Option<Content>,
}

/// What was asked for, apart from who gets it and how.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// Kept in a column of its own. Empty when the content was given.
    #[serde(skip)]
    pub(crate) template: String,
    /// Kept in a column of its own: `marketing`, `service`, `transactional` or empty.
    #[serde(skip)]
    pub(crate) purpose: String,
    pub(crate) content: Option<Content>,
    pub(crate) variables: Map<String, Value>,
    /// Properties of the event that caused it.
    pub(crate) event: Map<String, Value>,
    /// Of that event.
    pub(crate) locale: String,
    /// Whoever asked; empty for messages from before this was kept.
    #[serde(default)]
    pub(crate) by: String,
}

/// Of what to list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// `None`: of everybody.
    pub(crate) records: Option<Vec<Uuid>>,
    /// Empty: any.
    pub(crate) channel: String,
    pub(crate) state: Option<State>,
}

/// The messages of those idempotency keys.
pub(crate) async fn of_keys(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    keys: &[&str],
) -> Result<Vec<Message>> {
    let mut found = Vec::new();
    for keys in keys.chunks(CHUNK) {
        let query = Entity::find().filter(Column::Workspace.eq(workspace.as_str()));
        let rows = query.filter(Column::IdempotencyKey.is_in(keys.iter().copied())).all(db).await.db()?;
        for row in rows {
            found.push(read(row)?);
        }
    }
    Ok(found)
}

/// The message of that id, which must be there.
pub(crate) async fn get(db: &impl ConnectionTrait, workspace: &Workspace, id: MessageId) -> Result<Message> {
    let row = Entity::find_by_id((workspace.as_str().to_owned(), id.0)).one(db).await.db()?;
    row.map(read).transpose()?.ok_or_else(|| Error::not_found("message", id))
}

/// One page, newest first, and one more.
pub(crate) async fn list(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Message>> {
    let mut query = Entity::find().filter(Column::Workspace.eq(workspace.as_str()));
    if let Some(after) = &page.after {
        let after = Uuid::try_parse(after)
            .map_err(|_| Error::invalid("page_token", "give back a next_page_token as it came"))?;
        query = query.filter(Column::Id.lt(after));
    }
    if let Some(records) = &filter.records {
        query = query.filter(Column::RecordId.is_in(records.iter().copied()));
    }
    if !filter.channel.is_empty() {
        query = query.filter(Column::Channel.eq(&filter.channel));
    }
    if let Some(state) = filter.state {
        query = query.filter(Column::State.eq(state.name()));
    }
    let rows = query.order_by_desc(Column::Id).limit(page.limit()).all(db).await.db()?;
    rows.into_iter().map(read).collect()
}

/// What is due on a channel, the longest due first.
pub(crate) async fn due(
    db: &impl ConnectionTrait,
    (workspace, channel): (&Workspace, &str),
    now: Time,
    most: usize,
) -> Result<Vec<Message>> {
    let rows = on_channel(workspace, channel)
        .filter(Column::DueAt.lte(now.0))
        .order_by_asc(Column::DueAt)
        .order_by_asc(Column::Id)
        .limit(most as u64)
        .all(db)
        .await
        .db()?;
    rows.into_iter().map(read).collect()
}

/// When something is due next on a channel.
pub(crate) async fn next_due(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    channel: &str,
) -> Result<Option<Time>> {
    let query =
        on_channel(workspace, channel).filter(Column::DueAt.is_not_null()).order_by_asc(Column::DueAt);
    let due: Option<Option<i64>> =
        query.select_only().column(Column::DueAt).into_tuple().one(db).await.db()?;
    Ok(due.flatten().map(Time))
}

/// The channels, with their workspaces, on which something is due some time.
pub(crate) async fn waiting_channels(db: &impl ConnectionTrait) -> Result<Vec<(String, String)>> {
    let query = Entity::find().filter(Column::DueAt.is_not_null()).select_only();
    query.column(Column::Workspace).column(Column::Channel).distinct().into_tuple().all(db).await.db()
}

/// Messages that were being handed over when the process died, so many at the most.
pub(crate) async fn sending(db: &impl ConnectionTrait, most: usize) -> Result<Vec<Message>> {
    let query = Entity::find().filter(Expr::cust(SENDING));
    let rows = query.order_by_asc(Column::Id).limit(most as u64).all(db).await.db()?;
    rows.into_iter().map(read).collect()
}

/// Which of these, of one workspace, are being handed over by what the database says.
pub(crate) async fn being_sent(
    db: &impl ConnectionTrait,
    messages: impl Iterator<Item = &Message>,
) -> Result<HashSet<MessageId>> {
    let messages: Vec<&Message> = messages.collect();
    let mut found = HashSet::new();
    for messages in messages.chunks(CHUNK) {
        let Some(first) = messages.first() else { continue };
        let ids: Vec<Uuid> = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::Workspace.eq(first.workspace.as_str()))
            .filter(Column::Id.is_in(messages.iter().map(|message| message.id.0)))
            .filter(Expr::cust(SENDING))
            .into_tuple()
            .all(db)
            .await
            .db()?;
        found.extend(ids.into_iter().map(MessageId));
    }
    Ok(found)
}

/// Adds new ones.
pub(crate) async fn insert(db: &impl ConnectionTrait, messages: &[Message]) -> Result<()> {
    for messages in messages.chunks(CHUNK) {
        let rows = messages.iter().map(write).collect::<Result<Vec<_>>>()?;
        Entity::insert_many(rows).exec_without_returning(db).await.db()?;
    }
    Ok(())
}

/// Keeps their progress and content.
pub(crate) async fn save(db: &impl ConnectionTrait, messages: &[&Message]) -> Result<()> {
    for messages in messages.chunks(CHUNK) {
        let rows = messages.iter().map(|message| write(message)).collect::<Result<Vec<_>>>()?;
        let replace = OnConflict::columns([Column::Workspace, Column::Id])
            .update_columns([
                Column::Channel,
                Column::State,
                Column::Reason,
                Column::ProviderId,
                Column::Tries,
                Column::Attempts,
                Column::Content,
                Column::SentAt,
                Column::DueAt,
            ])
            .to_owned();
        Entity::insert_many(rows).on_conflict(replace).exec_without_returning(db).await.db()?;
    }
    Ok(())
}

fn on_channel(workspace: &Workspace, channel: &str) -> sea_orm::Select<Entity> {
    let here =
        Condition::all().add(Column::Workspace.eq(workspace.as_str())).add(Column::Channel.eq(channel));
    Entity::find().filter(here)
}

fn read(row: Model) -> Result<Message> {
    let asked: Asked = from_text(&row.request)?;
    Ok(Message {
        workspace: Workspace::new(row.workspace),
        id: MessageId(row.id),
        idempotency_key: row.idempotency_key,
        digest: row.digest,
        customer: CustomerId(row.customer_id),
        record: RecordId(row.record_id),
        request: Asked { template: row.template, purpose: row.purpose, ..asked },
        cause_id: row.cause_id,
        cause_depth: u32::try_from(row.cause_depth).unwrap_or(0),
        trace_parent: row.trace_parent,
        created: Time(row.created_at),
        progress: Progress {
            channels: from_text(&row.channels)?,
            channel: row.channel,
            state: State::read(&row.state)?,
            reason: row.reason,
            provider_id: row.provider_id,
            tries: u32::try_from(row.tries).unwrap_or(0),
            attempts: from_text(&row.attempts)?,
            sent: row.sent_at.map(Time),
            due: row.due_at.map(Time),
        },
        content: row.content.as_deref().map(from_text).transpose()?,
    })
}

fn write(message: &Message) -> Result<ActiveModel> {
    let progress = &message.progress;
    Ok(ActiveModel {
        workspace: Set(message.workspace.as_str().to_owned()),
        id: Set(message.id.0),
        idempotency_key: Set(message.idempotency_key.clone()),
        digest: Set(message.digest.clone()),
        customer_id: Set(message.customer.0),
        record_id: Set(message.record.0),
        template: Set(message.request.template.clone()),
        purpose: Set(message.request.purpose.clone()),
        request: Set(to_text(&message.request)?),
        cause_id: Set(message.cause_id.clone()),
        cause_depth: Set(i32::try_from(message.cause_depth).unwrap_or(i32::MAX)),
        trace_parent: Set(message.trace_parent.clone()),
        created_at: Set(message.created.0),
        channels: Set(to_text(&progress.channels)?),
        channel: Set(progress.channel.clone()),
        state: Set(progress.state.name().to_owned()),
        reason: Set(progress.reason.clone()),
        provider_id: Set(progress.provider_id.clone()),
        tries: Set(i32::try_from(progress.tries).unwrap_or(i32::MAX)),
        attempts: Set(to_text(&progress.attempts)?),
        content: Set(message.content.as_ref().map(to_text).transpose()?),
        sent_at: Set(progress.sent.map(|time| time.0)),
        due_at: Set(progress.due.map(|time| time.0)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_of_those_that_are_being_handed_over() {
        assert_eq!(SENDING, format!("state = '{}'", State::Sending.name()));
    }
}

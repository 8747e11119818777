//! Writing records and links.

use kernel::{Result, Workspace};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, QueryFilter as _, Set};
use store::StoreResult as _;

use super::CHUNK;
use super::row::{link, record};
use crate::domain::{LinkKey, StoredLink, StoredRecord};

/// New records, and those that belong to somebody else now.
pub(crate) async fn records(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    records: &[StoredRecord],
) -> Result<()> {
    let replace =
        OnConflict::columns([record::Column::Workspace, record::Column::Namespace, record::Column::Value])
            .update_columns([record::Column::CustomerId, record::Column::Founder])
            .to_owned();
    for chunk in records.chunks(CHUNK) {
        let rows = chunk.iter().map(|record| record::ActiveModel {
            workspace: Set(workspace.to_string()),
            namespace: Set(record.identifier.namespace.to_string()),
            value: Set(record.identifier.value.to_string()),
            record_id: Set(record.record.0),
            customer_id: Set(record.customer.0),
            founder: Set(record.founder),
            created_at: Set(record.created_at.0),
        });
        let insert = record::Entity::insert_many(rows).on_conflict(replace.clone());
        insert.exec_without_returning(db).await.db()?;
    }
    Ok(())
}

/// New links, and those whose evidence or verdict changed.
pub(crate) async fn links(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    links: &[StoredLink],
) -> Result<()> {
    use link::Column::{A, Actor, B, Cause, Rule, Time, Verdict, Workspace};
    let replace =
        OnConflict::columns([Workspace, A, B, Rule]).update_columns([Time, Cause, Actor, Verdict]).to_owned();
    for chunk in links.chunks(CHUNK) {
        let rows = chunk.iter().map(|link| link::ActiveModel {
            workspace: Set(workspace.to_string()),
            a: Set(link.key.a.0),
            b: Set(link.key.b.0),
            rule: Set(link.key.rule.name().to_owned()),
            time: Set(link.evidence.time.0),
            cause: Set(link.evidence.cause.to_string()),
            actor: Set(link.evidence.actor.to_string()),
            verdict: Set(link.verdict.name().to_owned()),
        });
        link::Entity::insert_many(rows).on_conflict(replace.clone()).exec_without_returning(db).await.db()?;
    }
    Ok(())
}

/// Forgets links.
pub(crate) async fn remove(db: &impl ConnectionTrait, workspace: &Workspace, keys: &[LinkKey]) -> Result<()> {
    for chunk in keys.chunks(CHUNK) {
        let any = chunk.iter().fold(Condition::any(), |any, key| {
            any.add(
                Condition::all()
                    .add(link::Column::A.eq(key.a.0))
                    .add(link::Column::B.eq(key.b.0))
                    .add(link::Column::Rule.eq(key.rule.name())),
            )
        });
        let delete =
            link::Entity::delete_many().filter(link::Column::Workspace.eq(workspace.as_str())).filter(any);
        delete.exec(db).await.db()?;
    }
    Ok(())
}

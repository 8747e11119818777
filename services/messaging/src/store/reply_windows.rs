//! Queries on reply windows.

use std::collections::HashMap;

use kernel::{Error, Result, Time, Workspace};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, Set};
use store::StoreResult as _;

use super::CHUNK;
use super::row::reply_window::{ActiveModel, Column, Entity};
use crate::domain::reply_window::{Opened, Trigger, Windows};

/// Windows by openid, of one account.
pub(crate) type ByOpenid = HashMap<String, Windows>;

/// The windows of those users of one account; a user without any has none of them.
pub(crate) async fn load(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    app_id: &str,
    openids: &[&str],
) -> Result<ByOpenid> {
    let mut found: ByOpenid =
        openids.iter().map(|openid| ((*openid).to_owned(), Windows::default())).collect();
    for openids in openids.chunks(CHUNK) {
        let query = Entity::find()
            .filter(Column::Workspace.eq(workspace.as_str()))
            .filter(Column::AppId.eq(app_id))
            .filter(Column::Openid.is_in(openids.iter().copied()));
        for row in query.all(db).await.db()? {
            let trigger = Trigger::read(&row.trigger).ok_or_else(|| {
                Error::internal(format!("a stored window has the unknown trigger `{}`", row.trigger))
            })?;
            let opened =
                Opened { trigger, at: Time(row.opened_at), used: u32::try_from(row.used).unwrap_or(0) };
            found.entry(row.openid).or_default().opened.push(opened);
        }
    }
    Ok(found)
}

/// Keeps them all.
pub(crate) async fn save(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    app_id: &str,
    windows: &ByOpenid,
) -> Result<()> {
    let rows: Vec<ActiveModel> = windows
        .iter()
        .flat_map(|(openid, windows)| windows.opened.iter().map(move |opened| (openid, opened)))
        .map(|(openid, opened)| ActiveModel {
            workspace: Set(workspace.as_str().to_owned()),
            app_id: Set(app_id.to_owned()),
            openid: Set(openid.clone()),
            trigger: Set(opened.trigger.name().to_owned()),
            opened_at: Set(opened.at.0),
            used: Set(i32::try_from(opened.used).unwrap_or(i32::MAX)),
        })
        .collect();
    for rows in rows.chunks(CHUNK) {
        let replace =
            OnConflict::columns([Column::Workspace, Column::AppId, Column::Openid, Column::Trigger])
                .update_columns([Column::OpenedAt, Column::Used])
                .to_owned();
        Entity::insert_many(rows.iter().cloned())
            .on_conflict(replace)
            .exec_without_returning(db)
            .await
            .db()?;
    }
    Ok(())
}

/// Closes every window of those users of one account.
pub(crate) async fn close(
    db: &impl ConnectionTrait,
    workspace: &Workspace,
    app_id: &str,
    openids: &[&str],
) -> Result<()> {
    for openids in openids.chunks(CHUNK) {
        Entity::delete_many()
            .filter(Column::Workspace.eq(workspace.as_str()))
            .filter(Column::AppId.eq(app_id))
            .filter(Column::Openid.is_in(openids.iter().copied()))
            .exec(db)
            .await
            .db()?;
    }
    Ok(())
}

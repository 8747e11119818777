//! Channels as rows.

use kernel::{Result, Time, Workspace};
use sea_orm::{ConnectionTrait, EntityTrait as _, QuerySelect as _, Set};
use store::StoreResult as _;

use super::keyed::Keyed;
use super::row::channel::{ActiveModel, Column, Entity, Model};
use super::{from_text, to_text};
use crate::domain::channel::{Channel, Kind};

impl Keyed for Channel {
    type Entity = Entity;
    const WHAT: &'static str = "channel";
    const WORKSPACE: Column = Column::Workspace;
    const KEY: Column = Column::Key;

    fn key(&self) -> &str {
        &self.key
    }

    fn read(row: Model) -> Result<Self> {
        Ok(Self {
            kind: Kind::read(&row.kind)?,
            shown: from_text(&row.settings)?,
            secrets: from_text(&row.secrets)?,
            key: row.key,
            name: row.name,
            rate: row.rate,
            created: Time(row.created_at),
            updated: Time(row.updated_at),
        })
    }

    fn write(&self, workspace: &Workspace) -> Result<ActiveModel> {
        Ok(ActiveModel {
            workspace: Set(workspace.as_str().to_owned()),
            key: Set(self.key.clone()),
            name: Set(self.name.clone()),
            kind: Set(self.kind.name().to_owned()),
            settings: Set(to_text(&self.shown)?),
            secrets: Set(to_text(&self.secrets)?),
            rate: Set(self.rate.clone()),
            created_at: Set(self.created.0),
            updated_at: Set(self.updated.0),
        })
    }
}

/// Workspace and key of every channel there is.
pub(crate) async fn keys(db: &impl ConnectionTrait) -> Result<Vec<(String, String)>> {
    Entity::find().select_only().column(Column::Workspace).column(Column::Key).into_tuple().all(db).await.db()
}

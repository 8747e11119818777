//! Templates as rows.

use kernel::{Result, Time, Workspace};
use sea_orm::Set;

use super::keyed::Keyed;
use super::row::template::{ActiveModel, Column, Entity, Model};
use super::{from_text, to_text};
use crate::domain::template::Variant;

/// A template as kept.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) variants: Vec<Variant>,
    pub(crate) created: Time,
    pub(crate) updated: Time,
}

impl Keyed for Template {
    type Entity = Entity;
    const WHAT: &'static str = "template";
    const WORKSPACE: Column = Column::Workspace;
    const KEY: Column = Column::Key;

    fn key(&self) -> &str {
        &self.key
    }

    fn read(row: Model) -> Result<Self> {
        Ok(Self {
            variants: from_text(&row.variants)?,
            key: row.key,
            name: row.name,
            created: Time(row.created_at),
            updated: Time(row.updated_at),
        })
    }

    fn write(&self, workspace: &Workspace) -> Result<ActiveModel> {
        Ok(ActiveModel {
            workspace: Set(workspace.as_str().to_owned()),
            key: Set(self.key.clone()),
            name: Set(self.name.clone()),
            variants: Set(to_text(&self.variants)?),
            created_at: Set(self.created.0),
            updated_at: Set(self.updated.0),
        })
    }
}

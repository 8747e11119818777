//! `CreateJourney`, `UpdateJourney`, `GetJourney`, `ListJourneys`, `DeleteJourney`.

use chassis::{Caller, audit};
use kernel::page::Page;
use kernel::{Error, Result, Violation};
use prost::Message as _;
use wire::journey as proto;

use crate::api::Api;
use crate::domain::key::is_slug;
use crate::store::journeys::{self, Journey};
use crate::store::{dates, runs, tallies};

/// A draft may be unfinished; it needs a key and a definition.
fn read(journey: Option<proto::Journey>) -> Result<(String, String, Vec<u8>)> {
    let journey = journey.ok_or_else(|| Error::invalid("journey", "must be given"))?;
    let mut wrong = Vec::new();
    let mut refuse = |field: &str, description: &str| {
        wrong.push(Violation { field: field.to_owned(), description: description.to_owned() });
    };
    if !is_slug(&journey.key) {
        refuse("journey.key", "a key is made of a-z, 0-9, `_`, `.` and `-`, 63 characters at the most");
    }
    if journey.definition.is_none() {
        refuse("journey.definition", "must be given; it may be unfinished");
    }
    if !wrong.is_empty() {
        return Err(Error::violations(wrong));
    }
    Ok((journey.key, journey.name, journey.definition.unwrap_or_default().encode_to_vec()))
}

impl Api {
    pub(super) async fn do_create(
        &self,
        caller: Caller,
        message: proto::CreateJourneyRequest,
    ) -> Result<proto::CreateJourneyResponse> {
        let (key, name, draft) = read(message.journey)?;
        let now = self.shared.cx.clock.now().0;
        let row = Journey {
            workspace: caller.workspace.to_string(),
            key,
            name,
            state: journeys::DRAFT.to_owned(),
            version: 0,
            draft,
            created_at: now,
            updated_at: now,
            backfill: None,
        };
        let mut unit = self.shared.cx.db.begin().await?;
        journeys::insert(unit.db(), row.clone()).await?;
        let journey = journeys::shown(row)?;
        audit::created(&mut unit, &caller, ("journey", &journey.key), &journey)?;
        unit.commit().await?;
        Ok(proto::CreateJourneyResponse { journey: Some(journey) })
    }

    pub(super) async fn do_update(
        &self,
        caller: Caller,
        message: proto::UpdateJourneyRequest,
    ) -> Result<proto::UpdateJourneyResponse> {
        let (key, name, draft) = read(message.journey)?;
        let mut unit = self.shared.cx.db.begin().await?;
        let mut row = journeys::find(unit.db(), &caller.workspace, &key).await?;
        let before = journeys::shown(row.clone())?;
        row.name = name;
        row.draft = draft;
        row.touch(self.shared.cx.clock.now());
        journeys::update(unit.db(), row.clone()).await?;
        let journey = journeys::shown(row)?;
        audit::changed(&mut unit, &caller, ("journey", &key), &before, &journey)?;
        unit.commit().await?;
        Ok(proto::UpdateJourneyResponse { journey: Some(journey) })
    }

    pub(super) async fn do_get(
        &self,
        caller: Caller,
        message: proto::GetJourneyRequest,
    ) -> Result<proto::GetJourneyResponse> {
        let row = journeys::find(self.shared.cx.db.read(), &caller.workspace, &message.key).await?;
        Ok(proto::GetJourneyResponse { journey: Some(journeys::shown(row)?) })
    }

    pub(super) async fn do_list(
        &self,
        caller: Caller,
        message: proto::ListJourneysRequest,
    ) -> Result<proto::ListJourneysResponse> {
        let page = Page::read(message.page_size, &message.page_token)?;
        let mut rows = journeys::list(self.shared.cx.db.read(), &caller.workspace, &page).await?;
        let next_page_token = page.cut(&mut rows, |row| row.key.clone());
        let journeys = rows.into_iter().map(journeys::shown).collect::<Result<_>>()?;
        Ok(proto::ListJourneysResponse { journeys, next_page_token })
    }

    pub(super) async fn do_delete(
        &self,
        caller: Caller,
        message: proto::DeleteJourneyRequest,
    ) -> Result<proto::DeleteJourneyResponse> {
        let (workspace, key) = (&caller.workspace, message.key.as_str());
        let mut unit = self.shared.cx.db.begin().await?;
        let before = journeys::shown(journeys::find(unit.db(), workspace, key).await?)?;
        if runs::any_live(unit.db(), workspace, key).await? {
            let message = format!("runs are under way in journey `{key}`; archive it first");
            return Err(Error::precondition("JOURNEY_HAS_RUNS", message));
        }
        journeys::delete(unit.db(), workspace, key).await?;
        runs::delete(unit.db(), workspace, key).await?;
        tallies::delete(unit.db(), workspace, key).await?;
        dates::delete(unit.db(), workspace, key).await?;
        audit::deleted(&mut unit, &caller, ("journey", key), &before)?;
        let shared = self.shared.clone();
        unit.afterwards(move || shared.registry.clear());
        unit.commit().await?;
        Ok(proto::DeleteJourneyResponse {})
    }
}

//! `PauseJourney`, `ResumeJourney`, `ArchiveJourney`.

use chassis::{Caller, audit};
use kernel::{Error, Result};
use wire::journey as proto;

use crate::api::Api;
use crate::store::journeys::{self, ARCHIVED, LIVE, PAUSED};
use crate::store::runs::{self, Pace};

impl Api {
    /// Changes a journey's state, if it is in one of `from`; already being in `to` changes nothing.
    async fn turn(
        &self,
        caller: &Caller,
        key: &str,
        from: &[&str],
        to: &str,
        pace: Pace,
    ) -> Result<proto::Journey> {
        let mut unit = self.shared.cx.db.begin().await?;
        let mut row = journeys::find(unit.db(), &caller.workspace, key).await?;
        if row.state == to {
            return journeys::shown(row);
        }
        if !from.contains(&row.state.as_str()) {
            let message =
                format!("journey `{key}` is {}; this needs one that is {}", row.state, from.join(" or "));
            return Err(Error::precondition("JOURNEY_STATE", message));
        }
        let before = journeys::shown(row.clone())?;
        to.clone_into(&mut row.state);
        row.touch(self.shared.cx.clock.now());
        journeys::update(unit.db(), row.clone()).await?;
        runs::pace(unit.db(), &caller.workspace, key, pace).await?;
        let journey = journeys::shown(row)?;
        audit::changed(&mut unit, caller, ("journey", key), &before, &journey)?;
        let shared = self.shared.clone();
        unit.afterwards(move || {
            shared.registry.clear();
            shared.runs.ring();
            shared.dates.ring();
        });
        unit.commit().await?;
        Ok(journey)
    }

    pub(super) async fn do_pause(
        &self,
        caller: Caller,
        message: proto::PauseJourneyRequest,
    ) -> Result<proto::PauseJourneyResponse> {
        let journey = self.turn(&caller, &message.key, &[LIVE], PAUSED, Pace::Held).await?;
        Ok(proto::PauseJourneyResponse { journey: Some(journey) })
    }

    pub(super) async fn do_resume(
        &self,
        caller: Caller,
        message: proto::ResumeJourneyRequest,
    ) -> Result<proto::ResumeJourneyResponse> {
        let journey = self.turn(&caller, &message.key, &[PAUSED], LIVE, Pace::AsPlanned).await?;
        Ok(proto::ResumeJourneyResponse { journey: Some(journey) })
    }

    /// The runs are ended by the executor, batch by batch.
    pub(super) async fn do_archive(
        &self,
        caller: Caller,
        message: proto::ArchiveJourneyRequest,
    ) -> Result<proto::ArchiveJourneyResponse> {
        let at_once = Pace::AtOnce(self.shared.cx.clock.now());
        let from = [journeys::DRAFT, LIVE, PAUSED];
        let journey = self.turn(&caller, &message.key, &from, ARCHIVED, at_once).await?;
        Ok(proto::ArchiveJourneyResponse { journey: Some(journey) })
    }
}

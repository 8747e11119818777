//! `ValidateJourney` and `PublishJourney`.

use chassis::{Caller, audit};
use kernel::{Error, Result};
use wire::journey as proto;

use crate::api::{Api, references};
use crate::domain::entry::Trigger;
use crate::domain::{Definition, Problems};
use crate::store::journeys;

impl Api {
    /// Everything wrong with a definition: by itself, and in what it names.
    async fn check(
        &self,
        caller: &Caller,
        given: &proto::Definition,
    ) -> Result<Result<Definition, Problems>> {
        let definition = match Definition::read(given) {
            Ok(definition) => definition,
            Err(problems) => return Ok(Err(problems)),
        };
        let mut problems = Problems::default();
        // Whoever may publish may know whether a name exists, whatever else the token allows.
        let system = Caller::system(caller.workspace.clone(), "journey");
        references::check(&self.shared.cx, &system, definition.mentions(), &mut problems).await?;
        Ok(if problems.is_empty() { Ok(definition) } else { Err(problems) })
    }

    pub(super) async fn do_validate(
        &self,
        caller: Caller,
        message: proto::ValidateJourneyRequest,
    ) -> Result<proto::ValidateJourneyResponse> {
        let given = message.definition.ok_or_else(|| Error::invalid("definition", "must be given"))?;
        let checked = self.check(&caller, &given).await?;
        let problems = checked.err().map_or_else(Vec::new, Problems::into_list);
        Ok(proto::ValidateJourneyResponse { problems })
    }

    pub(super) async fn do_publish(
        &self,
        caller: Caller,
        message: proto::PublishJourneyRequest,
    ) -> Result<proto::PublishJourneyResponse> {
        let (workspace, key) = (&caller.workspace, message.key.as_str());
        let draft = journeys::find(self.shared.cx.db.read(), workspace, key).await?.draft;
        let given = journeys::decode(&draft)?;
        let definition = self.check(&caller, &given).await?.map_err(Problems::into_error)?;
        let mut unit = self.shared.cx.db.begin().await?;
        let mut row = journeys::find(unit.db(), workspace, key).await?;
        if row.draft != draft {
            let message = format!("the draft of journey `{key}` has changed meanwhile; publish again");
            return Err(Error::new(kernel::Kind::Aborted, "DRAFT_CHANGED", message));
        }
        let before = journeys::shown(row.clone())?;
        let live = journeys::version(unit.db(), workspace, key, row.version).await?;
        // Compared as messages: the order of nodes in the bytes says nothing.
        let same = match &live {
            Some(live) => journeys::decode(&live.body)? == given,
            None => false,
        };
        let revived = row.state == journeys::ARCHIVED;
        if !same {
            row.version += 1;
            journeys::add_version(unit.db(), &row).await?;
        }
        if row.state != journeys::PAUSED {
            journeys::LIVE.clone_into(&mut row.state);
        }
        if (!same || revived) && matches!(definition.entry.trigger, Trigger::Date(_)) {
            row.backfill = Some(String::new());
        }
        row.touch(self.shared.cx.clock.now());
        journeys::update(unit.db(), row.clone()).await?;
        let journey = journeys::shown(row)?;
        audit::changed(&mut unit, &caller, ("journey", key), &before, &journey)?;
        let shared = self.shared.clone();
        unit.afterwards(move || {
            shared.registry.clear();
            shared.dates.ring();
        });
        unit.commit().await?;
        Ok(proto::PublishJourneyResponse { journey: Some(journey) })
    }
}

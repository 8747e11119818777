//! Tier sets: create, get, list, update, delete, distribution.

use chassis::Caller;
use kernel::page::Page;
use kernel::{Error, Result};
use wire::segmentation::*;

use super::{Api, convert, save, segments};
use crate::domain::definition::Kind;
use crate::domain::validate::{Draft, DraftPart};
use crate::store::members;

const SPACE: &str = Kind::Tiers.space();

impl Api {
    pub(super) async fn do_create_tier_set(
        &self,
        caller: Caller,
        message: CreateTierSetRequest,
    ) -> Result<CreateTierSetResponse> {
        let saved = self.create(&caller, &draft(message.tier_set)?).await?;
        Ok(CreateTierSetResponse { tier_set: Some(convert::tier_set(&saved)) })
    }

    pub(super) async fn do_get_tier_set(
        &self,
        caller: Caller,
        message: GetTierSetRequest,
    ) -> Result<GetTierSetResponse> {
        let catalogue = self.engine()?.committed(&caller.workspace).await?;
        let given = save::find(&catalogue, SPACE, &message.key)?;
        Ok(GetTierSetResponse { tier_set: Some(convert::tier_set(given)) })
    }

    pub(super) async fn do_list_tier_sets(
        &self,
        caller: Caller,
        message: ListTierSetsRequest,
    ) -> Result<ListTierSetsResponse> {
        let page = Page::read(message.page_size, &message.page_token)?;
        let catalogue = self.engine()?.committed(&caller.workspace).await?;
        let tier_sets = catalogue.definitions.iter().filter(|given| given.kind == Kind::Tiers);
        let mut rows = segments::page_of(tier_sets, &page);
        let next_page_token = page.cut(&mut rows, |given| given.key.clone());
        Ok(ListTierSetsResponse {
            tier_sets: rows.into_iter().map(convert::tier_set).collect(),
            next_page_token,
        })
    }

    pub(super) async fn do_update_tier_set(
        &self,
        caller: Caller,
        message: UpdateTierSetRequest,
    ) -> Result<UpdateTierSetResponse> {
        let saved = self.update(&caller, &draft(message.tier_set)?).await?;
        Ok(UpdateTierSetResponse { tier_set: Some(convert::tier_set(&saved)) })
    }

    pub(super) async fn do_delete_tier_set(
        &self,
        caller: Caller,
        message: DeleteTierSetRequest,
    ) -> Result<DeleteTierSetResponse> {
        self.delete(&caller, SPACE, &message.key).await?;
        Ok(DeleteTierSetResponse {})
    }

    /// Of what is in effect: while an update is built, of the former tiers.
    pub(super) async fn do_get_tier_distribution(
        &self,
        caller: Caller,
        message: GetTierDistributionRequest,
    ) -> Result<GetTierDistributionResponse> {
        let catalogue = self.engine()?.committed(&caller.workspace).await?;
        let given = save::find(&catalogue, SPACE, &message.key)?;
        let parts = if given.active.is_empty() { &given.latest } else { &given.active };
        let ids: Vec<u32> = parts.iter().map(|part| part.id).collect();
        let sizes = members::sizes(self.engine()?.cx.db.read(), &caller.workspace, &ids).await?;
        let total: i64 = sizes.values().sum();
        let tier = |part: &crate::domain::definition::Part| {
            let customers = sizes.get(&part.id).copied().unwrap_or(0);
            let share = if total == 0 { 0.0 } else { customers as f64 / total as f64 };
            TierCount { key: part.key.clone(), name: part.name.clone(), customers, share }
        };
        Ok(GetTierDistributionResponse { tiers: parts.iter().map(tier).collect(), total })
    }
}

fn draft(tier_set: Option<TierSet>) -> Result<Draft> {
    let tier_set = tier_set.ok_or_else(|| Error::invalid("tier_set", "give a tier set"))?;
    let part = |(at, tier): (usize, Tier)| DraftPart {
        key: tier.key,
        name: tier.name,
        condition: Some(tier.condition).filter(|condition| !condition.trim().is_empty()),
        field: format!("tier_set.tiers[{at}].condition"),
    };
    let parts = tier_set.tiers.into_iter().enumerate().map(part).collect();
    Ok(Draft { key: tier_set.key, name: tier_set.name, kind: Kind::Tiers, parts })
}

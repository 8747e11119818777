//! Channels: kept, shown without secrets, tested.

use chassis::{Caller, audit, values};
use kernel::page::Page;
use kernel::{Error, Result};
use serde_json::Map;
use wire::messaging as pb;

use super::{Api, convert};
use crate::domain::channel::Channel;
use crate::provider::Provider;
use crate::store::keyed;

/// As the audit log names them.
const WHAT: &str = "channel";

impl Api {
    pub(super) async fn do_create_channel(
        &self,
        caller: Caller,
        request: pb::CreateChannelRequest,
    ) -> Result<pb::CreateChannelResponse> {
        let given = request.channel.ok_or_else(|| Error::invalid("channel", "is required"))?;
        let kind = convert::kind(given.kind)?
            .ok_or_else(|| Error::invalid("channel.kind", "write smtp, webhook, wechat_oa or sandbox"))?;
        let now = self.clock.now();
        let mut channel = Channel {
            key: given.key,
            name: given.name,
            kind,
            shown: Map::new(),
            secrets: Map::new(),
            rate: given.limits.unwrap_or_default().rate,
            created: now,
            updated: now,
        };
        channel.set(given.settings.map(values::from_struct).unwrap_or_default());
        channel.validate()?;
        let mut unit = self.db.begin().await?;
        keyed::insert(unit.db(), &caller.workspace, &channel).await?;
        audit::created(&mut unit, &caller, (WHAT, &channel.key), &convert::whole(&channel))?;
        self.ring_after(&mut unit, &caller.workspace, &channel.key);
        unit.commit().await?;
        Ok(pb::CreateChannelResponse { channel: Some(convert::channel(channel)) })
    }

    pub(super) async fn do_get_channel(
        &self,
        caller: Caller,
        request: pb::GetChannelRequest,
    ) -> Result<pb::GetChannelResponse> {
        let channel: Channel = keyed::get(self.db.read(), &caller.workspace, &request.key).await?;
        Ok(pb::GetChannelResponse { channel: Some(convert::channel(channel)) })
    }

    pub(super) async fn do_list_channels(
        &self,
        caller: Caller,
        request: pb::ListChannelsRequest,
    ) -> Result<pb::ListChannelsResponse> {
        let page = Page::read(request.page_size, &request.page_token)?;
        let mut found: Vec<Channel> = keyed::list(self.db.read(), &caller.workspace, &page).await?;
        let next_page_token = page.cut(&mut found, |channel| channel.key.clone());
        Ok(pb::ListChannelsResponse {
            channels: found.into_iter().map(convert::channel).collect(),
            next_page_token,
        })
    }

    pub(super) async fn do_update_channel(
        &self,
        caller: Caller,
        request: pb::UpdateChannelRequest,
    ) -> Result<pb::UpdateChannelResponse> {
        let given = request.channel.ok_or_else(|| Error::invalid("channel", "is required"))?;
        let mut unit = self.db.begin().await?;
        let mut channel: Channel = keyed::get(unit.db(), &caller.workspace, &given.key).await?;
        let before = convert::whole(&channel);
        if convert::kind(given.kind)?.is_some_and(|kind| kind != channel.kind) {
            return Err(Error::invalid(
                "channel.kind",
                "stays what it is; make another channel for another kind",
            ));
        }
        channel.name = given.name;
        channel.rate = given.limits.unwrap_or_default().rate;
        channel.updated = self.clock.now();
        channel.set(given.settings.map(values::from_struct).unwrap_or_default());
        channel.validate()?;
        keyed::update(unit.db(), &caller.workspace, &channel).await?;
        audit::changed(&mut unit, &caller, (WHAT, &channel.key), &before, &convert::whole(&channel))?;
        self.ring_after(&mut unit, &caller.workspace, &channel.key);
        unit.commit().await?;
        Ok(pb::UpdateChannelResponse { channel: Some(convert::channel(channel)) })
    }

    /// Messages that wait for the channel go on to their next one.
    pub(super) async fn do_delete_channel(
        &self,
        caller: Caller,
        request: pb::DeleteChannelRequest,
    ) -> Result<pb::DeleteChannelResponse> {
        let mut unit = self.db.begin().await?;
        let channel: Channel = keyed::get(unit.db(), &caller.workspace, &request.key).await?;
        keyed::delete::<Channel>(unit.db(), &caller.workspace, &request.key).await?;
        audit::deleted(&mut unit, &caller, (WHAT, &channel.key), &convert::whole(&channel))?;
        self.ring_after(&mut unit, &caller.workspace, &request.key);
        unit.commit().await?;
        Ok(pb::DeleteChannelResponse {})
    }

    pub(super) async fn do_test_channel(
        &self,
        caller: Caller,
        request: pb::TestChannelRequest,
    ) -> Result<pb::TestChannelResponse> {
        let channel: Channel = keyed::get(self.db.read(), &caller.workspace, &request.key).await?;
        let message = match Provider::new(&channel, &self.around)?.test().await {
            Ok(()) => String::new(),
            Err(message) => message,
        };
        Ok(pb::TestChannelResponse { ok: message.is_empty(), message })
    }
}

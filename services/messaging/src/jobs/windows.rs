//! Reply windows of a batch: which address may be written to now, and giving back what was not used.

use kernel::{Result, Time, Workspace};
use sea_orm::ConnectionTrait;

use crate::domain::message::State;
use crate::domain::reply_window::{Limits, Trigger};
use crate::store::messages::Message;
use crate::store::reply_windows::{self, ByOpenid};

/// The windows of the users a batch is for, of one account.
pub(super) struct Ledger<'a> {
    workspace: &'a Workspace,
    app_id: &'a str,
    windows: ByOpenid,
}

/// The window a message was charged to.
#[derive(Clone, Debug)]
pub(super) struct Charge {
    openid: String,
    trigger: Trigger,
}

impl<'a> Ledger<'a> {
    /// Reads them.
    pub(super) async fn load(
        db: &impl ConnectionTrait,
        workspace: &'a Workspace,
        app_id: &'a str,
        openids: &[&str],
    ) -> Result<Self> {
        let windows = reply_windows::load(db, workspace, app_id, openids).await?;
        Ok(Self { workspace, app_id, windows })
    }

    /// Charges a message to the first of `openids` that may be written to.
    pub(super) fn charge(&mut self, openids: &[String], limits: &Limits, now: Time) -> Option<Charge> {
        openids.iter().find_map(|openid| {
            let trigger = self.windows.get_mut(openid)?.spend(limits, now)?;
            Some(Charge { openid: openid.clone(), trigger })
        })
    }

    /// Keeps them.
    pub(super) async fn save(&self, db: &impl ConnectionTrait) -> Result<()> {
        reply_windows::save(db, self.workspace, self.app_id, &self.windows).await
    }
}

impl Charge {
    /// Who is written to.
    pub(super) fn openid(&self) -> &str {
        &self.openid
    }
}

/// After the platform's answers: closes what it says is closed, and gives back what it did not take.
pub(super) async fn settle(
    db: &impl ConnectionTrait,
    (workspace, app_id): (&Workspace, &str),
    answered: &[(&Message, &Charge, bool)],
) -> Result<()> {
    let shut: Vec<&str> =
        answered.iter().filter(|(.., shut)| *shut).map(|(_, charge, _)| charge.openid.as_str()).collect();
    reply_windows::close(db, workspace, app_id, &shut).await?;
    // What has been closed is not there to be given back to: loading finds nothing for it.
    let unused = |(message, _, shut): &&(&Message, &Charge, bool)| {
        !shut && !matches!(message.progress.state, State::Sent | State::Unknown)
    };
    let unused: Vec<&Charge> = answered.iter().filter(unused).map(|(_, charge, _)| *charge).collect();
    if unused.is_empty() {
        return Ok(());
    }
    let openids: Vec<&str> = unused.iter().map(|charge| charge.openid.as_str()).collect();
    let mut windows = reply_windows::load(db, workspace, app_id, &openids).await?;
    for charge in unused {
        windows.entry(charge.openid.clone()).or_default().refund(charge.trigger);
    }
    reply_windows::save(db, workspace, app_id, &windows).await
}

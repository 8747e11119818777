//! `message_replied`, `wechat.subscribed`, `wechat.menu_clicked`, `wechat.scanned` open reply windows;
//! `wechat.unsubscribed` closes them all.

use std::collections::{BTreeMap, BTreeSet};

use chassis::fact;
use kernel::{Result, Time, Workspace};
use store::{Delivery, Unit};

use crate::domain::reply_window::Trigger;
use crate::store::reply_windows;

/// Before the app id in an identifier's namespace.
const OPENID: &str = "wechat.openid:";

/// How events from an Official Account name their channel.
const CHANNEL: &str = "wechat_oa";

/// Closes all windows.
const UNSUBSCRIBED: &str = "wechat.unsubscribed";

/// What happened to one user of one account.
struct Happened<'a> {
    openid: &'a str,
    /// `None`: stopped following.
    trigger: Option<Trigger>,
    at: Time,
}

/// Whether events of this name open or close windows.
pub(super) fn concerns(name: &str) -> bool {
    name == UNSUBSCRIBED || Trigger::of_event(name).is_some()
}

/// Applies a batch; each account is read and written once.
pub(super) async fn apply(unit: &mut Unit, batch: &[Delivery]) -> Result<()> {
    let mut accounts: BTreeMap<(&Workspace, &str), Vec<Happened<'_>>> = BTreeMap::new();
    for delivery in batch {
        let event = &delivery.event;
        let trigger = match Trigger::of_event(&event.name) {
            Some(trigger) => Some(trigger),
            None if event.name == UNSUBSCRIBED => None,
            None => continue,
        };
        // A reply by mail or on a web page opens nothing.
        if event.context.as_ref().is_some_and(|context| !["", CHANNEL].contains(&context.channel.as_str())) {
            continue;
        }
        for identifier in &event.identifiers {
            if let Some(app_id) = identifier.namespace.strip_prefix(OPENID) {
                let happened = Happened { openid: &identifier.value, trigger, at: fact::time(event) };
                accounts.entry((&delivery.workspace, app_id)).or_default().push(happened);
            }
        }
    }
    for ((workspace, app_id), happened) in accounts {
        apply_account(unit, workspace, app_id, &happened).await?;
    }
    Ok(())
}

async fn apply_account(
    unit: &mut Unit,
    workspace: &Workspace,
    app_id: &str,
    happened: &[Happened<'_>],
) -> Result<()> {
    let openids: Vec<&str> =
        happened.iter().map(|one| one.openid).collect::<BTreeSet<_>>().into_iter().collect();
    let mut windows = reply_windows::load(unit.db(), workspace, app_id, &openids).await?;
    let mut closed = BTreeSet::new();
    for one in happened {
        let of_user = windows.entry(one.openid.to_owned()).or_default();
        match one.trigger {
            Some(trigger) => of_user.open(trigger, one.at),
            None => {
                of_user.opened.clear();
                closed.insert(one.openid);
            }
        }
    }
    let closed: Vec<&str> = closed.into_iter().collect();
    reply_windows::close(unit.db(), workspace, app_id, &closed).await?;
    reply_windows::save(unit.db(), workspace, app_id, &windows).await
}

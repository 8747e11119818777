//! At start: messages that a process left half-way through being sent.

use chassis::Context;
use kernel::{Result, Workspace};

use crate::domain::channel::{Channel, Kind};
use crate::domain::outcome::Outcome;
use crate::domain::retry::Retry;
use crate::facts;
use crate::store::{keyed, messages};

/// Messages settled in one transaction.
const BATCH: usize = 500;

/// Where a repetition does no harm they are sent again; elsewhere they may have arrived, and are never sent again.
pub(super) async fn recover(cx: &Context) -> Result<()> {
    let (mut again, mut unknown) = (0_usize, 0_usize);
    loop {
        let mut left = messages::sending(cx.db.read(), BATCH).await?;
        if left.is_empty() {
            break;
        }
        let now = cx.clock.now();
        let mut unit = cx.db.begin().await?;
        for message in &mut left {
            let kind = kind_of(cx, &message.workspace, &message.progress.channel).await?;
            if kind.is_some_and(Kind::repeatable) {
                message.progress.send_again(now);
                again += 1;
                continue;
            }
            let outcome = Outcome::unknown("the process ended before the answer was kept");
            message.progress.answered(&outcome, now, &Retry::new(Vec::new()));
            unknown += 1;
            if let Some(name) = message.progress.state.fact() {
                let kind = kind.map_or("", Kind::name);
                unit.publish(&message.workspace, &facts::about(&cx.ids, name, message, kind, now)?);
            }
        }
        messages::save(unit.db(), &left.iter().collect::<Vec<_>>()).await?;
        unit.commit().await?;
    }
    if again + unknown > 0 {
        tracing::warn!(
            again,
            unknown,
            "messages were being sent when the process ended; the unknown are never sent again"
        );
    }
    Ok(())
}

async fn kind_of(cx: &Context, workspace: &Workspace, key: &str) -> Result<Option<Kind>> {
    Ok(keyed::find::<Channel>(cx.db.read(), workspace, key).await?.map(|channel| channel.kind))
}

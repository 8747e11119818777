//! What an operator does with dead letters, each entered in the audit log of its workspace.

use kernel::{Error, Result, Workspace};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, FromQueryResult, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use serde::Serialize;

use super::{Choice, row};
use crate::Unit;
use crate::audit::Entry;
use crate::error::StoreResult as _;

/// Letters in one statement.
const CHUNK: u64 = 500;

/// What is done with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// The service takes them again within a second or two, each alone: the effects and the end of the dead letter are one
    /// transaction. What fails again stays, with its new reason.
    Redrive,
    /// They are forgotten for good.
    Discard,
}

/// A letter as the audit log shows it: all but the event, which is about a customer.
#[derive(Debug, Serialize, FromQueryResult)]
struct Shown {
    #[serde(skip)]
    id: i64,
    #[serde(skip)]
    workspace: String,
    stream: String,
    partition: i32,
    position: i64,
    reason: String,
    redrive: bool,
}

/// Does that with those chosen, on behalf of `by`, and says with how many; those that were given again already and still
/// wait for their turn are not given another time.
///
/// # Errors
/// When the database refuses.
pub async fn act(unit: &mut Unit, act: Act, choice: &Choice, by: &str) -> Result<usize> {
    let (mut after, mut count) = (0, 0);
    loop {
        let mut chosen = row::Entity::find()
            .select_only()
            .columns([
                row::Column::Id,
                row::Column::Workspace,
                row::Column::Stream,
                row::Column::Partition,
                row::Column::Position,
                row::Column::Reason,
                row::Column::Redrive,
            ])
            .filter(choice.condition())
            .filter(row::Column::Id.gt(after));
        if act == Act::Redrive {
            chosen = chosen.filter(row::Column::Redrive.eq(false));
        }
        let chosen = chosen.order_by_asc(row::Column::Id).limit(CHUNK).into_model::<Shown>();
        let letters = chosen.all(unit.db()).await.db()?;
        let Some(last) = letters.last() else { return Ok(count) };
        (after, count) = (last.id, count + letters.len());
        let these = row::Column::Id.is_in(letters.iter().map(|letter| letter.id));
        match act {
            Act::Redrive => {
                let update = row::Entity::update_many().col_expr(row::Column::Redrive, Expr::value(true));
                update.filter(these).exec(unit.db()).await.db()?;
            }
            Act::Discard => {
                row::Entity::delete_many().filter(these).exec(unit.db()).await.db()?;
            }
        }
        for letter in letters {
            unit.audit(entry(act, letter, by)?);
        }
    }
}

fn entry(act: Act, letter: Shown, by: &str) -> Result<Entry> {
    let text = |letter: &Shown| {
        let damaged = |cause| Error::internal("a dead letter cannot be shown").caused_by(cause);
        serde_json::to_string(letter).map_err(damaged)
    };
    let before = text(&letter)?;
    let (id, workspace) = (letter.id.to_string(), Workspace::new(letter.workspace.clone()));
    let (option, after) = match act {
        Act::Redrive => ("--redrive", Some(text(&Shown { redrive: true, ..letter })?)),
        Act::Discard => ("--discard", None),
    };
    Ok(Entry {
        workspace,
        actor: format!("operator:{by}"),
        method: format!("guanxi dead-letters {option}"),
        resource_kind: "dead_letter".to_owned(),
        resource_id: id,
        before: Some(before),
        after,
        trace_id: String::new(),
    })
}

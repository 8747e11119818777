//! `UndoMerge`: takes a merge back and keeps its customers apart.

use std::collections::BTreeSet;

use chassis::fact::Cause;
use chassis::{Caller, audit, rpc};
use kernel::{CustomerId, Error, MergeId, RecordId, Result};
use wire::identity::{UndoMergeRequest, UndoMergeResponse};

use super::{Api, convert};
use crate::domain::Missing;
use crate::facts::Origin;
use crate::store::merge::{self, Merge};
use crate::store::{load, separation};
use crate::work::Work;

impl Api {
    pub(super) async fn do_undo_merge(
        &self,
        caller: Caller,
        request: UndoMergeRequest,
    ) -> Result<UndoMergeResponse> {
        let id: MergeId = request.merge_id.parse()?;
        let engine = &*self.engine;
        let mut unit = engine.db.begin().await?;
        let mut session = engine.session(&unit).await;
        let mut work = session.work(engine, unit.db(), &caller.workspace).await?;
        let found = merge::find(work.db, &work.workspace, id).await?;
        let merge = found.ok_or_else(|| Error::not_found("merge", id))?;
        if merge.undone {
            return Err(Error::precondition("ALREADY_UNDONE", "this merge was undone already"));
        }
        let apart = take_back(&mut work, &merge).await?;
        separation::add(work.db, &work.workspace, id, (&caller.subject, engine.clock.now()), &apart).await?;
        merge::note_undone(work.db, &work.workspace, id).await?;
        let changes = work.graph.settle(None);
        let restored: BTreeSet<CustomerId> =
            sides(&work, &merge).filter_map(|node| work.graph.customer_of(node)).collect();
        let origin = Origin {
            cause: Cause { trace_parent: rpc::trace_parent(), ..Cause::none() },
            rule: merge.rule,
            actor: caller.subject.to_string(),
            reason: String::new(),
            time: engine.clock.now(),
            merge: Some(id),
        };
        work.tell(changes, &origin)?;
        let done = work.finish().await?;
        let before = convert::merge(&merge);
        let after = wire::identity::Merge { undone: true, ..before.clone() };
        audit::changed(&mut unit, &caller, ("merge", &before.merge_id), &before, &after)?;
        session.publish(&mut unit, done);
        session.commit_and_forget(unit).await?;
        let survivor_first = merge.sides().filter(|side| restored.contains(side)).collect::<Vec<_>>();
        Ok(UndoMergeResponse { customers: self.customers(&caller.workspace, survivor_first).await? })
    }
}

async fn take_back(work: &mut Work<'_>, merge: &Merge) -> Result<Vec<crate::domain::graph::Separation>> {
    let ends = merge.links.iter().flat_map(|key| [key.a, key.b]);
    let records: BTreeSet<RecordId> = merge.sides().map(|side| RecordId(side.0)).chain(ends).collect();
    let mut customers = BTreeSet::new();
    for record in load::by_records(work.db, &work.workspace, records).await? {
        customers.insert(record.customer);
    }
    work.load(Missing(customers)).await?;
    let nodes: Vec<usize> = sides(work, merge).collect();
    loop {
        match work.graph.undo(&nodes, &merge.links) {
            Ok(apart) => return Ok(apart),
            Err(missing) => work.load(missing).await?,
        }
    }
}

/// The records that the merge's customers were founded with.
fn sides<'a>(work: &'a Work<'_>, merge: &'a Merge) -> impl Iterator<Item = usize> + 'a {
    merge.sides().filter_map(|side| work.graph.find_record(RecordId(side.0)))
}

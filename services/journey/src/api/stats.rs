//! `GetJourneyStats`.

use std::collections::BTreeMap;

use chassis::Caller;
use kernel::Result;
use wire::journey as proto;

use crate::api::Api;
use crate::store::tallies::{self, Counted};

impl Api {
    /// From counters alone: who has come to a node and not left it is there.
    pub(super) async fn do_stats(
        &self,
        caller: Caller,
        message: proto::GetJourneyStatsRequest,
    ) -> Result<proto::GetJourneyStatsResponse> {
        self.exists(&caller, &message.key).await?;
        let counts =
            tallies::of(self.shared.cx.db.read(), &caller.workspace, &message.key, message.version).await?;
        let mut nodes: BTreeMap<String, proto::NodeStats> = BTreeMap::new();
        let mut exits: BTreeMap<String, i64> = BTreeMap::new();
        let mut entered = 0;
        for row in counts {
            let node = |nodes: &mut BTreeMap<String, proto::NodeStats>, arrived, left| {
                let stats = nodes.entry(row.name.clone()).or_default();
                stats.node.clone_from(&row.name);
                stats.entered += arrived;
                stats.left += left;
                stats.waiting = stats.entered - stats.left;
            };
            match row.kind.as_str() {
                kind if kind == Counted::Entered.name() => entered += row.count,
                kind if kind == Counted::Arrived.name() => node(&mut nodes, row.count, 0),
                kind if kind == Counted::Left.name() => node(&mut nodes, 0, row.count),
                kind if kind == Counted::Exited.name() => {
                    *exits.entry(row.name.clone()).or_default() += row.count
                }
                _ => {}
            }
        }
        let exited: i64 = exits.values().sum();
        Ok(proto::GetJourneyStatsResponse {
            nodes: nodes.into_values().collect(),
            exits: exits.into_iter().map(|(reason, runs)| proto::ExitStats { reason, runs }).collect(),
            entered,
            active: entered - exited,
        })
    }
}

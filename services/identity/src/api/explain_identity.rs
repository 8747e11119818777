//! `ExplainIdentity`: the chain of evidence that joins two ids, or what keeps them apart.

use std::collections::BTreeSet;

use chassis::Caller;
use kernel::{CustomerId, Error, RecordId, Result, Time, Workspace};
use wire::identity::{Evidence, ExplainIdentityRequest, ExplainIdentityResponse};

use super::{Api, convert};
use crate::domain::Graph;
use crate::domain::graph::Apart;
use crate::store::{load, separation};

impl Api {
    pub(super) async fn do_explain_identity(
        &self,
        caller: Caller,
        request: ExplainIdentityRequest,
    ) -> Result<ExplainIdentityResponse> {
        let parse = |field: &str, id: &str| {
            id.parse::<CustomerId>()
                .map_err(|_| Error::invalid(field, format!("`{id}` is not a customer id")))
        };
        let a = parse("customer_id_a", &request.customer_id_a)?;
        let b = parse("customer_id_b", &request.customer_id_b)?;
        let live = self.live(&caller.workspace, &[a, b]).await?;
        let find = |id| live.get(&id).copied().ok_or_else(|| Error::not_found("customer", id));
        let customers = BTreeSet::from([find(a)?, find(b)?]);
        let same_customer = customers.len() == 1;
        let db = self.engine.db.read();
        let mut graph = Graph::new(self.engine.policy.clone(), Apart::default());
        load::complete(db, &caller.workspace, &mut graph, &customers).await?;
        let node = |id: CustomerId| graph.find_record(RecordId(id.0));
        let (Some(from), Some(to)) = (node(a), node(b)) else {
            return Err(Error::unavailable("the customers changed at this moment; ask again"));
        };
        let steps = if same_customer { graph.chain(from, to) } else { graph.refusals(from, to) };
        let mut evidence: Vec<Evidence> = steps.iter().map(convert::evidence).collect();
        if !same_customer {
            evidence.extend(self.separations(&caller.workspace, &graph, (from, to)).await?);
        }
        Ok(ExplainIdentityResponse { same_customer, evidence })
    }

    /// What people set apart between two customers.
    async fn separations(
        &self,
        workspace: &Workspace,
        graph: &Graph,
        (from, to): (usize, usize),
    ) -> Result<Vec<Evidence>> {
        let mut found = Vec::new();
        for row in separation::all(self.engine.db.read(), workspace).await? {
            let ends = (graph.find_record(RecordId(row.a)), graph.find_record(RecordId(row.b)));
            let (Some(x), Some(y)) = ends else { continue };
            let sides = BTreeSet::from([graph.customer_of(x), graph.customer_of(y)]);
            if row.lifted.is_none()
                && sides == BTreeSet::from([graph.customer_of(from), graph.customer_of(to)])
            {
                found.push(Evidence {
                    a: Some(graph.identifier_of(x).into()),
                    b: Some(graph.identifier_of(y).into()),
                    joins: false,
                    cause: row.merge_id.to_string(),
                    rule: "kept_apart".to_owned(),
                    actor: row.actor,
                    time: Some(Time(row.time).into()),
                });
            }
        }
        Ok(found)
    }
}

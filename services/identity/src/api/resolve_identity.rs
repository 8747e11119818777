//! `ResolveIdentity` and `ResolveIdentities`: what an event with these identifiers, seen now, would do.

use chassis::fact::Cause;
use chassis::{Caller, rpc};
use kernel::{Error, Result, Violation};
use wire::identity::{
    ResolveIdentitiesRequest, ResolveIdentitiesResponse, ResolveIdentityRequest, ResolveIdentityResponse,
};

use super::Api;
use crate::domain::Policy;
use crate::facts::Origin;
use crate::work::{Resolved, Sighting, Work, evidence};

/// Requests in one call at the most.
const MAX_REQUESTS: usize = 1_000;

impl Api {
    pub(super) async fn do_resolve_identity(
        &self,
        caller: Caller,
        request: ResolveIdentityRequest,
    ) -> Result<ResolveIdentityResponse> {
        if !names_somebody(&self.engine.policy, &request) {
            return Err(Error::invalid("identifiers", NOBODY));
        }
        let responses = self.resolve(&caller, vec![request]).await?;
        responses.into_iter().next().ok_or_else(|| Error::internal("one request, no response"))
    }

    pub(super) async fn do_resolve_identities(
        &self,
        caller: Caller,
        request: ResolveIdentitiesRequest,
    ) -> Result<ResolveIdentitiesResponse> {
        let requests = request.requests;
        if requests.len() > MAX_REQUESTS {
            return Err(Error::invalid("requests", format!("at most {MAX_REQUESTS} in one call")));
        }
        let wrong = requests.iter().enumerate().filter(|(_, one)| !names_somebody(&self.engine.policy, one));
        let violations: Vec<Violation> = wrong
            .map(|(at, _)| Violation {
                field: format!("requests[{at}].identifiers"),
                description: NOBODY.to_owned(),
            })
            .collect();
        if !violations.is_empty() {
            return Err(Error::violations(violations));
        }
        Ok(ResolveIdentitiesResponse { responses: self.resolve(&caller, requests).await? })
    }

    async fn resolve(
        &self,
        caller: &Caller,
        requests: Vec<ResolveIdentityRequest>,
    ) -> Result<Vec<ResolveIdentityResponse>> {
        let engine = &*self.engine;
        let mut unit = engine.db.begin().await?;
        let mut session = engine.session(&unit).await;
        let mut work = session.work(engine, unit.db(), &caller.workspace).await?;
        let sightings: Vec<Sighting> = requests.iter().map(|one| seen_now(&work, caller, one)).collect();
        work.prepare(&sightings).await?;
        let mut responses = Vec::with_capacity(sightings.len());
        for sighting in &sightings {
            let Some(resolved) = work.resolve(sighting).await? else {
                return Err(Error::invalid("identifiers", NOBODY));
            };
            responses.push(response(&resolved));
            let cause = Cause { id: String::new(), depth: 0, trace_parent: rpc::trace_parent() };
            work.tell(resolved.changes, &Origin::sighting(cause, &caller.subject, sighting.evidence.time))?;
        }
        let done = work.finish().await?;
        session.publish(&mut unit, done);
        session.commit(unit).await?;
        Ok(responses)
    }
}

const NOBODY: &str =
    "give at least one identifier that names somebody (namespace and value, not a blocked value)";

fn names_somebody(policy: &Policy, request: &ResolveIdentityRequest) -> bool {
    request.identifiers.iter().any(|given| policy.read(&given.namespace, &given.value).is_ok())
}

fn seen_now(work: &Work<'_>, caller: &Caller, request: &ResolveIdentityRequest) -> Sighting {
    let cause = work.engine.ids.next().to_string();
    work.sighting(&request.identifiers, evidence(work.engine.clock.now(), &cause, &caller.subject))
}

fn response(resolved: &Resolved) -> ResolveIdentityResponse {
    let ours = resolved.changes.merged.iter().filter(|merged| merged.survivor == resolved.customer);
    ResolveIdentityResponse {
        customer_id: resolved.customer.to_string(),
        record_id: resolved.record.to_string(),
        created: resolved.changes.created.iter().any(|(created, _)| *created == resolved.customer),
        merged_customer_ids: ours.flat_map(|merged| &merged.absorbed).map(ToString::to_string).collect(),
    }
}

//! `ListRuns`, `GetRun`, `CancelRun`.

use std::sync::Arc;

use chassis::{Caller, audit, rpc};
use kernel::page::Page;
use kernel::{Error, Kind, Result, RunId};
use uuid::Uuid;
use wire::identity::GetCustomerRequest;
use wire::identity::get_customer_request::Customer as Asked;
use wire::identity::identity_service_client::IdentityServiceClient;
use wire::journey as proto;
use wire::journey::list_runs_request::Customer;

use crate::api::{Api, convert};
use crate::domain::{Definition, Input};
use crate::jobs::executor::{Ledger, Truths, Work};
use crate::store::journeys;
use crate::store::runs::{self, Filter};

/// Why a run ended that somebody took out without saying why.
const CANCELLED: &str = "cancelled";

impl Api {
    pub(super) async fn do_list_runs(
        &self,
        caller: Caller,
        message: proto::ListRunsRequest,
    ) -> Result<proto::ListRunsResponse> {
        let page = Page::read(message.page_size, &message.page_token)?;
        let state = match message.state() {
            proto::RunState::Unspecified => None,
            proto::RunState::Ready => Some(runs::READY),
            proto::RunState::Waiting => Some(runs::WAITING),
            proto::RunState::Exited => Some(runs::EXITED),
        };
        let customer = match message.customer {
            Some(customer) => Some(self.customer(&caller, customer).await?),
            None => None,
        };
        if customer.is_none() && message.journey_key.is_empty() {
            return Err(Error::invalid("journey_key", "name a journey, a customer or both"));
        }
        let filter = Filter {
            journey: Some(message.journey_key).filter(|key| !key.is_empty()),
            customer,
            state,
            after: page.after.as_deref().map(runs::parse_place).transpose()?,
        };
        let mut rows = runs::list(self.shared.cx.db.read(), &caller.workspace, &filter, &page).await?;
        let next_page_token = page.cut(&mut rows, runs::place);
        let runs = rows.into_iter().map(|row| convert::run(row, Vec::new())).collect();
        Ok(proto::ListRunsResponse { runs, next_page_token })
    }

    /// The customer as identity knows it today.
    async fn customer(&self, caller: &Caller, customer: Customer) -> Result<Uuid> {
        let asked = match customer {
            Customer::CustomerId(id) => Asked::CustomerId(id),
            Customer::Identifier(identifier) => Asked::Identifier(identifier),
        };
        let mut client = IdentityServiceClient::new(self.shared.cx.rpc.to("identity"));
        let request = GetCustomerRequest { customer: Some(asked) };
        let system = Caller::system(caller.workspace.clone(), "journey");
        let found = rpc::call(client.get_customer(rpc::request(&system, request))).await?.customer;
        let id = found.map(|customer| customer.customer_id).unwrap_or_default();
        Ok(id.parse::<kernel::CustomerId>()?.0)
    }

    pub(super) async fn do_get_run(
        &self,
        caller: Caller,
        message: proto::GetRunRequest,
    ) -> Result<proto::GetRunResponse> {
        let id: RunId = message.run_id.parse()?;
        let db = self.shared.cx.db.read();
        let row = runs::find(db, &caller.workspace, id.0).await?.filter(|row| row.state != runs::ENTERING);
        let row = row.ok_or_else(|| Error::not_found("run", id))?;
        let history = runs::history(db, &caller.workspace, id.0).await?;
        Ok(proto::GetRunResponse { run: Some(convert::run(row, history)) })
    }

    pub(super) async fn do_cancel_run(
        &self,
        caller: Caller,
        message: proto::CancelRunRequest,
    ) -> Result<proto::CancelRunResponse> {
        let id: RunId = message.run_id.parse()?;
        let now = self.shared.cx.clock.now();
        let mut unit = self.shared.cx.db.begin().await?;
        let row =
            runs::find(unit.db(), &caller.workspace, id.0).await?.filter(|row| row.state != runs::ENTERING);
        let row = row.ok_or_else(|| Error::not_found("run", id))?;
        if row.state == runs::EXITED {
            let message = format!("run {id} is over already");
            return Err(Error::new(Kind::Precondition, "RUN_EXITED", message));
        }
        let before = convert::run(row.clone(), Vec::new());
        let mut work = Work::of(row, caller.workspace.clone(), Arc::new(Definition::nothing()));
        let reason = if message.reason.is_empty() { CANCELLED.to_owned() } else { message.reason };
        work.step(&self.shared, Input::Stop { reason }, &Truths::new(), now);
        let mut ledger = Ledger::default();
        ledger.take(&self.shared, &mut unit, &mut work, now)?;
        ledger.save(unit.db()).await?;
        let history = runs::history(unit.db(), &caller.workspace, id.0).await?;
        let after = convert::run(work.row, Vec::new());
        audit::changed(&mut unit, &caller, ("run", &before.run_id), &before, &after)?;
        unit.commit().await?;
        let history = history.into_iter().map(convert::step).collect();
        Ok(proto::CancelRunResponse { run: Some(proto::Run { history, ..after }) })
    }

    /// Refuses a journey that is not there.
    pub(super) async fn exists(&self, caller: &Caller, key: &str) -> Result<()> {
        journeys::find(self.shared.cx.db.read(), &caller.workspace, key).await.map(drop)
    }
}

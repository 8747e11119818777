//! `AuditService`, in every process for the services that it runs.

use kernel::page::Page;
use kernel::{Error, Result, Time};
use prost_types::Struct;
use serde_json::Value as Json;
use store::Database;
use store::audit::{self, Filter, row};
use tonic::{Request, Response, Status};
use wire::audit::audit_service_server::AuditService;
use wire::audit::{AuditEntry, ListAuditEntriesRequest, ListAuditEntriesResponse};

use crate::caller::Caller;
use crate::rpc;
use crate::values::to_struct;

/// Answers calls.
#[derive(Debug)]
pub(crate) struct Api {
    /// Of the services of this process.
    pub(crate) databases: Vec<(&'static str, Database)>,
}

#[tonic::async_trait]
impl AuditService for Api {
    async fn list_audit_entries(
        &self,
        request: Request<ListAuditEntriesRequest>,
    ) -> Result<Response<ListAuditEntriesResponse>, Status> {
        rpc::answer(request, |caller, message| self.do_list_audit_entries(caller, message)).await
    }
}

impl Api {
    async fn do_list_audit_entries(
        &self,
        caller: Caller,
        message: ListAuditEntriesRequest,
    ) -> Result<ListAuditEntriesResponse> {
        let page = Page::read(message.page_size, &message.page_token)?;
        if message.resource_kind.is_empty() && !message.resource_id.is_empty() {
            return Err(Error::invalid("resource_kind", "say of which kind resource_id is"));
        }
        let filter = Filter {
            from: message.from.map(Time::from),
            to: message.to.map(Time::from),
            actor: message.actor,
            method: message.method.trim_start_matches('/').to_owned(),
            resource_kind: message.resource_kind,
            resource_id: message.resource_id,
        };
        let mut rows = Vec::new();
        for (service, db) in self.of(&message.service)? {
            let found = audit::list(db.read(), &caller.workspace, &filter, &page).await?;
            rows.extend(found.into_iter().map(|row| (*service, row)));
        }
        // Ids grow with time.
        rows.sort_unstable_by_key(|(_, row)| std::cmp::Reverse(row.id));
        let next_page_token = page.cut(&mut rows, |(_, row)| row.id.to_string());
        let audit_entries =
            rows.into_iter().map(|(service, row)| to_wire(service, row)).collect::<Result<_>>()?;
        Ok(ListAuditEntriesResponse { audit_entries, next_page_token })
    }

    /// Databases of the service of that name; of all for an empty one.
    fn of(&self, service: &str) -> Result<&[(&'static str, Database)]> {
        if service.is_empty() {
            return Ok(&self.databases);
        }
        let found = self.databases.iter().position(|(name, _)| *name == service);
        found.and_then(|at| self.databases.get(at..=at)).ok_or_else(|| {
            let message = format!(
                "this process does not run a service `{service}`; ask the one that does (a gateway leads there by the \
                 metadata `guanxi-service: {service}`)"
            );
            Error::precondition("SERVICE_ELSEWHERE", message)
        })
    }
}

fn to_wire(service: &str, row: row::Model) -> Result<AuditEntry> {
    Ok(AuditEntry {
        audit_entry_id: row.id.to_string(),
        service: service.to_owned(),
        time: Some(Time(row.time).into()),
        actor: row.actor,
        method: row.method,
        resource_kind: row.resource_kind,
        resource_id: row.resource_id,
        before: row.before.as_deref().map(read).transpose()?,
        after: row.after.as_deref().map(read).transpose()?,
        trace_id: row.trace_id,
    })
}

fn read(text: &str) -> Result<Struct> {
    match serde_json::from_str(text) {
        Ok(Json::Object(members)) => Ok(to_struct(members)),
        _ => Err(Error::internal("an entry of the audit log is damaged")),
    }
}

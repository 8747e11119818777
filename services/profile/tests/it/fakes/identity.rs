//! An identity service that knows what `customer.*` events on the log say.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use bus::Log;
use chassis::{Context, Parts, Service, fact, rpc};
use kernel::{Error, Result};
use tonic::{Request, Response, Status};
use wire::event::{Event, Identifier};
use wire::identity::identity_service_server::{IdentityService, IdentityServiceServer};
use wire::identity::*;

/// The stand-in.
pub(crate) struct FakeIdentity;

impl Service for FakeIdentity {
    const NAME: &'static str = "identity";
    const DEFAULTS: &'static str = super::DEFAULTS;
    type Config = super::Config;

    fn migrations() -> Vec<Box<dyn sea_orm_migration::MigrationTrait>> {
        Vec::new()
    }

    async fn start(_: super::Config, cx: Context) -> Result<Parts> {
        let api = IdentityServiceServer::new(Api { log: Arc::downgrade(&cx.log) });
        Ok(Parts::default().grpc(|routes| {
            routes.add_service(api.max_decoding_message_size(rpc::MAX_MESSAGE_BYTES));
        }))
    }
}

struct Api {
    log: Weak<dyn Log>,
}

/// Who owns which record, and the identifiers of each.
#[derive(Default)]
struct People {
    owners: BTreeMap<String, String>,
    identifiers: BTreeMap<String, Vec<Identifier>>,
    aliases: BTreeMap<String, String>,
}

impl People {
    fn apply(&mut self, event: &Event) {
        let properties = fact::properties(event);
        let text = |value: &serde_json::Value, name: &str| value[name].as_str().unwrap().to_owned();
        match event.name.as_str() {
            "customer.created" => {
                self.owners.insert(event.record_id.clone(), event.customer_id.clone());
                let read = |i: &serde_json::Value| Identifier {
                    namespace: text(i, "namespace"),
                    value: text(i, "value"),
                };
                let identifiers = properties["identifiers"].as_array().unwrap().iter().map(read).collect();
                self.identifiers.insert(event.record_id.clone(), identifiers);
            }
            "customer.merged" | "customer.split" => {
                for record in properties["records"].as_array().unwrap() {
                    self.owners.insert(text(record, "record_id"), text(record, "customer_id"));
                }
                for id in properties.get("merged").and_then(|ids| ids.as_array()).into_iter().flatten() {
                    self.aliases.insert(
                        id.as_str().unwrap().to_owned(),
                        properties["survivor"].as_str().unwrap().to_owned(),
                    );
                }
                for id in properties.get("restored").and_then(|ids| ids.as_array()).into_iter().flatten() {
                    self.aliases.remove(id.as_str().unwrap());
                }
            }
            _ => {}
        }
    }

    fn customer(&self, id: &str) -> Option<Customer> {
        let id = self.aliases.get(id).map_or(id, String::as_str);
        let own: Vec<&String> =
            self.owners.iter().filter(|(_, owner)| *owner == id).map(|(record, _)| record).collect();
        if own.is_empty() {
            return None;
        }
        let identifiers =
            own.iter().filter_map(|record| self.identifiers.get(*record)).flatten().cloned().collect();
        let aliases =
            self.aliases.iter().filter(|(_, now)| *now == id).map(|(alias, _)| alias.clone()).collect();
        let records =
            own.into_iter().map(|record| Record { record_id: record.clone(), ..Record::default() }).collect();
        Some(Customer { customer_id: id.to_owned(), identifiers, records, aliases, created_at: None })
    }
}

impl Api {
    async fn people(&self) -> People {
        let mut people = People::default();
        super::events(&self.log).await.iter().for_each(|event| people.apply(event));
        people
    }
}

#[tonic::async_trait]
impl IdentityService for Api {
    async fn get_customer(
        &self,
        request: Request<GetCustomerRequest>,
    ) -> Result<Response<GetCustomerResponse>, Status> {
        rpc::answer(request, |_, message: GetCustomerRequest| async move {
            let people = self.people().await;
            let found = match message.customer {
                Some(get_customer_request::Customer::CustomerId(id)) => people.customer(&id),
                Some(get_customer_request::Customer::Identifier(identifier)) => people
                    .identifiers
                    .iter()
                    .find(|(_, all)| all.contains(&identifier))
                    .and_then(|(record, _)| people.customer(&people.owners[record])),
                None => None,
            };
            let customer = found.ok_or_else(|| Error::not_found("customer", "that"))?;
            Ok(GetCustomerResponse { customer: Some(customer) })
        })
        .await
    }

    async fn batch_get_customers(
        &self,
        request: Request<BatchGetCustomersRequest>,
    ) -> Result<Response<BatchGetCustomersResponse>, Status> {
        let people = self.people().await;
        let customers = request.get_ref().customer_ids.iter().filter_map(|id| people.customer(id)).collect();
        Ok(Response::new(BatchGetCustomersResponse { customers }))
    }

    crate::fakes::unused! {
        resolve_identity(ResolveIdentityRequest) -> ResolveIdentityResponse;
        resolve_identities(ResolveIdentitiesRequest) -> ResolveIdentitiesResponse;
        merge_customers(MergeCustomersRequest) -> MergeCustomersResponse;
        list_merges(ListMergesRequest) -> ListMergesResponse;
        undo_merge(UndoMergeRequest) -> UndoMergeResponse;
        explain_identity(ExplainIdentityRequest) -> ExplainIdentityResponse;
        list_conflicts(ListConflictsRequest) -> ListConflictsResponse;
    }
}

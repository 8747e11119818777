//! Who is in a segment, and what a customer is in.

use chassis::{Caller, rpc};
use kernel::page::Page;
use kernel::{CustomerId, Error, Result};
use uuid::Uuid;
use wire::identity::GetCustomerRequest;
use wire::identity::get_customer_request::Customer as AskedCustomer;
use wire::identity::identity_service_client::IdentityServiceClient;
use wire::segmentation::list_memberships_request::Customer as GivenCustomer;
use wire::segmentation::*;

use super::{Api, save};
use crate::domain::definition::Kind;
use crate::store::members;

impl Api {
    pub(super) async fn do_list_members(
        &self,
        caller: Caller,
        message: ListMembersRequest,
    ) -> Result<ListMembersResponse> {
        let page = Page::read(message.page_size, &message.page_token)?;
        let catalogue = self.engine()?.committed(&caller.workspace).await?;
        let given = save::find(&catalogue, Kind::Dynamic.space(), &message.key)?;
        let part = given.latest.first().map_or(0, |part| part.id);
        let engine = self.engine()?;
        let db = engine.cx.db.read();
        let mut rows = members::list(db, &caller.workspace, part, (after(&page)?, page.limit())).await?;
        let next_page_token = page.cut(&mut rows, Uuid::to_string);
        let total = members::sizes(db, &caller.workspace, &[part]).await?.get(&part).copied().unwrap_or(0);
        Ok(ListMembersResponse {
            customer_ids: rows.iter().map(Uuid::to_string).collect(),
            total,
            next_page_token,
        })
    }

    pub(super) async fn do_list_memberships(
        &self,
        caller: Caller,
        message: ListMembershipsRequest,
    ) -> Result<ListMembershipsResponse> {
        let asked = self.asked_customer(&caller, message.customer).await?;
        let found = self.customers.get(&caller.workspace, asked).await?;
        let (_, customer) = found.customers.get(&asked).ok_or_else(|| Error::not_found("customer", asked))?;
        let engine = self.engine()?;
        let catalogue = engine.catalogue(engine.cx.db.read(), &caller.workspace, found.version).await?;
        let shown = |(part, since)| {
            let given = catalogue.owner(part).filter(|given| given.kind == Kind::Dynamic)?;
            Some(Membership { key: given.key.clone(), since: Some(kernel::Time::into(since)) })
        };
        let mut memberships: Vec<Membership> = customer.memberships.iter().filter_map(shown).collect();
        memberships.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(ListMembershipsResponse { memberships })
    }

    async fn asked_customer(&self, caller: &Caller, given: Option<GivenCustomer>) -> Result<Uuid> {
        match given {
            None => Err(Error::invalid("customer", "give a customer_id or an identifier")),
            Some(GivenCustomer::CustomerId(id)) => Ok(id.parse::<CustomerId>()?.0),
            Some(GivenCustomer::Identifier(identifier)) => {
                let client = IdentityServiceClient::new(self.engine()?.cx.rpc.to("identity"));
                let mut client = client.max_decoding_message_size(rpc::MAX_MESSAGE_BYTES);
                let ask = GetCustomerRequest { customer: Some(AskedCustomer::Identifier(identifier)) };
                let answer = rpc::call(client.get_customer(rpc::request(caller, ask))).await?;
                Ok(answer.customer.unwrap_or_default().customer_id.parse::<CustomerId>()?.0)
            }
        }
    }
}

/// The id that a page begins behind.
pub(super) fn after(page: &Page) -> Result<Option<Uuid>> {
    let wrong = |_| Error::invalid("page_token", "give back a next_page_token as it came");
    page.after.as_deref().map(|after| Uuid::try_parse(after).map_err(wrong)).transpose()
}

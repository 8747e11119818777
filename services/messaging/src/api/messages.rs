//! Messages as they stand.

use chassis::Caller;
use kernel::Result;
use kernel::page::Page;
use wire::identity::get_customer_request;
use wire::messaging as pb;

use super::{Api, convert};
use crate::people::People;
use crate::store::messages::{self, Filter};

impl Api {
    pub(super) async fn do_get_message(
        &self,
        caller: Caller,
        request: pb::GetMessageRequest,
    ) -> Result<pb::GetMessageResponse> {
        let id = request.message_id.parse()?;
        let message = messages::get(self.db.read(), &caller.workspace, id).await?;
        Ok(pb::GetMessageResponse { message: Some(convert::message(message)) })
    }

    /// A customer's messages are those of their records, so that merges and splits carry them along.
    pub(super) async fn do_list_messages(
        &self,
        caller: Caller,
        request: pb::ListMessagesRequest,
    ) -> Result<pb::ListMessagesResponse> {
        use pb::list_messages_request::Customer as Given;
        let page = Page::read(request.page_size, &request.page_token)?;
        let workspace = caller.workspace.clone();
        let mut filter =
            Filter { records: None, channel: request.channel, state: convert::state(request.state)? };
        if let Some(customer) = request.customer {
            let customer = match customer {
                Given::CustomerId(id) => get_customer_request::Customer::CustomerId(id),
                Given::Identifier(identifier) => get_customer_request::Customer::Identifier(identifier),
            };
            let known = People::of(self.rpc.clone(), caller).customer(customer).await?;
            filter.records = Some(known.records.into_iter().map(|record| record.0).collect());
        }
        let mut found = messages::list(self.db.read(), &workspace, &filter, &page).await?;
        let next_page_token = page.cut(&mut found, |message| message.id.to_string());
        Ok(pb::ListMessagesResponse {
            messages: found.into_iter().map(convert::message).collect(),
            next_page_token,
        })
    }
}

//! `ListMerges`: the merges that concern a customer, undone ones included, newest first.

use chassis::Caller;
use kernel::page::Page;
use kernel::{CustomerId, Error, Result};
use wire::identity::list_merges_request::Customer as By;
use wire::identity::{ListMergesRequest, ListMergesResponse};

use super::find::Named;
use super::{Api, convert};
use crate::store::merge;

impl Api {
    pub(super) async fn do_list_merges(
        &self,
        caller: Caller,
        request: ListMergesRequest,
    ) -> Result<ListMergesResponse> {
        let page = Page::read(request.page_size, &request.page_token)?;
        let before = read_id(&page)?;
        let named = request.customer.map(|by| match by {
            By::CustomerId(id) => Named::Id(id),
            By::Identifier(identifier) => Named::Identifier(identifier),
        });
        let (id, _) = self.find(&caller.workspace, named).await?;
        // Whoever it is now, under all the ids it went by.
        let records = self.records(&caller.workspace, [id]).await?.remove(&id).unwrap_or_default();
        let ids: Vec<CustomerId> = records
            .iter()
            .filter(|record| record.founder)
            .map(|record| CustomerId(record.record.0))
            .collect();
        let mut merges =
            merge::list(self.engine.db.read(), &caller.workspace, &ids, before, page.limit()).await?;
        let next_page_token = page.cut(&mut merges, |merge| merge.id.to_string());
        Ok(ListMergesResponse { merges: merges.iter().map(convert::merge).collect(), next_page_token })
    }
}

/// The id in a page token of lists that are sorted by id.
pub(super) fn read_id(page: &Page) -> Result<Option<uuid::Uuid>> {
    let read = |text: &String| {
        uuid::Uuid::try_parse(text)
            .map_err(|_| Error::invalid("page_token", "give back a next_page_token as it came"))
    };
    page.after.as_ref().map(read).transpose()
}

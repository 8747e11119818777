//! `ListConflicts`: what the rules refused, newest first.

use chassis::Caller;
use kernel::page::Page;
use kernel::{Error, Result};
use wire::identity::{ListConflictsRequest, ListConflictsResponse};

use super::list_merges::read_id;
use super::{Api, convert};
use crate::store::conflict;

const REASONS: [&str; 3] = ["limit_exceeded", "kept_apart", "blocked_value"];

impl Api {
    pub(super) async fn do_list_conflicts(
        &self,
        caller: Caller,
        request: ListConflictsRequest,
    ) -> Result<ListConflictsResponse> {
        let (page, reason) = (Page::read(request.page_size, &request.page_token)?, request.reason.as_str());
        if !reason.is_empty() && !REASONS.contains(&reason) {
            return Err(Error::invalid(
                "reason",
                format!("leave it empty or give one of {}", REASONS.join(", ")),
            ));
        }
        let (db, before) = (self.engine.db.read(), read_id(&page)?);
        let mut conflicts = conflict::list(db, &caller.workspace, reason, before, page.limit()).await?;
        let next_page_token = page.cut(&mut conflicts, |conflict| conflict.id.to_string());
        Ok(ListConflictsResponse {
            conflicts: conflicts.iter().map(convert::conflict).collect(),
            next_page_token,
        })
    }
}

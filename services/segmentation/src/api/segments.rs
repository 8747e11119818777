//! Segments and rules: create, get, list, update, delete.

use std::sync::Arc;

use chassis::Caller;
use kernel::page::Page;
use kernel::{Error, Result, Workspace};
use wire::segmentation::*;

use super::{Api, convert, save};
use crate::domain::catalogue::Catalogue;
use crate::domain::definition::{Definition, Kind, Phase};
use crate::domain::validate::{Draft, DraftPart};
use crate::store::{filling, members};

const SPACE: &str = Kind::Dynamic.space();

impl Api {
    pub(super) async fn do_create_segment(
        &self,
        caller: Caller,
        message: CreateSegmentRequest,
    ) -> Result<CreateSegmentResponse> {
        let draft = draft(message.segment, None)?;
        let saved = self.create(&caller, &draft).await?;
        Ok(CreateSegmentResponse { segment: Some(self.shown(&caller.workspace, &saved.key).await?) })
    }

    pub(super) async fn do_get_segment(
        &self,
        caller: Caller,
        message: GetSegmentRequest,
    ) -> Result<GetSegmentResponse> {
        Ok(GetSegmentResponse { segment: Some(self.shown(&caller.workspace, &message.key).await?) })
    }

    pub(super) async fn do_list_segments(
        &self,
        caller: Caller,
        message: ListSegmentsRequest,
    ) -> Result<ListSegmentsResponse> {
        let page = Page::read(message.page_size, &message.page_token)?;
        let catalogue = self.engine()?.committed(&caller.workspace).await?;
        let wanted = |given: &&Definition| match given.kind {
            Kind::Dynamic => true,
            Kind::Rule => message.include_rules,
            Kind::Tiers => false,
        };
        let mut rows = page_of(catalogue.definitions.iter().filter(wanted), &page);
        let next_page_token = page.cut(&mut rows, |given| given.key.clone());
        let segments = self.show(&caller.workspace, &catalogue, &rows).await?;
        Ok(ListSegmentsResponse { segments, next_page_token })
    }

    pub(super) async fn do_update_segment(
        &self,
        caller: Caller,
        message: UpdateSegmentRequest,
    ) -> Result<UpdateSegmentResponse> {
        let catalogue = self.engine()?.committed(&caller.workspace).await?;
        let key = message.segment.as_ref().map(|segment| segment.key.clone()).unwrap_or_default();
        let kind = save::find(&catalogue, SPACE, &key)?.kind;
        let saved = self.update(&caller, &draft(message.segment, Some(kind))?).await?;
        Ok(UpdateSegmentResponse { segment: Some(self.shown(&caller.workspace, &saved.key).await?) })
    }

    pub(super) async fn do_delete_segment(
        &self,
        caller: Caller,
        message: DeleteSegmentRequest,
    ) -> Result<DeleteSegmentResponse> {
        self.delete(&caller, SPACE, &message.key).await?;
        Ok(DeleteSegmentResponse {})
    }

    async fn shown(&self, workspace: &Workspace, key: &str) -> Result<Segment> {
        let catalogue = self.engine()?.committed(workspace).await?;
        let given = save::find(&catalogue, SPACE, key)?;
        self.show(workspace, &catalogue, &[given])
            .await?
            .pop()
            .ok_or_else(|| Error::not_found("segment", key))
    }

    async fn show(
        &self,
        workspace: &Workspace,
        catalogue: &Arc<Catalogue>,
        rows: &[&Definition],
    ) -> Result<Vec<Segment>> {
        let engine = self.engine()?;
        let db = engine.cx.db.read();
        let parts: Vec<u32> = rows.iter().flat_map(|given| &given.latest).map(|part| part.id).collect();
        let sizes = members::sizes(db, workspace, &parts).await?;
        let waits = rows.iter().any(|given| given.phase == Phase::Waiting);
        let merging = waits && filling::load(db, workspace).await?.is_some_and(|filling| filling.merging);
        let progress = |given: &Definition| match given.phase {
            Phase::Waiting if merging => 0.5,
            Phase::Waiting => 0.0,
            Phase::Evaluating => 0.75,
            Phase::Live => 1.0,
        };
        Ok(rows.iter().map(|given| convert::segment(given, catalogue, &sizes, progress(given))).collect())
    }
}

/// Definitions behind the page's start, in the order of their keys.
pub(super) fn page_of<'a>(all: impl Iterator<Item = &'a Definition>, page: &Page) -> Vec<&'a Definition> {
    let mut rows: Vec<&Definition> =
        all.filter(|given| page.after.as_ref().is_none_or(|after| given.key > *after)).collect();
    rows.sort_unstable_by(|one, other| one.key.cmp(&other.key));
    rows.truncate(usize::try_from(page.limit()).unwrap_or(usize::MAX));
    rows
}

/// Reads a request; a kind that is not given is `before`'s, or dynamic.
fn draft(segment: Option<Segment>, before: Option<Kind>) -> Result<Draft> {
    let segment = segment.ok_or_else(|| Error::invalid("segment", "give a segment"))?;
    let kind = match segment.kind() {
        SegmentKind::Unspecified => before.unwrap_or(Kind::Dynamic),
        SegmentKind::Dynamic => Kind::Dynamic,
        SegmentKind::Rule => Kind::Rule,
    };
    let part = DraftPart {
        key: segment.key.clone(),
        name: String::new(),
        condition: Some(segment.condition),
        field: "segment.condition".to_owned(),
    };
    Ok(Draft { key: segment.key, name: segment.name, kind, parts: vec![part] })
}

//! The RPCs, one file each or by resource where they are trivial.

mod convert;
mod life;
mod manage;
mod publish;
mod references;
mod runs;
mod stats;

use std::sync::Arc;

use chassis::rpc;
use tonic::{Request, Response, Status};
use wire::journey as proto;
use wire::journey::journey_service_server::JourneyService;

use crate::Shared;

/// Answers calls.
pub(crate) struct Api {
    pub(crate) shared: Arc<Shared>,
}

/// `method(Request) -> Response = handler;`
macro_rules! methods {
    ($($method:ident($request:ident) -> $response:ident = $handler:ident;)*) => {
        #[tonic::async_trait]
        impl JourneyService for Api {
            $(async fn $method(
                &self,
                request: Request<proto::$request>,
            ) -> Result<Response<proto::$response>, Status> {
                rpc::answer(request, |caller, message| self.$handler(caller, message)).await
            })*
        }
    };
}

methods! {
    create_journey(CreateJourneyRequest) -> CreateJourneyResponse = do_create;
    update_journey(UpdateJourneyRequest) -> UpdateJourneyResponse = do_update;
    get_journey(GetJourneyRequest) -> GetJourneyResponse = do_get;
    list_journeys(ListJourneysRequest) -> ListJourneysResponse = do_list;
    delete_journey(DeleteJourneyRequest) -> DeleteJourneyResponse = do_delete;
    validate_journey(ValidateJourneyRequest) -> ValidateJourneyResponse = do_validate;
    publish_journey(PublishJourneyRequest) -> PublishJourneyResponse = do_publish;
    pause_journey(PauseJourneyRequest) -> PauseJourneyResponse = do_pause;
    resume_journey(ResumeJourneyRequest) -> ResumeJourneyResponse = do_resume;
    archive_journey(ArchiveJourneyRequest) -> ArchiveJourneyResponse = do_archive;
    get_journey_stats(GetJourneyStatsRequest) -> GetJourneyStatsResponse = do_stats;
    list_runs(ListRunsRequest) -> ListRunsResponse = do_list_runs;
    get_run(GetRunRequest) -> GetRunResponse = do_get_run;
    cancel_run(CancelRunRequest) -> CancelRunResponse = do_cancel_run;
}

#[cfg(test)]
mod tests;

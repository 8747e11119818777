//! The gRPC interface: one file per resource, and one for sending.

mod channels;
mod convert;
mod messages;
mod send;
mod templates;

use std::sync::{Arc, Weak};

use chassis::Context;
use chassis::rpc::{self, Rpc};
use kernel::{Clock, Ids, Workspace};
use store::{Database, Unit};
use tonic::{Request, Response, Status};
use wire::messaging::messaging_service_server::MessagingService;
use wire::messaging::*;

use crate::jobs::Dispatcher;
use crate::provider::Surroundings;

/// The service's face. It holds neither the log nor anything that does: the ways to other services lead back to it, and
/// the log must close with the process.
#[derive(Clone)]
pub(crate) struct Api {
    db: Database,
    clock: Clock,
    ids: Ids,
    rpc: Rpc,
    dispatcher: Weak<Dispatcher>,
    around: Surroundings,
}

impl Api {
    /// The face of a service in `cx`.
    pub(crate) fn new(cx: &Context, dispatcher: &Arc<Dispatcher>, around: Surroundings) -> Self {
        let (db, clock, ids, rpc) = (cx.db.clone(), cx.clock.clone(), cx.ids.clone(), cx.rpc.clone());
        Self { db, clock, ids, rpc, dispatcher: Arc::downgrade(dispatcher), around }
    }

    /// There may be something to do on a channel once `unit` is committed. While the process stops nobody hears; it is
    /// kept for the next one.
    fn ring_after(&self, unit: &mut Unit, workspace: &Workspace, channel: &str) {
        let (dispatcher, workspace, channel) =
            (self.dispatcher.clone(), workspace.clone(), channel.to_owned());
        unit.afterwards(move || {
            if let Some(dispatcher) = dispatcher.upgrade() {
                dispatcher.ring(&workspace, &channel);
            }
        });
    }
}

/// Every RPC is `do_<its name>` of [`Api`].
macro_rules! rpcs {
    ($($name:ident $work:ident: $request:ident -> $response:ident;)*) => {
        #[tonic::async_trait]
        impl MessagingService for Api {
            $(async fn $name(&self, request: Request<$request>) -> Result<Response<$response>, Status> {
                rpc::answer(request, |caller, message| self.$work(caller, message)).await
            })*
        }
    };
}

rpcs! {
    create_channel do_create_channel: CreateChannelRequest -> CreateChannelResponse;
    get_channel do_get_channel: GetChannelRequest -> GetChannelResponse;
    list_channels do_list_channels: ListChannelsRequest -> ListChannelsResponse;
    update_channel do_update_channel: UpdateChannelRequest -> UpdateChannelResponse;
    delete_channel do_delete_channel: DeleteChannelRequest -> DeleteChannelResponse;
    test_channel do_test_channel: TestChannelRequest -> TestChannelResponse;
    create_template do_create_template: CreateTemplateRequest -> CreateTemplateResponse;
    get_template do_get_template: GetTemplateRequest -> GetTemplateResponse;
    list_templates do_list_templates: ListTemplatesRequest -> ListTemplatesResponse;
    update_template do_update_template: UpdateTemplateRequest -> UpdateTemplateResponse;
    delete_template do_delete_template: DeleteTemplateRequest -> DeleteTemplateResponse;
    render_template do_render_template: RenderTemplateRequest -> RenderTemplateResponse;
    send_message do_send_message: SendMessageRequest -> SendMessageResponse;
    send_messages do_send_messages: SendMessagesRequest -> SendMessagesResponse;
    get_message do_get_message: GetMessageRequest -> GetMessageResponse;
    list_messages do_list_messages: ListMessagesRequest -> ListMessagesResponse;
}

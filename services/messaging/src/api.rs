//! The gRPC interface: one file per resource, and one for sending.

mod channels;
mod convert;
mod messages;
mod send;
mod templates;

use std::sync::Arc;

use chassis::{Context, rpc};
use tonic::{Request, Response, Status};
use wire::messaging::messaging_service_server::MessagingService;
use wire::messaging::*;

use crate::jobs::Dispatcher;
use crate::provider::Surroundings;

/// The service's face.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) cx: Context,
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) around: Surroundings,
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

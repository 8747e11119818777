//! Messaging: one message per idempotency key; templates called `broken` refuse.

use kernel::{Error, Result};
use wire::messaging::messaging_service_server::{MessagingService, MessagingServiceServer};
use wire::messaging::send_message_request::Body;
use wire::messaging::send_messages_response::Result as Sent;
use wire::messaging::*;

use crate::fakes::{World, fake, methods};

fake!(FakeMessaging, "messaging", [MessagingServiceServer::<crate::fakes::Shared>]);

methods! {
    MessagingService, messaging:
    create_channel(CreateChannelRequest) -> CreateChannelResponse;
    get_channel(GetChannelRequest) -> GetChannelResponse = get_channel;
    list_channels(ListChannelsRequest) -> ListChannelsResponse;
    update_channel(UpdateChannelRequest) -> UpdateChannelResponse;
    delete_channel(DeleteChannelRequest) -> DeleteChannelResponse;
    test_channel(TestChannelRequest) -> TestChannelResponse;
    create_template(CreateTemplateRequest) -> CreateTemplateResponse;
    get_template(GetTemplateRequest) -> GetTemplateResponse = get_template;
    list_templates(ListTemplatesRequest) -> ListTemplatesResponse;
    update_template(UpdateTemplateRequest) -> UpdateTemplateResponse;
    delete_template(DeleteTemplateRequest) -> DeleteTemplateResponse;
    render_template(RenderTemplateRequest) -> RenderTemplateResponse;
    send_message(SendMessageRequest) -> SendMessageResponse;
    send_messages(SendMessagesRequest) -> SendMessagesResponse = send_messages;
    get_message(GetMessageRequest) -> GetMessageResponse;
    list_messages(ListMessagesRequest) -> ListMessagesResponse;
}

fn known(world: &World, what: &str, key: &str) -> Result<()> {
    if world.unknown.contains(key) { Err(Error::not_found(what, key)) } else { Ok(()) }
}

fn get_channel(world: &mut World, asked: GetChannelRequest) -> Result<GetChannelResponse> {
    known(world, "channel", &asked.key).map(|()| GetChannelResponse::default())
}

fn get_template(world: &mut World, asked: GetTemplateRequest) -> Result<GetTemplateResponse> {
    known(world, "template", &asked.key).map(|()| GetTemplateResponse::default())
}

fn send_messages(world: &mut World, asked: SendMessagesRequest) -> Result<SendMessagesResponse> {
    world.send_calls += 1;
    world.pass("send_messages")?;
    let send = |request: SendMessageRequest| {
        if let Some(Body::Template(key)) = &request.body
            && world.unknown.contains(key)
        {
            let error = format!("no template `{key}`");
            return Sent { message: None, reason: "NOT_FOUND".to_owned(), error };
        }
        let message_id = request.idempotency_key.clone();
        if !world.sent.iter().any(|sent| sent.idempotency_key == message_id) {
            world.sent.push(request);
        }
        Sent { message: Some(Message { message_id, ..Message::default() }), ..Sent::default() }
    };
    Ok(SendMessagesResponse { results: asked.requests.into_iter().map(send).collect() })
}
